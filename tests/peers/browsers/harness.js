// What the checks of the chat page share: counting, pages of Chromium, other processes, a proxy, and servers.
'use strict';
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { spawn } = require('child_process');
const { chromium } = require('playwright-core');

const url = process.argv[2].replace(/\/+$/, '');
const peers = process.argv[3];
const address = new URL(url);
const shots = name => path.join(peers, 'screenshots', name + '.png');
const PATIENCE = 15000;                 // ms for anything that is waited for
const MODERN = 'RFC 6455';              // the version without a badge
const roomFor = purpose => `${purpose}-${process.pid}`;

// ---- Checks: a line each, and a count at the end

const result = { passed: 0, failed: 0, over: false };    // what breaks off because of the end is not counted

function check(ok, what, detail) {
  if (result.over) return;
  if (ok) result.passed++; else result.failed++;
  console.log((ok ? 'ok   ' : 'FAIL ') + what + (ok || detail === undefined ? '' : ': ' + detail));
}

// The promise must keep itself within PATIENCE; what it resolves to must be true.
async function checkThat(what, promise) {
  try {
    check(await promise !== false, what);
  } catch (error) {
    check(false, what, String(error.message).split('\n')[0]);
  }
}

// What breaks off is one failure, and the next group runs all the same.
async function group(name, run) {
  if (result.over) return;
  console.log(`-- ${name}`);
  const pages = [];
  try {
    await run(pages);
  } catch (error) {
    check(false, name, error.stack);
  }
  for (const page of pages) await page.context().close().catch(() => {});
}

function equal(what, got, wanted) {
  got = JSON.stringify(got);
  wanted = JSON.stringify(wanted);
  check(got === wanted, what, `${got}, not ${wanted}`);
}

// ---- The page, as its reader sees it

const state = { browser: null };

async function launch() {
  state.browser = await chromium.launch({ executablePath: '/usr/bin/chromium', timeout: 30000, args: ['--no-sandbox', '--disable-gpu',
    '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  console.log(`Chromium ${state.browser.version()}, node ${process.version}, ${url}`);
}

async function open(pages, at, options) {
  const context = await state.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.scriptErrors = [];
  page.on('pageerror', error => page.scriptErrors.push(String(error)));
  await page.goto(at);
  pages.push(page);
  return page;
}

async function enter(page, name) {
  await page.fill('#name', name);
  await page.click('#enter');
  await connected(page);
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.click('#send');
}

const connected = page => page.waitForSelector('#status.open');
const members = page => page.$$eval('#members li', nodes => nodes.map(node => node.textContent));
const notices = page => page.$$eval('#log .notice', nodes => nodes.map(node => node.textContent));

// A notice may tell of several events: "Ada joined · Blaise left".
const notice = (page, wanted) => page.waitForFunction(wanted =>
  [...document.querySelectorAll('#log .notice')].some(node => node.textContent.split(' \u00b7 ').includes(wanted)), wanted);

const membersAre = (page, wanted) => page.waitForFunction(wanted =>
  JSON.stringify([...document.querySelectorAll('#members li')].map(node => node.textContent).sort()) === wanted,
JSON.stringify([...wanted].sort()));

const message = (page, who, version, text, own) => page.waitForFunction(wanted =>
  [...document.querySelectorAll('#log .message')].some(node => wanted === JSON.stringify([
    node.querySelector('.who').textContent, (node.querySelector('.version') || { textContent: '' }).textContent,
    node.querySelector('.text').textContent, node.classList.contains('own')])),
JSON.stringify([who, badge(version), text, own]));

const badge = version => version === MODERN ? '' : version;
const texts = page => page.$$eval('#log .message .text', nodes => nodes.map(node => node.textContent));
const frame = page => page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve(true)))));

// ---- The others

const children = new Set();

// Resolves to { code, output } when the process has ended; it is ended at the deadline.
function start(command, args, seconds, env) {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    let output = '';
    const done = code => { clearTimeout(timer); children.delete(child); resolve({ code, output }); };
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    children.add(child);
    child.stdout.on('data', data => { output += data; });
    child.stderr.on('data', data => { output += data; });
    child.on('error', error => { output += error.message; done(-1); });
    child.on('close', (code, signal) => done(code === null ? signal : code));
  });
}

// A TCP proxy, since the server must run on while the page's connection to it breaks:
// 'pass' lets everything through, 'refuse' hangs up on whoever comes, 'swallow' passes nothing more and says nothing.
class Proxy {
  constructor() {
    this.mode = 'pass';                 // 'deaf' passes on what the client sends, and nothing that it is sent
    this.attempts = [];                 // when connections came
    this.sockets = new Set();
    this.server = net.createServer(client => {
      this.attempts.push(Date.now());
      if (this.mode === 'refuse') { client.destroy(); return; }
      const upstream = net.connect(Number(address.port || 80), address.hostname);
      for (const [from, to] of [[client, upstream], [upstream, client]]) {
        this.sockets.add(from);
        from.on('data', data => { if (this.mode === 'pass' || this.mode === 'deaf' && from === client) to.write(data); });
        from.on('close', () => { this.sockets.delete(from); to.destroy(); });
        from.on('error', () => {});
      }
    });
  }

  listen() {
    return new Promise(resolve => this.server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${this.server.address().port}`)));
  }

  cut() { for (const socket of this.sockets) socket.destroy(); }

  close() { this.cut(); this.server.close(); }
}

// A chat server of our own, for what the shared one cannot do: it has an operator, and can be killed.
const SECRET = 'a secret for this run only';

class Chat {
  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'chat-'));
    this.secret = path.join(this.folder, 'secret');
    fs.writeFileSync(this.secret, SECRET + '\n', { mode: 0o600 });
  }

  // Resolves to the URL; `port` is 0 for any, or that of before.
  start(port) {
    const program = process.env.STENTOR_CHAT || path.join(peers, '../release/examples/chat');
    this.child = spawn(program, ['--data', 'none', '--operator-file', this.secret, `127.0.0.1:${port || 0}`], { stdio: ['ignore', 'pipe', 'inherit'], cwd: this.folder });
    children.add(this.child);
    return new Promise((resolve, reject) => {
      let output = '';
      this.child.on('error', reject);
      this.child.on('close', code => reject(new Error(`${program} has ended with ${code}`)));
      this.child.stdout.on('data', data => {
        const found = /http:\/\/[0-9.]+:([0-9]+)/.exec(output += data);
        if (found) { this.port = found[1]; resolve(found[0]); }
      });
    });
  }

  kill() {
    return new Promise(resolve => {
      children.delete(this.child);
      this.child.on('close', resolve);
      this.child.kill('SIGKILL');
    });
  }

  async close() {
    await this.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

module.exports = { url, peers, address, shots, PATIENCE, MODERN, SECRET, roomFor, check, checkThat, group, equal, state, launch, result, children,
  open, enter, say, connected, members, notices, notice, membersAre, message, badge, texts, frame, start, Proxy, Chat };
