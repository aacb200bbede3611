// The checks of the chat page that concern a lasting talk: history, reconnects, rooms, moderation, and what the page
// makes of a script of entries.
'use strict';
const { url, shots, MODERN, SECRET, roomFor, check, checkThat, equal, open, enter, say, connected, members, notices, notice,
  membersAre, message, texts, frame, Proxy, Chat } = require('./harness.js');

// Sends texts to a room by sockets without a page, as many as the rate limit lets through at once by each.
const crowd = (page, room, all) => page.evaluate(async ([room, all]) => {
  for (let from = 0; from < all.length; from += 40) {
    const socket = new WebSocket(`ws://${location.host}/${room}`);
    await new Promise((resolve, reject) => {
      const last = all[Math.min(from + 40, all.length) - 1];
      socket.onopen = () => socket.send(JSON.stringify({ type: 'join', name: 'Crowd' }));
      socket.onerror = reject;
      socket.onmessage = event => {
        const m = JSON.parse(event.data);
        if (m.type === 'welcome') for (const text of all.slice(from, from + 40)) socket.send(JSON.stringify({ type: 'say', text }));
        if (m.type === 'said' && m.text === last) resolve();
      };
    });
    socket.close(1000);
  }
}, [room, all]);

const count = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);
const numbered = async page => (await texts(page)).filter(text => /^line \d+$/.test(text));
const textIs = (page, text) => page.waitForFunction(text =>
  [...document.querySelectorAll('#log .message .text')].some(node => node.textContent === text), text);

// The page believes that it is hidden, or not.
const hide = (page, hidden) => page.evaluate(hidden => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}, hidden);

// Records, for each message that is added to the log, whether a screen reader reads it aloud.
const watchAloud = page => page.addInitScript(() => {
  window.aloud = [];
  document.addEventListener('DOMContentLoaded', () => new MutationObserver(changes => {
    const isLive = document.getElementById('log').getAttribute('aria-live') !== 'off';
    for (const change of changes) {
      for (const node of change.addedNodes) {
        if (/\bmessage\b/.test(node.className)) window.aloud.push([node.querySelector('.text').textContent, isLive]);
      }
    }
  }).observe(document.getElementById('log'), { childList: true }));
});

async function history(pages) {
  const room = roomFor('history');
  const first = await open(pages, `${url}/${room}`);
  await crowd(first, room, count(1, 120));
  const page = await open(pages, 'about:blank');
  await watchAloud(page);
  await page.goto(`${url}/${room}`);
  await enter(page, 'Ada');
  await textIs(page, 'line 120');
  await page.waitForSelector('#older');
  const seen = await numbered(page);
  check(seen.length >= 40 && seen.length <= 50, 'the newest messages are there on entering', seen.length);
  equal('in their order, up to the last', seen, count(121 - seen.length, 120));
  await page.waitForFunction(() => document.getElementById('log').getAttribute('aria-live') === 'polite');
  equal('and none of them was read aloud', await page.evaluate(() => window.aloud.filter(([, isLive]) => isLive)), []);

  // Scrolling up fetches older ones, and the line that is being read stays where it is.
  const top = text => page.evaluate(text => [...document.querySelectorAll('#log .message .text')]
    .find(node => node.textContent === text).getBoundingClientRect().top, text);
  await page.$eval('#log', log => { log.scrollTop = 100; });
  const before = await top(seen[0]);
  await page.waitForFunction(length => [...document.querySelectorAll('#log .text')].length > length, seen.length);
  await frame(page);
  const after = await top(seen[0]);
  check(Math.abs(after - before) <= 1, 'what is being read stays where it is', `${before}, then ${after}`);
  for (let i = 0; i < 5 && await page.locator('#older').count(); i++) {
    const length = (await numbered(page)).length;
    await page.focus('#older');
    await page.keyboard.press('Enter');
    await page.waitForFunction(length => document.querySelectorAll('#log .text').length > length || !document.getElementById('older'), length);
  }
  equal('all older messages can be fetched, each once', await numbered(page), count(1, 120));
  equal('and then there are no more', await page.textContent('#top'), 'There are no older messages');
  equal('none of them was read aloud', await page.evaluate(() => window.aloud.filter(([, isLive]) => isLive)), []);
  await page.waitForFunction(() => document.getElementById('log').getAttribute('aria-live') === 'polite');
  await crowd(first, room, ['spoken']);
  await textIs(page, 'spoken');
  equal('a live message is', await page.evaluate(() => window.aloud.filter(([, isLive]) => isLive)), [['spoken', true]]);
  equal('a message while one reads further up is counted', await page.textContent('#newer'), '1 new message');
  equal('no script errors', page.scriptErrors, []);
}

async function comingBack(pages) {
  const room = roomFor('back');
  const proxy = new Proxy();
  try {
    const through = await proxy.listen();
    const other = await open(pages, `${url}/${room}`);
    await enter(other, 'Other');
    const page = await open(pages, `${through}/${room}`);
    await enter(page, 'Ada');
    await notice(other, 'Ada joined');
    await say(other, 'before');
    await textIs(page, 'before');
    const id = await page.$eval('#members li:has-text("(you)") bdi', node => node.className);

    proxy.mode = 'refuse';
    proxy.cut();
    await page.waitForSelector('#status.lost');
    await say(other, 'missed one');
    await say(other, 'missed two');
    proxy.mode = 'pass';
    await page.click('#retry');
    await checkThat('the missed messages come after a reconnect', textIs(page, 'missed two'));
    equal('in order, and none twice', await texts(page), ['before', 'missed one', 'missed two']);
    equal('a line is where they begin', await page.$eval('#log .fresh', node => node.textContent + ': ' +
      node.nextElementSibling.querySelector('.text').textContent), 'New messages: missed one');
    equal('nothing says that messages are missing', await page.locator('#log .gap').count(), 0);
    equal('it is the same member as before', await page.$eval('#members li:has-text("(you)") bdi', node => node.className), id);

    // Our words arrive, and their echo is lost with the connection: they must not be sent twice.
    proxy.mode = 'deaf';
    await say(page, 'arrived after all');
    await textIs(other, 'arrived after all');
    await say(page, 'not arrived?');
    await textIs(other, 'not arrived?');
    proxy.cut();
    await page.waitForSelector('#status.lost');
    equal('what has not come back is in the box again', await page.inputValue('#text'), 'arrived after all\nnot arrived?');
    await page.focus('#text');
    await page.keyboard.press('End');
    await page.keyboard.type(' and more');
    await page.fill('#text', 'arrived after all\nnot arrived?\nand more');
    proxy.mode = 'pass';
    await page.click('#retry');
    await textIs(page, 'not arrived?');
    equal('what arrived after all leaves the box, and the rest stays', await page.inputValue('#text'), 'and more');
    equal('and is there once', await texts(page), ['before', 'missed one', 'missed two', 'arrived after all', 'not arrived?']);

    // A reload is no leaving, and a second tab of the same name is the same member.
    await page.fill('#text', '');
    const moves = (await notices(other)).join();
    await page.reload();
    await checkThat('a reload stays in the room', connected(page));
    await textIs(page, 'not arrived?');
    await say(page, 'reloaded');
    await textIs(other, 'reloaded');
    equal('the others see neither leave nor join', (await notices(other)).join(), moves);
    equal('our own messages are still our own', await page.$$eval('#log .message.own .text', nodes => nodes.map(node => node.textContent)),
      ['arrived after all', 'not arrived?', 'reloaded']);
    const tab = await page.context().newPage();
    await tab.goto(`${through}/${room}`);
    await enter(tab, 'Ada');
    await checkThat('two tabs of one name are one member', membersAre(tab, ['Other', 'Ada (you)']));
    await tab.close();
    equal('no script errors', [page.scriptErrors, other.scriptErrors], [[], []]);
  } finally {
    proxy.close();
  }
}

async function restart(pages) {
  const chat = new Chat();
  try {
    const at = await chat.start();
    const page = await open(pages, `${at}/restart`);
    await enter(page, 'Ada');
    await say(page, 'before the restart');
    await textIs(page, 'before the restart');
    await chat.kill();
    await page.waitForSelector('#status.lost');
    await chat.start(chat.port);
    await page.click('#retry').catch(() => {});
    await checkThat('after a restart of the server the page is back', connected(page));
    await checkThat('a line says that messages may be missing', page.waitForSelector('#log .gap:text-is("Messages may be missing here")'));
    await say(page, 'after the restart');
    await textIs(page, 'after the restart');
    equal('and nothing is shown twice', await texts(page), ['before the restart', 'after the restart']);
  } finally {
    await chat.close();
  }
}

async function roomsInAnyScript(pages) {
  const room = roomFor('rooms'), other = `комната-${process.pid}`;
  const page = await open(pages, `${url}/${room}`);
  await enter(page, 'Ada');
  const blaise = await open(pages, `${url}/${room}`);
  await enter(blaise, 'Blaise');
  await blaise.fill('#elsewhere', other.replace('-', ' '));
  await blaise.press('#elsewhere', 'Enter');
  await connected(blaise);
  equal('a room has a name in any script', await blaise.textContent('#room'), other);
  equal('its link is encoded', [await blaise.getAttribute('#room', 'href'), new URL(blaise.url()).pathname],
    Array(2).fill('/' + encodeURIComponent(other)));
  const listed = page => page.$$eval('#rooms a', nodes => nodes.map(node => [...node.children].map(child => child.textContent).join(' ')));
  await page.waitForTimeout(1100);      // for so long, the server sends the same list to all
  await hide(page, false);              // a page that is looked at again asks for the list at once
  await checkThat('the list of rooms has both', page.waitForFunction(name => [...document.querySelectorAll('#rooms a')]
    .some(node => node.textContent === name + '1'), other));
  const list = await listed(page);
  check(list.includes(`${room} 1`), 'with the number of members of each', JSON.stringify(list));
  equal('and marks the one that is shown', await page.$$eval('#rooms [aria-current=page] bdi', nodes => nodes.map(node => node.textContent)), [room]);
  await page.click(`#rooms a:has-text("${other}")`);
  await checkThat('a click goes there', membersAre(page, ['Ada (you)', 'Blaise']));
  await page.goto(`${url}/${encodeURIComponent(other)}`);
  await checkThat('and so does its link', membersAre(page, ['Ada (you)', 'Blaise']));
  equal('no script errors', [page.scriptErrors, blaise.scriptErrors], [[], []]);
}

async function moderation(pages) {
  const chat = new Chat();
  try {
    const at = await chat.start();
    const room = `${at}/moderated`;
    const page = await open(pages, room);
    await enter(page, 'Olga');
    const mallory = await open(pages, room), bob = await open(pages, room);
    await enter(mallory, 'Mallory');
    await enter(bob, 'Bob');
    await membersAre(page, ['Olga (you)', 'Mallory', 'Bob']);
    equal('without the secret there are no tools', await page.locator('.tools, #clear:visible').count(), 0);

    // All by keyboard: the form, a wrong secret, Escape, and the right one.
    const keys = page.keyboard;
    await page.focus('#operator-switch');
    await keys.press('Enter');
    equal('the form gets the focus', await page.evaluate(() => document.activeElement.id), 'secret');
    equal('the secret is not shown', await page.getAttribute('#secret', 'type'), 'password');
    await keys.type('a wrong secret, long enough');
    await keys.press('Enter');
    await checkThat('a wrong secret is refused', page.waitForSelector('#operator-answer:has-text("secret")'));
    await keys.press('Escape');
    equal('Escape closes the form', [await page.isHidden('#operator'), await page.inputValue('#secret'),
      await page.evaluate(() => document.activeElement.id)], [true, '', 'operator-switch']);
    await page.fill('#text', `/operator ${SECRET}`);
    await page.press('#text', 'Enter');
    await checkThat('the text command takes the secret', page.waitForSelector('#clear:visible'));
    equal('and it is in no box and in no storage', await page.evaluate(secret => [
      [...document.querySelectorAll('input, textarea')].some(node => node.value.includes(secret)),
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }]).includes(secret),
      document.body.innerHTML.includes(secret)], SECRET), [false, false, false]);
    await say(page, 'good day');
    await textIs(bob, 'good day');
    equal('nor was it said', await texts(bob), ['good day']);

    await page.click('[aria-label="Mute Mallory"]');
    await checkThat('a muted member reads so', mallory.waitForSelector('#note:has-text("muted you until")'));
    await checkThat('and the others read so, too', notice(bob, 'An operator has muted Mallory for 10 minutes'));
    // The server applies the act a moment after it has announced it: so a first attempt may still be said.
    const refused = () => mallory.evaluate(() => [...document.querySelectorAll('#log .notice')].some(node => /^muted by an operator/.test(node.textContent)));
    for (let i = 0; i < 20 && !await refused(); i++) {
      await mallory.fill('#text', `attempt ${i}`);
      await mallory.press('#text', 'Enter');
      await mallory.waitForFunction(text => document.getElementById('text').value === text ||
        [...document.querySelectorAll('#log .text')].some(node => node.textContent === text), `attempt ${i}`);
      await frame(mallory);
    }
    check(await refused(), 'what it says is refused with the reason');
    check(/^attempt/.test(await mallory.inputValue('#text')), 'and returns to its box', await mallory.inputValue('#text'));
    await mallory.fill('#text', 'let me speak');
    await page.click('[aria-label="Unmute Mallory"]');
    await checkThat('a member may be unmuted', notice(mallory, 'Mallory may write again'));
    await mallory.press('#text', 'Enter');
    await checkThat('and speaks again', textIs(bob, 'let me speak'));

    await page.focus('[aria-label="Remove Mallory"]');
    await keys.press('Enter');
    equal('to remove a member asks first', await page.evaluate(() => document.activeElement.textContent), 'Really remove?');
    equal('and Escape takes it back', [await keys.press('Escape'), await page.evaluate(() => document.activeElement.textContent)][1], 'Remove');
    await keys.press('Enter');
    await keys.press('Enter');
    await checkThat('a removed member reads the reason', mallory.waitForSelector('#apology:has-text("An operator has removed you")'));
    await checkThat('the others read so', notice(bob, 'Mallory was removed by an operator'));
    await page.waitForFunction(() => document.querySelectorAll('#members li').length === 2);
    equal('and not that it left, too', (await notices(bob)).filter(text => /Mallory left/.test(text)), []);
    await mallory.click('#enter');
    await checkThat('and it does not come back', mallory.waitForSelector('#apology:has-text("come back in 10 min")'));
    await page.click('#clear');
    await page.click('#clear');
    await checkThat('clearing empties the log', bob.waitForFunction(() => document.querySelectorAll('#log .message').length === 0));
    equal('and says so', (await notices(bob)).filter(text => text), ['An operator has cleared the messages']);
    await page.reload();
    await connected(page);
    await page.waitForSelector('#top', { state: 'attached' });
    equal('there is no history before it', [await texts(page), await page.locator('#older').count()], [[], 0]);
    equal('no script errors', [page, mallory, bob].map(page => page.scriptErrors), [[], [], []]);
  } finally {
    await chat.close();
  }
}

// A page whose connection is answered here: so a test can write the past, and gaps, that a server has only by chance.
async function scripted(pages, name, before, options) {
  const page = await open(pages, 'about:blank', options);
  if (before) await before(page);
  const script = { sent: [], number: 0, page, now: Date.now };
  script.send = message => script.socket.send(JSON.stringify(message));
  script.entry = (type, fields) => ({ type, id: `7-${++script.number}`, time: script.now(), ...fields });
  script.live = (type, fields) => script.send(script.entry(type, fields));
  script.welcome = {};
  script.replay = [];
  await page.routeWebSocket(/./, socket => {
    script.socket = socket;
    socket.onMessage(text => {
      const message = JSON.parse(text);
      script.sent.push(message);
      if (message.type === 'rooms') script.send({ type: 'rooms', rooms: [] });
      if (message.type !== 'join') return;
      const me = { member: 'me', name: message.name, version: MODERN };
      script.send({ type: 'welcome', room: 'scripted', at: `7-${script.number}`, gap: null, members: [me], key: 'k', ...me, ...script.welcome });
      script.replay.forEach(script.send);
    });
  });
  await page.goto(`${url}/scripted`);
  script.enter = () => enter(page, name);
  return script;
}

const ann = { member: 'a1', name: 'Ann', version: MODERN }, bob = { member: 'b2', name: 'Bob', version: 'version 8' };
const outline = page => page.$$eval('#log > *', nodes => nodes.filter(node => node.textContent).map(node => {
  if (!/\bmessage\b/.test(node.className)) return node.textContent;
  return (/\bsame\b/.test(node.className) ? '' : node.querySelector('.who').textContent + ': ') + node.querySelector('.text').textContent;
}));

async function daysAndGroups(pages) {
  const it = await scripted(pages, 'Ada', page => page.clock.setFixedTime(new Date(2026, 10, 30, 12, 0)));
  const { page } = it, now = new Date(2026, 10, 30, 12, 0).getTime(), hour = 3600000, minute = 60000;
  it.now = () => now;
  const said = (who, text, time) => it.entry('said', { ...who, text, time });
  it.replay = [said(ann, 'long ago', now - 72 * hour), said(ann, 'a day ago', now - 24 * hour), said(ann, 'this morning', now - 2 * hour),
    said(ann, 'at once', now - 2 * hour + minute), said(ann, 'much later', now - hour), said(bob, 'me too', now - hour + minute),
    it.entry('joined', { ...ann, time: now - minute }), it.entry('joined', { ...bob, member: 'b3', name: 'Carl', time: now - minute }),
    it.entry('joined', { member: 'd', name: 'Dan', version: MODERN, time: now }), it.entry('joined', { member: 'e', name: 'Eve', version: MODERN, time: now }),
    it.entry('left', { member: 'b2', name: 'Bob', time: now }), it.entry('left', { member: 'd', name: 'Dan' })];
  await it.enter();
  await notice(page, 'You are the only one here. Share this page\u2019s address to bring others in.');
  equal('days, groups of one author, and comings and goings in one line', await outline(page), ['There are no older messages',
    'Friday, 27 November 2026', 'Ann: long ago', 'Yesterday', 'Ann: a day ago', 'Today', 'Ann: this morning', 'at once', 'Ann: much later', 'Bob: me too',
    'Ann, Carlversion 8 and Eve joined \u00b7 Bob left \u00b7 Dan came and went',
    'You are the only one here. Share this page\u2019s address to bring others in.']);
  equal('a badge is only where the version is an old one', await page.$$eval('#log .message', nodes => nodes.map(node => node.querySelectorAll('.version').length)),
    [0, 0, 0, 0, 0, 1]);
  for (const name of ['F', 'G', 'H', 'I', 'J']) it.live('joined', { member: name, name, version: MODERN });
  await checkThat('many are counted', notice(page, 'F, G and 3 others joined'));
}

async function gapsAndUnread(pages) {
  const it = await scripted(pages, 'Ann Lee');
  const { page } = it;
  it.replay = [it.entry('said', { ...bob, text: 'one' })];
  await it.enter();
  await textIs(page, 'one');
  it.number += 4;
  it.replay = [it.entry('said', { ...bob, text: 'six' })];
  it.welcome.gap = { missed: 4 };
  await it.socket.close();
  await page.waitForSelector('#status.lost');
  await page.click('#retry');
  await textIs(page, 'six');
  equal('the page asks for what it has missed', it.sent.filter(m => m.type === 'join').map(m => [m.since, m.key]), [[undefined, undefined], ['7-1', 'k']]);
  equal('a line says how many are missing', (await outline(page)).slice(-3), ['4 messages are missing here', 'New messages', 'Bob: six']);
  it.number++;
  it.send({ type: 'gap', after: '7-6', missed: 1 });
  await checkThat('also between entries', page.waitForSelector('#log .gap:text-is("1 message is missing here")'));
  it.send({ ...it.replay[0] });
  it.live('said', { ...bob, text: 'eight' });
  await textIs(page, 'eight');
  equal('an entry that comes twice is shown once', (await texts(page)).filter(text => text === 'six').length, 1);

  await hide(page, true);
  it.live('said', { ...bob, text: 'nine' });
  it.live('said', { ...bob, text: 'ten' });
  it.live('joined', { ...ann });
  await textIs(page, 'ten');
  equal('the title counts what is unread', await page.title(), '(2) scripted \u00b7 Stentor');
  equal('and a line is where it begins', await page.$$eval('#log .fresh', nodes => nodes.map(node => node.nextElementSibling.querySelector('.text').textContent)), ['nine']);
  await hide(page, false);
  equal('to look at it is to have read it', await page.title(), 'scripted \u00b7 Stentor');
  await hide(page, true);
  it.live('said', { ...bob, text: 'eleven' });
  await textIs(page, 'eleven');
  equal('the line moves on', await page.$$eval('#log .fresh', nodes => nodes.map(node => node.nextElementSibling.querySelector('.text').textContent)), ['eleven']);
  await hide(page, false);

  for (const text of ['@Ann Lee: hi', 'hi ann lee!', '(Ann Lee)', 'Ann', 'Ann Leeds', 'Joann Lee', '`Ann Lee`']) it.live('said', { ...bob, text });
  await textIs(page, 'Joann Lee');
  await page.waitForFunction(() => document.querySelectorAll('#log .message').length === 13);
  equal('mentions of our own name, and only these', await page.$$eval('#log .mentioned', nodes => nodes.map(node =>
    node.querySelector('.text').textContent + ' | ' + node.querySelector('mark').textContent)),
  ['@Ann Lee: hi | @Ann Lee', 'hi ann lee! | ann lee', '(Ann Lee) | Ann Lee']);
  equal('what is between backticks is code', await page.$$eval('#log code', nodes => nodes.map(node => node.textContent)), ['Ann Lee']);
  equal('no script errors', page.scriptErrors, []);
}

async function typing(pages) {
  const it = await scripted(pages, 'Ada', page => page.clock.install());
  const { page } = it;
  it.welcome.members = [ann, bob, { member: 'me', name: 'Ada', version: MODERN }];
  await it.enter();
  const line = wanted => page.waitForFunction(wanted => document.getElementById('typing').textContent === wanted, wanted);
  it.send({ type: 'typing', ...ann });
  await checkThat('the page shows that someone is typing', line('Ann is typing\u2026'));
  it.send({ type: 'typing', ...bob });
  await checkThat('or two are', line('Ann and Bob are typing\u2026'));
  it.live('said', { ...bob, text: 'done' });
  await checkThat('a message ends that', line('Ann is typing\u2026'));
  // The clock goes on by itself, too: so no step comes near to its limit.
  await page.clock.fastForward(2000);
  equal('it is still there after 2 seconds', await page.textContent('#typing'), 'Ann is typing\u2026');
  await page.clock.fastForward(2100);
  await checkThat('and gone after 4', line(''));
  const hints = () => it.sent.filter(m => m.type === 'typing').length;
  await page.focus('#text');
  await page.keyboard.type('Hello, ');
  await page.clock.fastForward(500);
  await page.keyboard.type('wor');
  equal('what is typed is hinted at once in 2 seconds', hints(), 1);
  await page.clock.fastForward(1600);
  await page.keyboard.type('ld');
  equal('and again afterwards', hints(), 2);
  await page.fill('#text', '');
  await page.clock.fastForward(5000);
  await page.keyboard.type('/operator x');
  equal('a command is not hinted at', hints(), 2);
}

// Colours are computed, since nobody sees all twelve of them in all places.
async function contrast(pages) {
  for (const colorScheme of ['light', 'dark']) {
    const it = await scripted(pages, 'Ada', null, { colorScheme });
    const { page } = it;
    it.replay = [it.entry('said', { ...bob, text: 'plain `code` https://example.org/' }), it.entry('said', { ...ann, text: 'Ada' }),
      it.entry('said', { member: 'me', name: 'Ada', version: MODERN, text: 'own https://example.org/' })];
    await it.enter();
    await textIs(page, 'Ada');
    const low = await page.evaluate(() => {
      const rgb = text => text.match(/[\d.]+/g).map(Number);
      const luminance = colour => rgb(colour).slice(0, 3).map(x => x / 255).map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
        .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
      const ground = node => {
        const colour = getComputedStyle(node).backgroundColor;
        return rgb(colour)[3] === 0 ? ground(node.parentNode) : colour;
      };
      const log = document.getElementById('log'), low = [];
      let least = 99, all = 0;
      const test = (node, what) => {
        const [a, b] = [luminance(getComputedStyle(node).color), luminance(ground(node))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        all++;
        least = Math.min(least, contrast);
        if (contrast < 4.5) low.push(`${what}: ${contrast.toFixed(2)}`);
      };
      for (let hue = 0; hue < 12; hue++) {
        for (const place of [log, document.getElementById('members')]) {
          const node = place.appendChild(document.createElement('bdi'));
          node.className = `who hue${hue}`;
          test(node, node.className);
          if (getComputedStyle(node).color === getComputedStyle(place).color) low.push(`hue${hue} is no colour`);
          node.remove();
        }
      }
      for (const version of ['draft75', 'draft76', 'version7', 'version8', 'rfc6455']) {
        const node = log.appendChild(document.createElement('span'));
        node.className = `version v-${version}`;
        test(node, node.className);
        node.remove();
      }
      for (const [className, text] of [['gap notice', 'x'], ['fresh', 'x'], ['notice', 'x'], ['day', 'x']]) {
        const node = log.appendChild(document.createElement('div'));
        node.className = className;
        node.textContent = text;
        test(node, className);
        node.remove();
      }
      for (const selector of ['.text', '.own .text', '.mentioned .text', 'mark', 'code', '.text a', '.own .text a', '.time', '#status', '.primary',
        '#newer', '#rooms [aria-current]', '#note', '#apology', 'h2', '#typing', '#leave']) {
        for (const node of document.querySelectorAll(selector)) test(node, selector);
      }
      return { low, least: least.toFixed(2), all };
    });
    equal(`${colorScheme}: each of ${low.all} texts has a contrast of 4.5 (least ${low.least})`, low.low, []);
  }
}

async function smallAndLarge(pages) {
  const it = await scripted(pages, 'Ada', null, { viewport: { width: 320, height: 568 } });
  const { page } = it;
  it.replay = [it.entry('said', { ...bob, text: 'awordwithoutanend'.repeat(12) }), it.entry('said', { ...ann, text: '```\n' + 'code'.repeat(60) + '\n```' })];
  await it.enter();
  await page.waitForSelector('#log pre');
  const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth &&
    document.getElementById('log').scrollWidth <= document.getElementById('log').clientWidth);
  check(await fits(), '320 pixels: nothing scrolls sideways');
  await page.evaluate(() => { document.documentElement.style.fontSize = '200%'; });
  check(await fits(), 'nor with letters of twice the size');
  check(await page.$eval('#log', log => log.clientHeight) > 100, 'where the log is still to be seen');
  await page.evaluate(() => { document.documentElement.style.fontSize = ''; });

  // The panel of a phone: closed it is out of the way of the keyboard, too.
  equal('the panel is closed at first', [await page.isVisible('#panel'), await page.getAttribute('#panel-switch', 'aria-expanded')], [false, 'false']);
  await page.focus('#panel-switch');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#panel', { state: 'visible' });
  equal('Enter opens it', [await page.isVisible('#panel'), await page.getAttribute('#panel-switch', 'aria-expanded')], [true, 'true']);
  await page.keyboard.press('Tab');
  check(await page.evaluate(() => document.getElementById('panel').contains(document.activeElement)), 'Tab leads into it');
  await page.screenshot({ path: shots('phone-panel') });
  await page.keyboard.press('Escape');
  await checkThat('Escape closes it', page.waitForSelector('#panel', { state: 'hidden' }));
  equal('and returns to its button', await page.evaluate(() => document.activeElement.id), 'panel-switch');
}

module.exports = { scripted, textIs, groups: [
  ['history', history],
  ['coming back', comingBack],
  ['a restart of the server', restart],
  ['rooms in any script', roomsInAnyScript],
  ['moderation', moderation],
  ['days and groups', daysAndGroups],
  ['gaps, unread messages, mentions', gapsAndUnread],
  ['typing', typing],
  ['contrast', contrast],
  ['small and large', smallAndLarge]
] };
