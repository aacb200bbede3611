// The chat page over https, and its WebSocket over wss, in Chromium; tests/peers/run starts this:
//   node secure.js https://HOST:PORT
// The certificate has signed itself: whether it is believed is not the question here.
'use strict';
const { chromium } = require('playwright-core');

const url = process.argv[2].replace(/\/+$/, '');
const PATIENCE = 15000;                 // ms for anything that is waited for
let passed = 0, failed = 0;

async function checkThat(what, promise) {
  try {
    await promise;
    passed++;
    console.log(`ok   ${what}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${what}: ${String(error.message).split('\n')[0]}`);
  }
}

async function main() {
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', timeout: 30000, args: ['--no-sandbox', '--disable-gpu',
    '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  console.log(`Chromium ${browser.version()}, node ${process.version}, ${url}`);
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const sockets = [], enter = async name => {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on('websocket', socket => sockets.push(socket.url()));
    const answer = await page.goto(`${url}/secure`);
    const { protocol } = await answer.securityDetails();
    await page.fill('#name', name);
    await page.click('#enter');
    await page.waitForSelector('#status.open');
    return { page, protocol };
  };
  const hears = (page, text) => page.waitForSelector(`#log .message .text:text-is("${text}")`);
  const ada = await enter('Ada'), blaise = await enter('Blaise');
  await checkThat('TLS 1.3 is spoken', ada.protocol === 'TLS 1.3' ? null : Promise.reject(new Error(ada.protocol)));
  await checkThat('the WebSocket is secure', sockets.length === 2 && sockets.every(socket => socket.startsWith('wss:'))
    ? null : Promise.reject(new Error(sockets.join(' '))));
  for (const [speaker, listener, text] of [[ada, blaise, 'nobody listens in'], [blaise, ada, 'x'.repeat(2000)]]) {
    await speaker.page.fill('#text', text);
    await speaker.page.click('#send');
    await checkThat(`${text.length} letters arrive`, hears(listener.page, text));
    await checkThat('and come back', hears(speaker.page, text));
  }
  await browser.close();
}

main().catch(error => { failed++; console.log(`FAIL ${error.stack}`); }).then(() => {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
});
