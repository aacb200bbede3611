// The checks of the page of `microscope` in Chromium, which tests/peers/browsers/run has installed:
//   node microscope.js http://HOST:PORT PEERS_DIRECTORY PROGRAM
'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const { spawn } = require('child_process');
const { pathToFileURL } = require('url');

const { url: origin, peers, shots, checkThat, check, equal, group, state, launch, result } = require('./harness.js');
const program = process.argv[4];
const PATIENCE = 15000;                 // ms for anything that is waited for
const WHOLE = 110000;                   // ms for all of it

// A page that keeps what a browser reports: errors, and requests to other hosts.
async function open(pages, at, options) {
  const context = await state.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.complaints = [];
  page.on('pageerror', error => page.complaints.push(String(error)));
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) page.complaints.push(message.text()); });
  page.on('request', request => {
    const url = request.url();
    if (!url.startsWith(origin) && !/^(data|file):/.test(url)) page.complaints.push(`a request to ${url}`);
  });
  page.on('websocket', socket => { if (new URL(socket.url()).host !== new URL(origin).host) page.complaints.push(`a WebSocket to ${socket.url()}`); });
  pages.push(page);
  await page.goto(at);
  await page.waitForSelector('html[data-ready=yes]');
  return page;
}

const quiet = (page, what) => equal(`${what}: no errors, and no request to another host`, page.complaints, []);
const text = (page, selector) => page.textContent(selector);

// ---- The groups

async function opening(pages) {
  const page = await open(pages, origin);
  const heads = await page.$$eval('#lab-view h4', nodes => nodes.map(node => node.textContent));
  check(heads.length === 3 && /request/.test(heads[0]) && /response: 101/.test(heads[1]) && /frame 1: text/.test(heads[2]),
    'the page opens with its own handshake and first frame', heads.join());
  const agent = await page.evaluate(() => navigator.userAgent);
  check((await text(page, '#lab-view')).includes(agent), "the request is this browser's: its User-Agent is in it");
  await page.click('#lab-view [aria-label^="header-value, "][aria-label$="="]:not([aria-label*="=="])');
  check(/SHA-1/.test(await text(page, '#lab-view .panel')), 'the accept value is explained with its arithmetic');
  await page.screenshot({ path: shots('microscope-opening') });
  quiet(page, 'opening');
}

// Each button, for both sides where they can make the mistake, against the table that the tests of the program keep.
async function allBreaks(pages) {
  const page = await open(pages, origin);
  await page.click('#begin');
  const expected = table();
  const ids = await page.$$eval('#breaks button', nodes => nodes.map(node => node.dataset.break));
  let answered = 0;
  for (const from of ['client', 'server']) {
    await page.check(`#break-from [value=${from}]`);
    const other = from === 'client' ? 'server' : 'client';
    const disabled = await page.$$eval('#breaks button', nodes => nodes.filter(node => node.disabled).map(node => [node.dataset.break, node.textContent]));
    equal(`a mistake that the ${from} cannot make is disabled`, disabled.map(([id]) => id), ids.filter(id => !expected[from][id]));
    check(disabled.every(([, words]) => words.endsWith(`(only the ${other})`)), `and says that only the ${other} can`, disabled.join());
    for (const id of ids.filter(id => expected[from][id])) {
      await page.click(`#breaks [data-break="${id}"]`);
      await page.waitForFunction(() => document.activeElement.tagName === 'H4');
      const wanted = expected[from][id];
      if (wanted[4] === '-') {
        if (!await page.$('#predict .note')) check(false, `${id} by the ${from}: the reason why it cannot be made`);
        continue;
      }
      await page.check(`#predict [name=prediction][value="${wanted[4]}"]`);
      await page.click('#predict form button');
      await page.waitForSelector('#answer');
      const found = await page.evaluate(() => ({
        answer: document.querySelector('#answer').dataset.answer, words: document.querySelector('#answer').textContent,
        verdict: document.querySelector('#verdict').textContent, rows: document.querySelectorAll('#predict tr').length,
        rule: document.querySelector('#rule').textContent, focus: document.activeElement.tagName }));
      const code = /^(?:close|status):(\d+)$/.exec(wanted[4]);
      const right = found.answer === wanted[4] && found.words.startsWith(`The ${other} `) && (!code || found.words.includes(code[1])) &&
        found.verdict === '\u2713 Right.' && found.rows === 5 && found.rule.length > 10 && found.focus === 'H4';
      if (right) answered++; else check(false, `${id} by the ${from}`, JSON.stringify(found));
    }
  }
  const possible = Object.values(expected).flatMap(side => Object.values(side)).filter(row => row[4] !== '-').length;
  equal('every mistake was made by every side that can, and answered as recorded', answered, possible);
  // A wrong prediction is told from a right one.
  await page.click('#breaks [data-break="close-1005"]');
  await page.check('#predict [name=prediction][value="message"]');
  await page.click('#predict form button');
  await page.waitForSelector('#answer');
  equal('a wrong prediction is named', await text(page, '#verdict'), '\u2717 Not so. You predicted that it accepts the message.');
  // What is allowed is called allowed, with the rule that allows it.
  await page.check('#break-from [value=client]');
  for (const [id, rule] of [['ping-inside', /Only control frames stand between fragments/], ['cut-character', /UTF-8 as a whole/]]) {
    await page.click(`#breaks [data-break="${id}"]`);
    await page.check('#predict [name=prediction][value="close:1002"]');
    await page.click('#predict form button');
    await page.waitForSelector('#allowed');
    check(/^No, this is allowed: /.test(await text(page, '#allowed')) && rule.test(await text(page, '#rule')) && !await page.$('.chip.broken'),
      `${id} is allowed`, await text(page, '#predict'));
  }
  // The chosen mistake goes with the side that can make it.
  await page.click('#breaks [data-break="no-upgrade"]');
  await page.waitForSelector('#predict form');
  await page.check('#break-from [value=server]');
  check(await page.isHidden('#predict'), 'a mistake of the client is closed when the server is chosen');
  quiet(page, 'breaks');
}

// The recorded answers: { client: { mask: [75, 76, 7, 8, 13] } }.
function table() {
  const file = path.join(__dirname, '../../../examples/explain/tests/golden/breaks.txt');
  const all = {};
  let side;
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const [first, ...rest] = line.split(/ +/);
    if (line.endsWith(':') || line.includes(' makes the mistake')) side = all[first] = {};
    else if (rest.length === 5) side[first] = rest;
  }
  return all;
}

async function bench(pages) {
  const page = await open(pages, origin);
  await page.click('#begin');
  await page.click('[data-read=client][data-amount=frame]');
  await page.waitForFunction(() => /server: Ready/.test(document.querySelector('#states').textContent));
  await page.click('#run');
  await page.waitForFunction(() => /client: Ready/.test(document.querySelector('#states').textContent));
  await page.fill('#send-text', 'gr\u00fcn');
  await page.click('#send-form button');
  await page.waitForSelector('.chip.unread');
  equal('the payload of a new frame is chosen', await text(page, '#lab-view .panel h3'), 'payload');
  await page.fill('#cut-bytes', '8');
  await page.click('#cut button');
  await page.waitForSelector('.cut');
  await page.click('#run');
  await checkThat('a message that was cut arrives', page.waitForFunction(() => /received the text message "gr\u00fcn"/.test(document.querySelector('#lab-view').textContent)));
  // A crafted frame, which is wrong: opcode 3.
  await page.click('#craft summary');
  await page.selectOption('#craft-opcode', '3');
  equal('the crafted bytes are those of the bits', await page.inputValue('#craft-bytes'), '83 85 37 fa 21 3d 7f 9f 4d 51 58');
  await page.click('#craft-form button:last-child');
  await page.waitForSelector('.chip.broken');
  check(/driven by hand/.test(await text(page, '#states')), 'the side with crafted bytes is driven by hand');
  await page.click('#run');
  await page.waitForFunction(() => /1002/.test(document.querySelector('#lab-view').textContent));
  // The session is its URL.
  const shared = await open(pages, page.url());
  equal('a link shows the same session', await text(shared, '#lab-view .wire'), await text(page, '#lab-view .wire'));
  await page.click('#back');
  await page.waitForSelector('.chip.unread');
  // A byte that was not read yet can be changed: opcode 1 makes a right frame of it.
  await page.click('.chip.unread');
  await page.fill('.panel form input', '81');
  await page.click('.panel form button');
  await page.waitForFunction(() => !document.querySelector('.chip.broken'));
  await page.click('#run');
  await checkThat('an edited byte changes the answer', page.waitForFunction(() => /received the text message "Hello"/.test(document.querySelector('#lab-view').textContent)));
  // The learner writes the accept value by hand, and the client refuses it.
  await page.click('#again');
  await page.waitForFunction(() => /server: Opening/.test(document.querySelector('#states').textContent));
  await page.click('[data-read=client][data-amount=all]');
  await page.waitForFunction(() => /server: Ready/.test(document.querySelector('#states').textContent));
  await page.click('.group.server .chip.unread[aria-label^="header-value, "][aria-label*="="]');
  await page.fill('.panel form input', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
  await page.click('.panel form button');
  await page.waitForSelector('.chip.broken');
  await page.click('#run');
  await checkThat('an accept value that was written by hand is refused', page.waitForFunction(() =>
    /client: Error/.test(document.querySelector('#states').textContent) && /Sec-WebSocket-Accept/.test(document.querySelector('#lab-view .said.client').parentNode.textContent)));
  quiet(page, 'lab');
}

async function otherTabs(pages) {
  const page = await open(pages, origin);
  await page.click('#tab-paste');
  await page.click('#paste-form button');
  await page.waitForSelector('#paste-view .chip');
  await page.click('#paste-view .chip.P');
  check(/7f\u229537=48 H/.test(await text(page, '#paste-view .panel')), 'a paste is explained with the arithmetic of its mask');
  equal('the bits of a byte are named with their byte', await text(page, '#paste-view .chip'), 'byte 81: FIN 1');
  await page.click('#paste-view .chip');
  const headings = await page.$$eval('#paste-view .panel dt', nodes => nodes.map(node => node.textContent));
  equal('a part without arithmetic and rule has no empty headings', headings, ['This is']);
  await page.fill('#paste-text', 'not hex');
  equal('new input has no old explanation', await page.$$eval('#paste-view .chip', nodes => nodes.length), 0);
  await page.click('#paste-form button');
  await checkThat('a paste that cannot be read is named at the input', page.waitForFunction(() => /is not hex/.test(document.querySelector('#paste-error').textContent)));
  check(await text(page, '#status') === '' && !await page.$('#paste-view .chip') && await page.getAttribute('#paste-text', 'aria-invalid') === 'true',
    'and only there, without an explanation');
  await page.fill('#paste-text', '81 05 68 65 6c 6c 6f');
  await page.click('#paste-form button');
  await page.waitForSelector('#paste-view .chip');
  check(/because it has no mask/.test(await text(page, '#paste-remarks')) && await text(page, '#paste-error') === '', 'a frame without a mask is taken for a server, with a remark');
  await page.selectOption('#paste-version', '75');
  await page.fill('#paste-text', '00 48 69 ff');
  await page.click('#paste-form button');
  await page.waitForSelector('#paste-view .chip.P');
  await page.click('#paste-view .chip.P');
  check(/part of: frame of draft-75 or draft-76/.test(await text(page, '#paste-view .panel')), 'the frame of the old drafts is named in words');
  await page.click('#tab-five');
  await page.waitForSelector('#columns > section');
  const columns = await page.$$eval('#columns > section', nodes => nodes.map(node => node.textContent));
  check(columns.length === 5 && columns.every(words => words.includes('received the text message "Hello"')), 'the same text arrives in five columns', columns.join());
  await page.selectOption('#five-kind', 'ping');
  await page.click('#five-form button');
  await checkThat('a ping is in the columns of three versions', page.waitForFunction(() =>
    [...document.querySelectorAll('#columns > section')].filter(node => /received a pong/.test(node.textContent)).length === 3));
  await page.selectOption('#five-kind', 'break');
  await page.selectOption('#five-from', 'server');
  check(await page.$eval('#five-break [value=no-upgrade]', node => node.disabled) && await page.$eval('#five-break', node => !node.selectedOptions[0].disabled),
    'five at once: a mistake of the client is disabled for the server');
  await page.selectOption('#five-kind', 'ping');
  await page.selectOption('#five-from', 'client');
  await page.screenshot({ path: shots('microscope-five') });
  await page.click('#tab-yours');
  const tap = new URL(await text(page, '#taps code'));
  await speak(Number(tap.port));
  await page.click('#connections button');
  await page.waitForSelector('#yours-view .chip');
  check(/frame 1: text: \u201cHello\u201d/.test(await text(page, '#yours-view')), "a program's own connection is explained");
  await page.screenshot({ path: shots('microscope-yours') });
  quiet(page, 'tabs');
}

// A client of ten lines: its handshake, "Hello" in RFC 6455, and the end once the echo is there.
function speak(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let received = Buffer.alloc(0);
    socket.on('error', reject);
    socket.on('close', resolve);
    socket.on('data', data => {
      const had = received.includes('\r\n\r\n');
      received = Buffer.concat([received, data]);
      if (!had && received.includes('\r\n\r\n')) socket.write(Buffer.from('818537fa213d7f9f4d5158', 'hex'));
      if (received.includes('\x81\x05Hello', 0, 'latin1')) socket.end();
    });
    socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n');
  });
}

// From the first key to an answered mistake, without a pointer.
async function keyboard(pages) {
  const page = await open(pages, origin);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim().slice(0, 40));
  const tabTo = async selector => {
    for (let presses = 0; presses < 120; presses++) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(selector => {
        const node = document.activeElement;
        return node.matches(selector) && getComputedStyle(node).outlineStyle !== 'none' ? 'yes' : node.matches(selector) ? 'without a mark' : '';
      }, selector);
      if (seen) return check(seen === 'yes', `keyboard: ${selector} is reached, and marked`, seen);
    }
    throw new Error(`${selector} is not reached by Tab; the focus is on ${await focused()}`);
  };
  await tabTo('#tab-lab');
  await page.keyboard.press('ArrowRight');
  equal('keyboard: the arrow opens the next tab', await focused(), 'tab-yours');
  await page.keyboard.press('ArrowLeft');
  await tabTo('#begin');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#bench:not([hidden])');
  await tabTo('#run');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /client: Ready/.test(document.querySelector('#states').textContent));
  await tabTo('#lab-view .chip');
  const first = await text(page, '#lab-view .panel h3');
  await page.keyboard.press('ArrowRight');
  const second = await text(page, '#lab-view .panel h3');
  await page.keyboard.press('ArrowUp');
  const above = await text(page, '#lab-view .panel h3');
  await page.keyboard.press('ArrowDown');
  check(first !== second && above !== second && await text(page, '#lab-view .panel h3') === second,
    'keyboard: arrows walk the parts and what they belong to', [first, second, above].join());
  await tabTo('[data-break=opcode-3]');
  await page.keyboard.press('Enter');
  await tabTo('#predict [name=prediction]');
  await page.keyboard.press('Space');
  await tabTo('#predict form button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#answer');
  check(/1002/.test(await text(page, '#answer')), 'keyboard: a mistake is predicted and answered');
  quiet(page, 'keyboard');
}

// In each view, at the width of a phone and of a desk, light and dark.
async function looks(pages) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [360, 1280]) {
      const page = await open(pages, origin, { viewport: { width, height: 740 }, colorScheme });
      const poor = new Set();
      const look = async view => {
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (overflow > 0) poor.add(`${view}: ${overflow} pixels too wide`);
        for (const one of await page.evaluate(contrasts)) poor.add(`${view}: ${one}`);
      };
      await look('opening');
      await page.click('#begin');
      await page.click('#craft summary');
      await page.check('#break-from [value=client]');
      await page.click('[data-break="rsv1"]');
      await page.check('#predict [value="message"]');
      await page.click('#predict form button');
      await page.waitForSelector('#answer');
      await look('lab');
      await page.screenshot({ path: shots(`microscope-lab-${width}-${colorScheme}`), fullPage: true });
      await page.click('#tab-paste');
      await page.click('#paste-form button');
      await page.waitForSelector('#paste-view .chip');
      await look('paste');
      await page.click('#tab-five');
      await page.waitForSelector('#columns > section');
      await look('five');
      await page.click('#tab-yours');
      await page.waitForSelector('#taps li');
      await look('yours');
      await page.click('#tab-course');
      for (const number of [1, 3, 12]) {
        await page.selectOption('#chapter', String(number));
        await look(`chapter ${number}`);
      }
      equal(`${width} pixels, ${colorScheme}: nothing is too wide, and every contrast is at least 4.5`, [...poor], []);
      quiet(page, `${width} pixels, ${colorScheme}`);
    }
  }
}

// Runs in the page: the texts whose contrast with what is behind them is below 4.5.
function contrasts() {
  const parse = color => { const numbers = color.match(/[\d.]+/g).map(Number); return { rgb: numbers.slice(0, 3), alpha: numbers.length > 3 ? numbers[3] : 1 }; };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(value => { value /= 255; return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = node => {
    for (let one = node; one; one = one.parentElement) {
      const { rgb, alpha } = parse(getComputedStyle(one).backgroundColor);
      if (alpha === 1) return rgb;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll('body *')) {
    const shown = node.getClientRects().length && !['SCRIPT', 'STYLE', 'NOSCRIPT', 'OPTION'].includes(node.tagName);
    const words = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()) || ['INPUT', 'SELECT', 'TEXTAREA'].includes(node.tagName);
    if (!shown || !words) continue;
    const [light, dark] = [luminance(parse(getComputedStyle(node).color).rgb), luminance(behind(node))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} ${node.className} "${node.textContent.slice(0, 20)}" ${ratio.toFixed(2)}`);
  }
  return poor;
}

// The chapters in the page, the way from each to the lab and back, and the drawing of the states.
async function course(pages) {
  const page = await open(pages, origin);
  await page.click('#tab-course');
  const shown = () => page.$$eval('[data-chapter]', nodes => nodes.filter(node => !node.hidden).map(node => node.dataset.chapter));
  equal('the first chapter is shown', await shown(), ['1']);
  equal('there are twelve', await page.$$eval('#chapter option', nodes => nodes.length), 12);
  await page.screenshot({ path: shots('microscope-chapter') });
  for (let number = 1; number <= 12; number++) {
    await page.selectOption('#chapter', String(number));
    equal(`chapter ${number} is shown alone`, await shown(), [String(number)]);
    await page.click('#to-lab');
    const focused = page.waitForFunction(() => ['scene', 'tab-five'].includes(document.activeElement.id) || document.activeElement.dataset.break);
    await checkThat(`chapter ${number} leads to what it is about`, focused);
    if (await page.evaluate(() => document.activeElement.id) === 'scene') {
      await page.click('#scene-chapter');
      const title = await page.evaluate(() => document.activeElement.textContent);
      check(/^[0-9]+\. /.test(title), `the example of chapter ${number} leads to a chapter`, title);
    }
    await page.click('#tab-course');
  }
  await page.selectOption('#chapter', '1');
  await page.focus('#next');
  await page.keyboard.press('Enter');
  equal('the keyboard leads to the next chapter', await shown(), ['2']);
  await page.click('#tab-lab');
  await page.selectOption('#scene', { label: 'Draft-76' });
  await page.click('#drawn summary');
  const sides = state => page.waitForFunction(([state, words]) => document.querySelector(`#drawing [data-state=${state}] .here`).textContent.includes(words), state);
  await checkThat('the drawing says in which state the sides are', sides(['Closing', 'client, server']));
  await page.click('#again');
  await checkThat('the drawing follows', sides(['Opening', 'client, server']));
  await page.screenshot({ path: shots('microscope-states'), fullPage: true });
  quiet(page, 'course');
}

// The exported page, from a file, without the program.
async function exported(pages) {
  const file = path.join(peers, `microscope-${process.pid}.html`);
  const ended = await new Promise(resolve => spawn(program, ['--export', file], { stdio: 'inherit' }).on('close', resolve));
  equal('the page is exported', ended, 0);
  try {
    const page = await open(pages, pathToFileURL(file).href);
    await page.selectOption('#scene', { label: 'Draft-76' });
    await page.waitForFunction(() => /Sec-WebSocket-Key1/.test(document.querySelector('#lab-view').textContent));
    await page.selectOption('#scene', { label: 'The handshake' });
    await page.waitForFunction(() => /Sec-WebSocket-Version/.test(document.querySelector('#lab-view').textContent));
    await page.click('[data-break="mask"]');
    await page.check('#predict [value="close:1002"]');
    await page.click('#predict form button');
    await page.waitForSelector('#answer');
    equal('the exported page answers a mistake', await text(page, '#verdict'), '\u2713 Right.');
    for (const version of ['75', '76', '7', '8', '13']) {
      await page.check(`#setup [name=v][value="${version}"]`);
      let answered = 0;
      for (const id of await page.$$eval('#breaks button:not(:disabled)', nodes => nodes.map(node => node.dataset.break))) {
        await page.click(`[data-break="${id}"]`);
        if (!(await page.$('#predict form'))) continue;
        await page.check('#predict [name=prediction]');
        await page.click('#predict form button');
        await page.waitForSelector('#answer');
        answered++;
        await page.check(`#setup [name=v][value="${version}"]`);
      }
      check(answered >= 6, `the exported page answers the mistakes of version ${version}`, answered);
    }
    await page.click('#tab-course');
    equal('the exported page has the chapters', await page.$$eval('[data-chapter]', nodes => nodes.length), 12);
    await page.click('#tab-five');
    await checkThat('the exported page has the five columns', page.waitForFunction(() => document.querySelectorAll('#columns > section').length === 5));
    quiet(page, 'exported');
  } finally {
    fs.rmSync(file, { force: true });
  }
}

async function main() {
  const timer = setTimeout(() => {
    check(false, `all of it within ${WHOLE / 1000} s`);
    finish();
  }, WHOLE);
  await launch();
  for (const [name, run] of [['opening', opening], ['breaks', allBreaks], ['lab', bench], ['tabs', otherTabs], ['keyboard', keyboard],
    ['looks', looks], ['course', course], ['exported', exported]]) await group(name, run);
  clearTimeout(timer);
  finish();
}

function finish() {
  result.over = true;
  console.log(`${result.passed} passed, ${result.failed} failed`);
  process.exit(result.failed ? 1 : 0);
}

main().catch(error => { check(false, 'the page of microscope', error.stack); finish(); });
