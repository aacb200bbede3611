// ws as a server for Stentor's clients: node serve_ws.js DIRECTORY
//
// wants the examples `echo_client` and `client` in that directory. The library speaks RFC 6455 and version 8.
'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { WebSocketServer } = require('ws');
const { Checks, Program, WAIT, next } = require('./program');

const MIB = 1024 * 1024;
const directory = process.argv[2];
const checks = new Checks();

async function visit(name, version, input, options) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, maxPayload: 64 * MIB, ...options });
  await next(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}/peers?of=today`;
  const arrived = next(server, 'connection');
  arrived.catch(() => {}); // a refused client never arrives
  const program = new Program(directory, name, version, url, input);
  return { server, program, arrived };
}

// One connection of a program, given to `claim` with the program, which must end well.
async function visited(name, version, claim, input, options) {
  const { server, program, arrived } = await visit(name, version, input, options);
  try {
    const [connection, request] = await arrived;
    connection.on('error', () => {}); // what it was expected to say is missing then
    await claim(connection, request);
    return await program.succeeds();
  } finally {
    for (const connection of server.clients) connection.terminate();
    server.close();
  }
}

async function echoed(connection, message) {
  const answer = next(connection, 'message');
  connection.send(message);
  await expectMessage(answer, message);
}

async function expectMessage(answer, message) {
  const [data, isBinary] = await answer;
  assert.equal(isBinary, typeof message !== 'string');
  // Not deepEqual: its account of a difference in 1 MiB takes minutes.
  assert.ok(data.equals(Buffer.from(message)), `${data.length} bytes back, and not the same`);
}

async function goodbye(connection, code, reason) {
  const closed = next(connection, 'close');
  connection.close(code, reason);
  assert.equal((await closed)[0], code ?? 1005);
}

async function expectInOrder(connection, count) {
  const answers = [];
  const all = new Promise((resolve) => {
    connection.on('message', (data) => answers.push(String(data)) === count && resolve());
  });
  const late = AbortSignal.timeout(WAIT);
  await Promise.race([all, once(late, 'abort').then(() => assert.fail(`only ${answers.length} of ${count} came`))]);
  return answers;
}

// `deflate` is what the server makes of permessage-deflate, which echo_client offers in RFC 6455.
async function exchange(version, name, deflate) {
  const options = { perMessageDeflate: deflate };
  await checks.check(`${name}: text, binary, fragments and pings on one connection`, () =>
    visited('echo_client', version, async (connection, request) => {
      assert.equal(request.headers['sec-websocket-version'], version);
      assert.equal(connection.protocol, '');
      assert.equal(Boolean(connection.extensions), Boolean(deflate), connection.extensions);
      for (const text of ['', 'a', 'é Στέντωρ 漢字 𝄞 🗣', 'a\0b', 'ὣς φάτο. '.repeat(MIB / 16)]) await echoed(connection, text);
      for (const length of [0, 1, 125, 126, 127, 65534, 65535, 65536, 65537, MIB]) {
        await echoed(connection, Buffer.from(Array.from({ length }, (_, i) => i % 251)));
      }
      const answer = next(connection, 'message');
      const pong = next(connection, 'pong');
      connection.send('ἄν', { fin: false });
      connection.ping('p'.repeat(125));
      connection.send('', { fin: false });
      connection.send('δρα', { fin: true });
      assert.equal(String((await pong)[0]), 'p'.repeat(125));
      await expectMessage(answer, 'ἄνδρα');
      await goodbye(connection, 1000);
    }, undefined, options));
  await checks.check(`${name}: a thousand messages at once keep their order`, () =>
    visited('echo_client', version, async (connection) => {
      const answers = expectInOrder(connection, 1000);
      for (let i = 0; i < 1000; i++) connection.send(`message ${i}`);
      assert.deepEqual(await answers, Array.from({ length: 1000 }, (_, i) => `message ${i}`));
      await goodbye(connection, 1001, 'enough');
    }, undefined, options));
  for (const [code, reason] of [[undefined, undefined], [1011, ''], [3000, 'ἔρρωσο'], [4999, 'r'.repeat(123)]]) {
    await checks.check(`${name}: the server says goodbye with ${code ?? 'no code'}, and is answered with it`, () =>
      visited('echo_client', version, (connection) => goodbye(connection, code, reason)));
  }
  await checks.check(`${name}: a thousand lines, answered and printed before the client leaves`, async () => {
    const input = Array.from({ length: 1000 }, (_, i) => `γραμμή ${i}\n`).join('');
    const echo = async (connection) => {
      connection.on('message', (data) => connection.send(String(data)));
      assert.equal((await next(connection, 'close'))[0], 1000);
    };
    assert.equal(await visited('client', version, echo, input), input);
  });
  await checks.check(`${name}: a refusal with 401 is told`, async () => {
    const options = { verifyClient: (_, answer) => answer(false, 401, 'not for you') };
    const { server, program } = await visit('client', version, '', options);
    assert.match(await program.fails(), /401/);
    server.close();
  });
}

async function main() {
  await exchange('13', 'RFC 6455', false);
  await exchange('13', 'RFC 6455, deflate', { threshold: 0 });
  await exchange('13', 'RFC 6455, deflate without context and with windows of 9 bits', {
    threshold: 0,
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 9,
  });
  await exchange('8', 'version 8', false);
  checks.finish();
}

main();
