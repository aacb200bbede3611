'use strict';
// The page of the microscope. All that it shows comes from the program, in JSON over one WebSocket; an exported page
// has the answers in itself. Text from the wire is only ever set as text.

const $ = id => document.getElementById(id);

// An element with properties and children; a child that is a text stays a text.
function el(name, props, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props || {})) {
    if (key in node) node[key] = value; else node.setAttribute(key, value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}

// ---- Questions and answers

const recorded = $('recorded') && new Map(JSON.parse($('recorded').textContent).map(one => [canonical(one.question), one.ok]));
const page = Array.from(crypto.getRandomValues(new Uint8Array(8)), byte => byte.toString(16).padStart(2, '0')).join('');
const waiting = new Map();
let socket, opened, number = 0;

function canonical(value) {
  if (Array.isArray(value)) return '[' + value.map(canonical).join() + ']';
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  return '{' + Object.keys(value).sort().map(key => JSON.stringify(key) + ':' + canonical(value[key])).join() + '}';
}

function connect() {
  opened = new Promise((resolve, reject) => {
    socket = new WebSocket(`ws://${location.host}/microscope?page=${page}`);
    socket.onopen = resolve;
    socket.onclose = () => {
      const error = new Error('the program does not answer: start it, and load this page again');
      reject(error);
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
      say(error.message, true);
    };
    socket.onmessage = event => {
      const answer = JSON.parse(event.data), one = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (!one) return;
      if ('error' in answer) one.reject(new Error(answer.error)); else one.resolve(answer.ok);
    };
  });
  opened.catch(() => {});
}

async function ask(question) {
  if (recorded) {
    const answer = recorded.get(canonical(question));
    if (answer === undefined) throw new Error('this page was exported: it has recorded conversations only. Start the program for all others');
    return answer;
  }
  await opened;
  if (socket.readyState !== WebSocket.OPEN) throw new Error('the program does not answer: start it, and load this page again');
  const id = ++number;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    socket.send(JSON.stringify({ ...question, id }));
  });
}

function say(words, bad) {
  $('status').textContent = words;
  $('status').className = bad ? 'bad' : '';
}

// Runs what a control does, and shows the sentence of what fails.
const guarded = run => async event => {
  if (event && event.type === 'submit') event.preventDefault();
  try {
    say('');
    await run(event);
  } catch (error) {
    say(error.message, true);
  }
};

// ---- Bytes with their notes

const SIDES = ['client', 'server'];
const bytesOf = hex => hex.match(/../g) || [];

// One conversation: a stream of parts to choose from, and a panel about the chosen one.
class View {
  constructor(box, panel, options = {}) {
    this.box = box;
    this.panel = panel;
    this.options = options;
    this.chips = [];
  }

  show(data) {
    this.data = data;
    this.bytes = { client: bytesOf(data.client.hex), server: bytesOf(data.server.hex) };
    this.notes = data.notes.map(note => ({ ...note, ...data.parts[note.part],
      verdicts: (note.verdicts || []).map(verdict => ({ ...data.rules[verdict.id], ...verdict })) }));
    this.byId = new Map(this.notes.map(note => [note.id, note]));
    this.children = new Map();
    for (const note of this.notes) if (note.up !== undefined) {
      if (!this.children.has(note.up)) this.children.set(note.up, []);
      this.children.get(note.up).push(note);
    }
    const before = this.key, sent = data.client.hex + data.server.hex, same = sent === this.sent || this.options.keep;
    this.sent = sent;
    this.chips = [];
    this.box.replaceChildren(...this.timeline());
    // The same part as before; after new bytes, the first one that breaks a rule, or of the newest bytes the payload, or
    // their beginning.
    const kept = same && this.chips.find(chip => this.keyOf(chip) === before);
    const last = this.chips.length && this.rootOf(this.chips[this.chips.length - 1].note);
    const first = kept || this.chips.find(chip => this.isBroken(chip.note)) ||
      (this.options.fromStart ? this.chips[0] : this.chips.find(chip => this.isPayloadOf(chip.note, last)) ||
        this.chips.find(chip => this.rootOf(chip.note) === last));
    if (first) this.choose(first, kept ? this.shown : null); else this.panel.replaceChildren();
  }

  isPayloadOf(note, root) { return note.letter === 'P' && root.part.endsWith('frame') && this.rootOf(note) === root; }

  keyOf(chip) { return `${chip.note.from}:${chip.from}:${chip.note.part}`; }

  // Heads and frames in the order in which they were sent, and between them what the engines did.
  timeline() {
    const roots = this.notes.filter(note => note.up === undefined && note.at[1] > note.at[0]);
    const rest = new Set(roots);
    const nodes = [];
    const counts = { client: 0, server: 0 };
    const group = root => {
      rest.delete(root);
      const frame = root.part.endsWith('frame');
      if (frame) counts[root.from]++;
      if (this.options.framesOnly && !frame && root.part !== 'unread' && root.part !== 'skipped') return;
      nodes.push(this.group(root, frame ? `frame ${counts[root.from]}` : root.part));
    };
    const log = this.data.log || [];
    // Without heads, the conversation begins when both sides have completed the handshake.
    const begin = this.options.framesOnly ? log.findLastIndex(entry => entry.words.includes('completed the handshake')) + 1 : 0;
    for (const entry of log.slice(begin)) {
      if (entry.kind === 'wrote') {
        for (const root of roots) {
          if (rest.has(root) && root.from === entry.by && root.at[0] < entry.bytes[1]) group(root);
        }
      } else if (entry.kind !== 'read' && !(this.options.framesOnly && entry.kind === 'state')) {
        nodes.push(el('p', { className: `said ${entry.by}` }, el('b', {}, entry.by), ` ${entry.kind === 'state' ? 'state: ' : ''}${entry.words}`));
      }
    }
    for (const root of roots) if (rest.has(root)) group(root);
    return nodes;
  }

  group(root, name) {
    const chips = el('div', { className: 'chips' });
    const leaves = this.leaves(root);
    const side = this.data[root.from];
    const read = side.read === undefined ? Infinity : side.read;
    let last = null;
    for (const note of leaves) {
      for (const piece of this.pieces(note, read, side.cuts || [])) {
        if (piece.from > root.at[0] && (side.cuts || []).includes(piece.from) && last !== piece.from) {
          chips.append(el('span', { className: 'cut' }, 'a read ended here'));
        }
        last = piece.from;
        this.chips.push(piece);
        chips.append(piece.node);
      }
      if (note.part === 'line-end') chips.append(el('span', { className: 'line' }));
    }
    const length = root.at[1] - root.at[0];
    const unread = read < root.at[1] ? (read <= root.at[0] ? ', not read yet' : ', partly read') : '';
    const arrow = root.from === 'client' ? 'client \u2192' : '\u2190 server';
    return el('section', { className: `group ${root.from}` },
      el('h4', {}, `${arrow}  ${this.summary(root, name)}, ${length} ${length === 1 ? 'byte' : 'bytes'}${unread}`), chips);
  }

  summary(root, name) {
    const find = part => this.notes.find(note => note.part === part && this.rootOf(note) === root);
    const words = [name];
    const opcode = find('opcode'), text = find('payload') || find('text');
    if (opcode && opcode.value) words.push(opcode.value);
    if (root.part === 'response') { const status = find('status'); if (status) words.push(status.value); }
    if (text && text.value && text.value.length < 40) words.push(`\u201c${text.value.replace(/^"|"$/g, '')}\u201d`);
    return words.join(': ');
  }

  rootOf(note) {
    while (note.up !== undefined && this.byId.has(note.up)) note = this.byId.get(note.up);
    return note;
  }

  leaves(note) {
    const own = (this.children.get(note.id) || []).filter(child => child.from === note.from && child.at[1] > child.at[0]);
    if (!own.length) return [note];
    return own.sort((a, b) => a.at[0] - b.at[0] || (b.bits || 0) - (a.bits || 0)).flatMap(child => this.leaves(child));
  }

  // A leaf as chips: cut where reads ended, and where the bytes begin that nobody has read.
  pieces(note, read, cuts) {
    const borders = [note.at[0], ...cuts.filter(at => at > note.at[0] && at < note.at[1]), note.at[1]];
    return borders.slice(1).map((end, index) => {
      const from = borders[index];
      const chip = { note, from, end, view: this };
      const broken = this.isBroken(note);
      const classes = ['chip', note.letter, broken ? 'broken' : '', from >= read ? 'unread' : ''];
      chip.node = el('button', { type: 'button', className: classes.filter(Boolean).join(' '), tabIndex: -1 });
      const label = note.bits !== undefined ? this.bitLabel(note) : null;
      const shown = this.shownBytes(note, from, end);
      const letter = note.letter === 'H' && this.isHead(note) ? null : el('small', { 'aria-hidden': 'true' }, note.letter);
      chip.node.append(...(label || [letter, shown].filter(Boolean)));
      chip.node.setAttribute('aria-label', `${note.part}, ${label ? chip.node.textContent : shown}${broken ? ', broken' : ''}${from >= read ? ', not read yet' : ''}`);
      chip.node.addEventListener('click', () => this.choose(chip));
      chip.node.addEventListener('keydown', event => this.key_(event, chip));
      return chip;
    });
  }

  isBroken(note) { return note.verdicts.some(verdict => verdict.kind === 'broken'); }

  bitLabel(note) {
    const byte = parseInt(this.bytes[note.from][note.at[0]], 16);
    let bits = '';
    for (let weight = 128; weight >= 1; weight /= 2) if (note.bits & weight) bits += byte & weight ? '1' : '0';
    const whole = note.part === 'fin' || note.part === 'mask-bit' ? `byte ${this.bytes[note.from][note.at[0]]}: ` : '';
    return [el('small', {}, whole + nameOf(note.part)), ' ', bits];
  }

  shownBytes(note, from, end) {
    const bytes = this.bytes[note.from].slice(from, end);
    if (this.isHead(note)) {
      if (note.part === 'line-end' || note.part === 'blank-line') return bytes.map(byte => byte === '0d' ? 'CR' : byte === '0a' ? 'LF' : byte).join(' ');
      return bytes.map(byte => { const code = parseInt(byte, 16); return code === 32 && ['separator', 'key-spaces'].includes(note.part) ? '\u2423' : code > 31 && code < 127 ? String.fromCharCode(code) : `\\x${byte}`; }).join('');
    }
    return bytes.length > 24 ? `${bytes.slice(0, 24).join(' ')} \u2026 ${bytes.length} bytes` : bytes.join(' ');
  }

  isHead(note) { return ['request', 'response'].includes(this.rootOf(note).part); }

  key_(event, chip) {
    const at = this.chips.indexOf(chip);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.chips.length - 1 }[event.key];
    if (to !== undefined) {
      const next = this.chips[to];
      if (next) { this.choose(next); next.node.focus(); }
    } else if (event.key === 'ArrowUp') {
      const up = this.byId.get(this.shown.up);
      if (up) this.choose(chip, up);
    } else if (event.key === 'ArrowDown') {
      let down = chip.note;
      while (down !== this.shown && down.up !== undefined && down.up !== this.shown.id) down = this.byId.get(down.up);
      this.choose(chip, down);
    } else return;
    event.preventDefault();
  }

  // Shows a part, or one that it belongs to. A view that is only drawn again does not scroll.
  choose(chip, note) {
    this.key = this.keyOf(chip);
    this.shown = note && this.byId.get(note.id) && this.isWithin(chip.note, note) ? this.byId.get(note.id) : chip.note;
    this.current = chip;
    for (const one of this.chips) {
      one.node.tabIndex = one === chip ? 0 : -1;
      const inside = this.isWithin(one.note, this.shown);
      one.node.classList.toggle('in', inside);
      one.node.setAttribute('aria-pressed', String(one === chip));
    }
    this.panel.replaceChildren(...this.about(this.shown, chip));
  }

  isWithin(note, other) {
    for (let one = note; one; one = this.byId.get(one.up)) if (one.id === other.id) return true;
    return false;
  }

  // What it is; and if there are any, how it came about, the rule, and the reason.
  about(note, chip) {
    const where = note.at[1] - note.at[0] === 1 ? `byte ${note.at[0]}` : `bytes ${note.at[0]} to ${note.at[1] - 1}`;
    const path = [];
    for (let one = this.byId.get(note.up); one; one = this.byId.get(one.up)) path.push(nameOf(one.part));
    const raw = this.bytes[note.from].slice(...note.at);
    // A digit of a key has no arithmetic of its own: that of the whole value is shown.
    let owner = note;
    while (!owner.steps && !owner.verdicts.length && this.byId.has(owner.up) && this.byId.get(owner.up).up !== undefined) owner = this.byId.get(owner.up);
    if (!owner.steps && !owner.verdicts.length) owner = note;
    const of = owner === note ? null : el('p', { className: 'soft' }, `Of the ${nameOf(owner.part)}:`);
    const rules = owner.verdicts;
    const words = { holds: '\u2713 holds', broken: '\u2717 broken', choice: '\u25c6 left open, decided here' };
    const rule = rules.map(one => el('p', {},
      el('span', { className: one.kind === 'broken' ? 'bad' : one.kind === 'holds' ? 'good' : '' }, `${words[one.kind]}: `),
      `${one.says} `, el('span', { className: 'soft' }, one.source), one.words ? el('span', {}, ` \u2014 ${one.words}`) : null));
    const why = rules.map(one => el('p', {}, one.why));
    // A heading without content is left out.
    const section = (title, content) => content.length ? [el('dt', {}, title), el('dd', {}, ...content)] : [];
    const value = note.value === undefined ? null : el('p', {}, `Value: ${note.value}`);
    const nodes = [el('h3', {}, nameOf(note.part)), el('dl', {},
      el('dt', {}, 'This is'), el('dd', {}, note.about, value,
        el('p', { className: 'soft' }, `${where} of the ${note.from}${note.bits === undefined ? '' : `, bits of weight ${weights(note.bits)}`}${path.length ? `, part of: ${path.join(', ')}` : ''}. In hex: ${raw.length > 40 ? raw.slice(0, 40).join(' ') + ' \u2026' : raw.join(' ')}`),
        note.bits === undefined ? null : bitTable(parseInt(raw[0], 16), note.bits)),
      ...section('How it came about', owner.steps ? [of, el('pre', {}, owner.steps)] : []),
      ...section('The rule', rule), ...section('The reason', why))];
    const root = this.rootOf(note), all = this.bytes[root.from].slice(...root.at);
    if (this.data.version && root.part.endsWith('frame') && all.length <= 64) {
      nodes.push(el('p', {}, 'The same in a terminal: ', el('code', {}, `cargo run -p stentor-explain --bin explain -- -v --as ${this.data.version} --from ${root.from} ${all.join(' ')}`)));
    }
    nodes.push(el('p', { className: 'soft' }, 'Keys: left and right choose a part, up and down choose what it belongs to.'));
    if (this.options.edit && !recorded && chip.from >= this.data[note.from].read) nodes.push(this.editor(chip));
    return nodes;
  }

  // Bytes of a header line are changed as text, all others in hex.
  editor(chip) {
    const bytes = this.bytes[chip.note.from].slice(chip.from, chip.end);
    const isText = this.isHead(chip.note) && bytes.every(byte => byte >= '20' && byte < '7f');
    const value = isText ? String.fromCharCode(...bytes.map(byte => parseInt(byte, 16))) : bytes.join(' ');
    const input = el('input', { value, size: 20, spellcheck: false, autocomplete: 'off' });
    const form = el('form', { className: 'row' }, el('label', {}, `Not read yet: change to (${isText ? 'text' : 'hex'})`, input), el('button', {}, 'Change'));
    form.addEventListener('submit', guarded(() => this.options.edit(chip, isText ? hexOf(input.value).join('') : input.value)));
    return form;
  }
}

const NAMES = { fin: 'FIN', rsv1: 'RSV1', rsv2: 'RSV2', rsv3: 'RSV3', 'mask-bit': 'MASK', length7: 'length', length16: 'length', length64: 'length', 'hixie-frame': 'frame of draft-75 or draft-76' };
const nameOf = part => NAMES[part] || part.replace(/-/g, ' ');

// The eight bits of a byte under their weights; those of the part are marked.
function bitTable(byte, bits) {
  const all = [128, 64, 32, 16, 8, 4, 2, 1];
  const row = cells => cells.map(cell => cell.padStart(4)).join('');
  return el('pre', {}, [`weight ${row(all.map(String))}`, `bit    ${row(all.map(weight => byte & weight ? '1' : '0'))}`,
    `part   ${row(all.map(weight => bits & weight ? '^' : ''))}`].join('\n').trimEnd());
}

const weights = bits => [128, 64, 32, 16, 8, 4, 2, 1].filter(weight => bits & weight).join(' ');

function makeView(box, options) {
  const wire = el('div', { className: 'wire' });
  const panel = el('aside', { className: 'panel', 'aria-label': 'What is this?', 'aria-live': 'polite' });
  box.classList.add('full');
  box.append(wire, panel);
  return new View(wire, panel, options);
}

// ---- The lab

const session = { version: '13', seed: 7, compress: false, do: [] };
const labView = makeView($('lab-view'), { edit: edited });
let breaks = [], scenes = [], chosenBreak = null;

async function refresh() {
  const answer = await ask({ ask: 'lab', version: session.version, seed: session.seed, compress: session.compress, do: session.do });
  if (answer.stopped) {
    session.do.length = answer.done;
    say(answer.stopped, true);
  }
  showSession(answer);
}

function showSession(answer) {
  $('opening').hidden = true;
  $('bench').hidden = false;
  $('tools').hidden = false;
  labView.show(answer);
  const texts = SIDES.map(side => {
    const own = answer[side], waits = own.hex.length / 2 - own.read, end = own.ended && !own.endRead;
    $(`wait-${side}`).textContent = `(${waits} ${waits === 1 ? 'byte waits' : 'bytes wait'}${end ? ', then the end' : ''})`;
    for (const button of document.querySelectorAll(`[data-read=${side}]`)) button.disabled = Boolean(recorded) || !waits && !end;
    return [el('b', {}, `${side}: `), own.hand ? 'driven by hand' : own.state, own.ended ? ', has closed the TCP connection' : ''];
  });
  $('states').replaceChildren(...texts[0], ' \u2014 ', ...texts[1]);
  drawStates(answer);
  $('run').disabled = Boolean(recorded) || SIDES.every(side => $(`wait-${side}`).textContent === '(0 bytes wait)');
  $('back').disabled = Boolean(recorded) || !session.do.length;
  $('seed').value = session.seed;
  $('compress').checked = session.compress;
  document.querySelector(`#setup [name=v][value="${session.version}"]`).checked = true;
  const isHixie = session.version === '75' || session.version === '76';
  $('craft-hybi').hidden = isHixie;
  $('craft-hixie').hidden = !isHixie;
  craft();
  link();
}

function act(action) {
  session.do.push(action);
  return refresh();
}

// A session is a link: all of it is in the fragment of the URL.
function link() {
  const parts = { v: session.version, seed: session.seed, z: session.compress ? 1 : 0, do: JSON.stringify(session.do) };
  history.replaceState(null, '', '#' + new URLSearchParams(parts));
}

function linked() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (!parts.has('v')) return false;
  let actions = [];
  try { actions = JSON.parse(parts.get('do') || '[]'); } catch { say('the link has a session that cannot be read', true); }
  Object.assign(session, { version: parts.get('v'), seed: Number(parts.get('seed')) || 0, compress: parts.get('z') === '1',
    do: Array.isArray(actions) ? actions : [] });
  return true;
}

function edited(chip, hex) {
  const side = chip.note.from, read = labView.data[side].read, all = labView.bytes[side];
  const bytes = [...all.slice(read, chip.from), hex.replace(/\s/g, ''), ...all.slice(chip.end)];
  return act({ do: 'replace', from: side, hex: bytes.join('') });
}

function prepareLab() {
  $('begin').addEventListener('click', guarded(async () => { await refresh(); document.querySelector('#steps button').focus(); }));
  $('setup').addEventListener('change', guarded(event => {
    if (event.target.id === 'scene') return;
    session.version = document.querySelector('#setup [name=v]:checked').value;
    session.seed = Math.min(999999, Math.max(0, Math.floor(Number($('seed').value) || 0)));
    session.compress = $('compress').checked;
    session.do = [];
    closePrediction();
    return refresh();
  }));
  $('setup').addEventListener('submit', event => event.preventDefault());
  $('chance').addEventListener('click', guarded(() => {
    session.seed = crypto.getRandomValues(new Uint32Array(1))[0] % 1000000;
    return refresh();
  }));
  $('scene').addEventListener('change', guarded(showScene));
  $('scene-chapter').addEventListener('click', () => { openTab($('tab-course')); openChapter(chapterOf(scenes[$('scene').value]), true); });
  for (const button of document.querySelectorAll('[data-read]')) {
    const { read, amount } = button.dataset;
    button.addEventListener('click', guarded(() => act({ do: 'read', from: read, amount: amount === '1' ? 1 : amount })));
  }
  $('cut').addEventListener('submit', guarded(() => act({ do: 'read', from: $('cut-side').value, amount: Number($('cut-bytes').value) })));
  $('run').addEventListener('click', guarded(() => act({ do: 'run' })));
  $('back').addEventListener('click', guarded(() => { session.do.pop(); return refresh(); }));
  $('again').addEventListener('click', guarded(() => { session.do = []; return refresh(); }));
}

async function showScene() {
  const scene = scenes[$('scene').value];
  $('scene-says').textContent = scene ? scene.says : '';
  $('scene-chapter').hidden = !scene;
  if (!scene) return;
  $('scene-chapter').textContent = `Chapter ${chapterOf(scene)} is about this`;
  Object.assign(session, { version: scene.version, compress: false, do: [...scene.do] });
  await refresh();
}

function prepareSend() {
  const kinds = () => {
    const kind = $('send-kind').value;
    $('send-text-label').hidden = kind === 'end';
    $('send-pieces-label').hidden = kind !== 'pieces';
    $('send-code-label').hidden = kind !== 'close';
  };
  $('send-kind').addEventListener('change', kinds);
  $('send-form').addEventListener('submit', guarded(() => {
    const kind = $('send-kind').value, from = $('send-from').value, text = $('send-text').value;
    const action = { do: kind, from };
    if (kind === 'text' || kind === 'ping') action.text = text;
    if (kind === 'binary') action.hex = text;
    if (kind === 'pieces') Object.assign(action, { text, pieces: Number($('send-pieces').value), ping: $('send-ping').checked });
    if (kind === 'close' && $('send-code').value !== '' && !['75', '76'].includes(session.version)) Object.assign(action, { code: Number($('send-code').value), reason: text });
    return act(action);
  }));
}

// ---- Craft

function hexOf(text) { return Array.from(new TextEncoder().encode(text), byte => byte.toString(16).padStart(2, '0')); }

// Writes the bytes of the crafted frame into the field, where each can be edited.
function craft() {
  const payload = $('craft-ishex').checked ? bytesOf($('craft-payload').value.replace(/[^0-9a-f]/gi, '')) : hexOf($('craft-payload').value);
  $('craft-bytes').value = ($('craft-hybi').hidden ? craftHixie(payload) : craftHybi(payload)).join(' ');
}

const craftHixie = payload => [$('craft-type').value.padStart(2, '0'), ...payload, ...($('craft-end').checked ? ['ff'] : [])];

function craftHybi(payload) {
  const bit = (id, weight) => $(id).checked ? weight : 0;
  const first = bit('craft-fin', 128) + bit('craft-rsv1', 64) + bit('craft-rsv2', 32) + bit('craft-rsv3', 16) + Number($('craft-opcode').value);
  const length = BigInt(/^[0-9]+$/.test($('craft-length').value) ? $('craft-length').value : payload.length);
  const chosen = $('craft-form-length').value;
  const form = chosen !== 'auto' ? chosen : length < 126n ? '7' : length < 65536n ? '16' : '64';
  const [seven, count] = { 7: [length & 127n, 0], 16: [126n, 2], 64: [127n, 8] }[form];
  const longer = [];
  for (let at = count - 1; at >= 0; at--) longer.push((length >> BigInt(8 * at)) & 255n);
  const key = $('craft-mask').checked ? bytesOf($('craft-key').value.replace(/[^0-9a-f]/gi, '').padEnd(8, '0')).slice(0, 4) : [];
  const body = key.length ? payload.map((byte, at) => (parseInt(byte, 16) ^ parseInt(key[at % 4], 16)).toString(16)) : payload;
  const number = value => value.toString(16).padStart(2, '0');
  return [number(first), number(BigInt(bit('craft-mask', 128)) + seven), ...longer.map(number), ...key, ...body.map(byte => byte.padStart(2, '0'))];
}

function prepareCraft() {
  const names = { 0: 'continuation', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };
  for (let code = 0; code < 16; code++) $('craft-opcode').append(el('option', { value: code, selected: code === 1 }, `${code} ${names[code] || 'reserved'}`));
  $('craft-from').addEventListener('change', () => { $('craft-mask').checked = $('craft-from').value === 'client'; });
  $('craft-form').addEventListener('input', event => { if (event.target.id !== 'craft-bytes') craft(); });
  $('craft-form').addEventListener('change', event => { if (event.target.id !== 'craft-bytes') craft(); });
  $('craft-form').addEventListener('submit', guarded(() => act({ do: 'raw', from: $('craft-from').value, hex: $('craft-bytes').value })));
}

// ---- Mistakes on purpose

const breaker = () => document.querySelector('#break-from :checked').value;

function prepareBreaks() {
  $('breaks').replaceChildren(...breaks.map(one => {
    const button = el('button', { type: 'button', 'data-break': one.id }, one.title);
    button.addEventListener('click', guarded(() => predict(one)));
    return button;
  }));
  $('five-break').replaceChildren(...breaks.map(one => el('option', { value: one.id }, one.title)));
  $('break-from').addEventListener('change', () => {
    suit();
    if (chosenBreak && isPossible(chosenBreak, breaker())) predict(chosenBreak); else closePrediction();
  });
  suit();
}

// Whether this side can make a mistake, in any version.
const isPossible = (one, from) => Object.values(one[from].unsuitable).some(reason => !reason);

// Disables the mistakes that only the other side can make, and says so.
function suit() {
  const from = breaker(), other = from === 'client' ? 'server' : 'client';
  for (const one of breaks) {
    const button = document.querySelector(`#breaks [data-break="${one.id}"]`);
    button.disabled = !isPossible(one, from);
    button.textContent = button.disabled ? `${one.title} (only the ${other})` : one.title;
  }
}

function closePrediction() {
  chosenBreak = null;
  $('predict').hidden = true;
}

// Asks for a prediction first.
function predict(one) {
  chosenBreak = one;
  const from = breaker(), other = from === 'client' ? 'server' : 'client', own = one[from];
  const box = $('predict'), reason = own.unsuitable[session.version];
  const title = el('h4', { tabIndex: -1 }, `${one.title}, by the ${from}`);
  box.replaceChildren(title, el('p', {}, one.says));
  if (reason) {
    const fit = Object.keys(own.unsuitable).filter(version => !own.unsuitable[version]);
    box.append(el('p', { className: 'note' }, `${reason} Choose version ${fit.join(', ')} above.`));
  } else {
    const choices = own.choices.map(choice => el('label', {}, el('input', { type: 'radio', name: 'prediction', value: choice.id, required: true }), `it ${choice.words}`));
    const form = el('form', {}, el('fieldset', {}, el('legend', {}, `Your prediction: the ${other}, in version ${session.version} \u2026`), ...choices),
      el('button', {}, 'Show the answer'));
    form.addEventListener('submit', guarded(() => answerBreak(one, from, new FormData(form).get('prediction'))));
    box.append(form);
  }
  box.hidden = false;
  title.focus();
  box.scrollIntoView({ block: 'nearest' });
}

async function answerBreak(one, from, prediction) {
  const other = from === 'client' ? 'server' : 'client';
  const answer = await ask({ ask: 'break', break: one.id, version: session.version, from, seed: session.seed });
  const right = answer.answer.id === prediction;
  const rule = answer.rule;
  const title = el('h4', { tabIndex: -1 }, `${one.title}, by the ${from}: the answer`);
  const rows = answer.table.map(row => el('tr', {}, el('th', { scope: 'row' }, row.name + (row.version === session.version ? ' (here)' : '')),
    el('td', {}, row.answer ? `it ${row.words}` : row.words)));
  $('predict').replaceChildren(...[title, el('p', {}, one.says),
    el('p', { id: 'verdict', className: right ? 'good' : 'bad' }, right ? '\u2713 Right.' : `\u2717 Not so. You predicted that it ${one[from].choices.find(choice => choice.id === prediction).words}.`),
    el('p', { id: 'answer', 'data-answer': answer.answer.id }, `The ${other} ${answer.answer.words}.`),
    answer.allowed ? el('p', { id: 'allowed' }, rule.words) : null,
    rule ? el('div', { id: 'rule' }, el('p', {}, el('b', {}, 'Rule: '), rule.says + ' ', el('span', { className: 'soft' }, rule.source), rule.words && !answer.allowed ? ` \u2014 ${rule.words}` : ''),
      el('p', {}, el('b', {}, 'Reason: '), rule.why)) : el('p', { id: 'rule' }, 'No rule is broken.'),
    el('p', {}, 'The same bytes, or the same mistake, in all versions:'),
    el('table', {}, el('tbody', {}, ...rows)),
    el('p', { className: 'hint' }, 'The bytes of this mistake are in the lab above now.')].filter(Boolean));
  session.compress = false;
  session.do = [...answer.do];
  showSession(answer.lab);
  title.focus();
  $('predict').scrollIntoView({ block: 'nearest' });
}

// ---- Yours

const yoursView = makeView($('yours-view'), { keep: true });
let watched = null, timer = null, listed = '';

async function listYours(port) {
  const taps = await ask(port ? { ask: 'yours', port } : { ask: 'yours' });
  const text = JSON.stringify([taps, watched]);
  if (text === listed) return;
  listed = text;
  $('taps').replaceChildren(...taps.map(tap => el('li', {}, tap.to ? `In front of your server on port ${tap.to}: connect to ` : 'An echo server, for your client: connect to ',
    el('code', {}, `ws://127.0.0.1:${tap.port}/`))));
  const buttons = taps.flatMap(tap => tap.connections.map(one => {
    const name = `${tap.to ? `your server on ${tap.to}` : 'echo server'}, connection ${one.number}: ${one.client} + ${one.server} bytes${one.lost ? `, ${one.lost} more not kept` : ''}${one.ended ? ', ended' : ''}${one.fault ? `, ${one.fault}` : ''}`;
    const button = el('button', { type: 'button', 'aria-pressed': String(Boolean(watched && watched.port === tap.port && watched.number === one.number)) }, name);
    button.addEventListener('click', guarded(() => { watched = { port: tap.port, number: one.number }; return listYours(); }));
    return button;
  }));
  const focused = document.activeElement && document.activeElement.parentNode === $('connections') ? [...$('connections').children].indexOf(document.activeElement) : -1;
  $('connections').replaceChildren(...(buttons.length ? buttons : [el('p', { className: 'soft' }, 'None yet.')]));
  if (focused >= 0 && buttons[focused]) buttons[focused].focus();
  if (watched) yoursView.show(await ask({ ask: 'yours-show', ...watched }));
}

function prepareYours() {
  $('tap-form').addEventListener('submit', guarded(() => listYours(Number($('tap-port').value))));
}

// While the tab is open, its list is read again each second.
function watchYours(on) {
  clearInterval(timer);
  if (!on) return;
  guarded(() => listYours())();
  if (!recorded) timer = setInterval(() => { listYours().catch(error => { clearInterval(timer); say(error.message, true); }); }, 1000);
}

// ---- Paste

function preparePaste() {
  const views = [];
  const clear = () => {
    for (const id of ['paste-remarks', 'paste-view', 'paste-error']) $(id).replaceChildren();
    $('paste-text').removeAttribute('aria-invalid');
    views.length = 0;
  };
  // The explanation belongs to the bytes that were explained: it goes when they change.
  $('paste-form').addEventListener('input', clear);
  // The error is shown beside the bytes, where it is to be corrected.
  $('paste-form').addEventListener('submit', guarded(() => explain().catch(error => {
    clear();
    $('paste-text').setAttribute('aria-invalid', 'true');
    $('paste-error').textContent = error.message;
    $('paste-text').focus();
  })));
  const explain = async () => {
    const answer = await ask({ ask: 'paste', text: $('paste-text').value, version: $('paste-version').value, from: $('paste-from').value, base64: $('paste-base64').checked });
    clear();
    $('paste-remarks').replaceChildren(...answer.remarks.map(words => el('p', { className: 'note' }, words)));
    $('paste-view').classList.remove('full');
    for (const piece of answer.pieces) {
      const box = el('div', { className: 'view' });
      $('paste-view').append(box);
      views.push(makeView(box, {}));
      views[views.length - 1].show(piece);
    }
  };
}

// ---- Five at once

function prepareFive() {
  const kinds = () => {
    const kind = $('five-kind').value;
    $('five-text-label').hidden = kind === 'close' || kind === 'break';
    $('five-break-label').hidden = kind !== 'break';
  };
  const suitable = () => {
    for (const option of $('five-break').options) option.disabled = !isPossible(breaks.find(one => one.id === option.value), $('five-from').value);
    if ($('five-break').selectedOptions[0].disabled) $('five-break').value = [...$('five-break').options].find(option => !option.disabled).value;
  };
  $('five-kind').addEventListener('change', kinds);
  $('five-from').addEventListener('change', suitable);
  $('five-kind').addEventListener('change', suitable);
  $('five-form').addEventListener('submit', guarded(showFive));
}

async function showFive() {
  const kind = $('five-kind').value, from = $('five-from').value, text = $('five-text').value;
  const question = { ask: 'five', seed: 7, from };
  if (kind === 'break') question.break = $('five-break').value;
  else if (kind === 'binary') question.do = [{ do: 'binary', from, hex: text }];
  else if (kind === 'close') question.do = [{ do: 'close', from }];
  else question.do = [{ do: kind, from, text }];
  const answer = await ask(question);
  $('columns').replaceChildren(...answer.columns.map(column => {
    const wire = el('div', { className: 'wire' });
    const node = el('section', { 'aria-label': column.name }, el('h3', {}, column.name));
    if (column.error) node.append(el('p', { className: 'note' }, column.error));
    else { node.append(wire); new View(wire, $('five-panel'), { framesOnly: kind !== 'break' || !isHandshake(question.break) }).show(column.lab); }
    return node;
  }));
}

// Mistakes of the handshake have no frames to show.
const isHandshake = id => ['no-upgrade', 'line-ends', 'version-9', 'short-key', 'wrong-accept', 'status-200', 'not-offered'].includes(id);

// ---- Tabs

const tabs = [...document.querySelectorAll('[role=tab]')];

function openTab(tab, focus) {
  for (const one of tabs) {
    const chosen = one === tab;
    one.setAttribute('aria-selected', String(chosen));
    one.tabIndex = chosen ? 0 : -1;
    $(one.getAttribute('aria-controls')).hidden = !chosen;
  }
  if (focus) tab.focus();
  say('');
  watchYours(tab.id === 'tab-yours');
  if (tab.id === 'tab-five' && !$('columns').children.length) guarded(showFive)();
}

for (const tab of tabs) {
  tab.addEventListener('click', () => openTab(tab));
  tab.addEventListener('keydown', event => {
    const to = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!to) return;
    event.preventDefault();
    openTab(tabs[(tabs.indexOf(tab) + to + tabs.length) % tabs.length], true);
  });
}

// ---- Begin

// An exported page can show what it has; its other controls would ask a program that is not there.
function limit() {
  for (const id of ['send', 'craft', 'cut', 'chance', 'seed', 'compress', 'again']) { const node = $(id); if ('disabled' in node) node.disabled = true; else node.hidden = true; }
  for (const id of ['tab-yours', 'tab-paste']) $(id).hidden = true;
  for (const node of $('five-form').elements) node.disabled = true;
  tabs.splice(0, tabs.length, $('tab-lab'), $('tab-five'), $('tab-course'));
}

async function begin() {
  const isLink = linked();
  prepareLab();
  prepareSend();
  prepareCraft();
  prepareYours();
  preparePaste();
  prepareFive();
  prepareCourse();
  window.addEventListener('hashchange', guarded(() => { if (linked()) { closePrediction(); return refresh(); } }));
  if (recorded) limit();
  else {
    connect();
    // The first question, so that its frame is the one that is explained.
    const opening = await ask({ ask: 'opening', page });
    if (!isLink) {
      $('opening').hidden = false;
      labView.options.fromStart = true;
      labView.show(opening);
      labView.options.fromStart = false;
    }
  }
  scenes = await ask({ ask: 'scenes' });
  scenes.forEach((scene, at) => $('scene').append(el('option', { value: at }, scene.title)));
  breaks = await ask({ ask: 'breaks' });
  prepareBreaks();
  if (isLink || recorded) {
    try {
      await refresh();
    } catch (error) {
      // A link that cannot be followed: the lab is there all the same.
      Object.assign(session, { version: '13', seed: 7, compress: false, do: [] });
      await refresh();
      say(`the link cannot be followed: ${error.message}`, true);
    }
  }
  document.documentElement.dataset.ready = 'yes';
}

