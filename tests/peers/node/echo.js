// ws against an echo server: node echo.js ws://HOST:PORT/PATH
//
// RFC 6455 with and without permessage-deflate offered, then version 8, which ws still speaks, and
// version 7, which differs from 8 on the wire by its number alone.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const WebSocket = require('ws');

const WAIT = 10_000; // milliseconds that any one wait may take
const MIB = 1024 * 1024;

const url = process.argv[2];
let passed = 0;
let failed = 0;

async function check(name, claim) {
  try {
    await claim();
    passed++;
    console.log(`ok    ${name}`);
  } catch (reason) {
    failed++;
    console.log(`FAIL  ${name}: ${reason.message}`);
  }
}

// Rejects with an error of the socket, too: `once` does that for every emitter.
const next = (emitter, event) => once(emitter, event, { signal: AbortSignal.timeout(WAIT) });

async function open(options, protocols = []) {
  const client = new WebSocket(url, protocols, { handshakeTimeout: WAIT, closeTimeout: WAIT, ...options });
  const [[answer]] = await Promise.all([next(client, 'upgrade'), next(client, 'open')]);
  client.answer = answer.headers;
  return client;
}

async function echoed(client, message) {
  const answer = next(client, 'message');
  client.send(message);
  await expectMessage(answer, message);
}

async function expectMessage(answer, message) {
  const [data, isBinary] = await answer;
  assert.equal(isBinary, typeof message !== 'string');
  // Not deepEqual: its account of a difference in 1 MiB takes minutes.
  assert.ok(data.equals(Buffer.from(message)), `${data.length} bytes back, and not the same`);
}

// A close that the server starts: sends what it must refuse, and expects the code.
async function refused(options, code, offend) {
  const client = await open({ perMessageDeflate: false, ...options });
  const [closed] = await Promise.all([next(client, 'close'), offend(client)]);
  assert.equal(closed[0], code);
}

async function exchange(name, options) {
  let client;
  // With version 8, too, ws offers permessage-deflate, which nobody has defined there.
  const deflate = options.perMessageDeflate && !options.protocolVersion;
  await check(`${name}: handshake, ${deflate ? 'deflate' : 'no extension'}, no subprotocol`, async () => {
    client = await open(options);
    assert.equal(Boolean(client.extensions), Boolean(deflate), client.extensions);
    assert.equal(client.protocol, '');
    assert.equal(client.answer['sec-websocket-protocol'], undefined);
    if (!deflate) assert.equal(client.answer['sec-websocket-extensions'], undefined);
  });
  if (!client) return;

  await check(`${name}: text`, async () => {
    for (const text of ['', 'a', 'é Στέντωρ 漢字 𝄞', 'a\0b']) await echoed(client, text);
  });
  await check(`${name}: binary of 0 to 65,537 bytes`, async () => {
    for (const length of [0, 1, 125, 126, 127, 65534, 65535, 65536, 65537]) {
      await echoed(client, Buffer.from(Array.from({ length }, (_, i) => i % 251)));
    }
  });
  await check(`${name}: 1 MiB of text and of binary`, async () => {
    await echoed(client, 'ὣς φάτο. '.repeat(MIB / 16));
    await echoed(client, Buffer.alloc(MIB, 'binary'));
  });
  await check(`${name}: fragments, with a ping between them`, async () => {
    const answer = next(client, 'message');
    const pong = next(client, 'pong');
    client.send('ἄν', { fin: false });
    client.ping('between');
    client.send('', { fin: false });
    client.send('δρα', { fin: true });
    assert.equal(String((await pong)[0]), 'between');
    await expectMessage(answer, 'ἄνδρα');
  });
  await check(`${name}: the largest ping`, async () => {
    const pong = next(client, 'pong');
    client.ping(Buffer.alloc(125, 'p'));
    assert.equal((await pong)[0].length, 125);
  });
  await check(`${name}: a hundred messages at once keep their order`, async () => {
    const answers = [];
    const all = new Promise((resolve) => {
      client.on('message', (data) => answers.push(String(data)) === 100 && resolve());
    });
    const late = AbortSignal.timeout(WAIT);
    for (let i = 0; i < 100; i++) client.send(`message ${i}`);
    await Promise.race([all, once(late, 'abort').then(() => assert.fail('not all came back'))]);
    assert.deepEqual(answers, Array.from({ length: 100 }, (_, i) => `message ${i}`));
  });

  for (const [code, reason] of [[1000, ''], [1001, 'page left'], [3000, 'ἔρρωσο'], [4999, 'r'.repeat(123)]]) {
    await check(`${name}: close with ${code} is answered with ${code}`, async () => {
      const closing = await open(options);
      const closed = next(closing, 'close');
      closing.close(code, reason);
      assert.equal((await closed)[0], code);
    });
  }
  await check(`${name}: close without a code is answered without one`, async () => {
    const closed = next(client, 'close');
    client.close();
    assert.equal((await closed)[0], 1005);
  });

  await check(`${name}: an unmasked frame is closed with 1002`, () =>
    refused(options, 1002, (offender) => offender.send('hello', { mask: false })));
}

async function main() {
  await exchange('RFC 6455, deflate', { perMessageDeflate: { threshold: 0 } });
  await exchange('RFC 6455, deflate without context and with windows of 10 bits', {
    perMessageDeflate: {
      threshold: 0,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 10,
      clientMaxWindowBits: 10,
    },
  });
  await exchange('RFC 6455', { perMessageDeflate: false });
  await exchange('version 8, deflate offered', { protocolVersion: 8, perMessageDeflate: true, origin: 'http://example.com' });
  await exchange('version 8', { protocolVersion: 8, perMessageDeflate: false, origin: 'http://example.com' });
  await exchange('version 7', {
    protocolVersion: 8,
    perMessageDeflate: false,
    origin: 'http://example.com',
    finishRequest(request) {
      request.setHeader('Sec-WebSocket-Version', 7);
      request.end();
    },
  });

  await check('a subprotocol that nobody knows is left out of the answer', async () => {
    // ws holds that to be an error, as a browser does: it is the server's answer that is checked.
    const client = new WebSocket(url, ['superchat'], { handshakeTimeout: WAIT });
    const [[answer], [error]] = await Promise.all([next(client, 'upgrade'), next(client, 'error')]);
    assert.equal(error.message, 'Server sent no subprotocol');
    assert.equal(answer.headers['sec-websocket-protocol'], undefined);
  });
  await check('text that is not UTF-8 is closed with 1007', () =>
    refused({}, 1007, (client) => client.send(Buffer.from([0xff]), { binary: false })));
  await check('a message declared one byte above 64 MiB is closed with 1009', () =>
    // The head alone: final, text, masked, a length of 0x04000001, a mask.
    refused({}, 1009, (client) => client._socket.write(Buffer.from('81ff000000000400000112345678', 'hex'))));

  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
}

main();
