// websocket-driver (Faye's) as a server for Stentor's clients: node serve_driver.js DIRECTORY
//
// wants the examples `echo_client` and `client` in that directory. The library speaks draft-75, draft-76
// and RFC 6455; a version it does not speak, 8, it refuses with a status and a reason.
'use strict';

const assert = require('node:assert/strict');
const net = require('node:net');
const websocket = require('websocket-driver');
const { Checks, Program, WAIT, next } = require('./program');

const KIB = 1024;
const directory = process.argv[2];
const checks = new Checks();
const listener = net.createServer({ allowHalfOpen: true });

// A connection that has been accepted and shaken hands with. Events: those of the driver.
class Connection {
  // `spoil` gets every piece of bytes on its way to the client, and returns what goes out instead.
  constructor(socket, spoil) {
    this.socket = socket;
    this.driver = websocket.server({ maxLength: 64 * KIB * KIB });
    this.messages = [];
    this.received = Buffer.alloc(0);
    socket.setNoDelay(true);
    socket.on('error', () => {}); // a client that resets: what it was expected to send is missing then
    this.driver.io.on('data', (bytes) => socket.writable && socket.write(spoil ? spoil(bytes) : bytes));
    this.driver.on('message', ({ data }) => this.messages.push(data));
    this.driver.on('connect', () => this.driver.start());
    this.closed = new Promise((resolve) => this.driver.on('close', resolve));
    this.driver.on('open', () => (this.isOpen = true));
    this.opened = next(this.driver, 'open');
    this.opened.catch(() => {}); // told to whoever waits for it
    this.hungUp = new Promise((resolve) => socket.on('end', resolve).on('close', resolve));
    socket.on('data', (bytes) => {
      if (this.isOpen) this.received = Buffer.concat([this.received, bytes]);
      this.driver.parse(bytes);
    });
  }

  // The next messages that arrive, as many as are expected, none of them lost or out of order.
  async expect(...expected) {
    while (this.messages.length < expected.length) await next(this.driver, 'message');
    for (const [index, message] of expected.entries()) {
      const seen = this.messages[index];
      assert.equal(typeof seen, typeof message);
      assert.ok(Buffer.from(seen).equals(Buffer.from(message)), `message ${index}: ${seen.length} long, and not the same`);
    }
    assert.equal(this.messages.splice(0).length, expected.length);
  }
}

async function start(name, version, { input, spoil } = {}) {
  const arrived = next(listener, 'connection');
  const url = `ws://127.0.0.1:${listener.address().port}/peers?of=old`;
  const program = new Program(directory, name, version, url, input);
  const [socket] = await arrived;
  return { program, connection: new Connection(socket, spoil) };
}

const within = async (promise, what) => {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`no ${what}`)), WAIT)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

async function exchange(version, name) {
  const hixie = version.startsWith('draft');
  const texts = ['', 'a', 'é Στέντωρ 漢字 𝄞 🗣', 'a\0b', 'x'.repeat(64 * KIB), 'ὣς φάτο. '.repeat(64 * KIB)];

  // One connection for all of it: what one message leaves behind, the next would stumble over.
  await checks.check(`${name}: text, empty to 1 MiB; a hundred at once; goodbye by the server`, async () => {
    const { program, connection } = await start('echo_client', version);
    await connection.opened;
    for (const text of texts) {
      connection.received = Buffer.alloc(0);
      connection.driver.text(text);
      await connection.expect(text);
      const wire = Buffer.concat([Buffer.from([0]), Buffer.from(text), Buffer.from([255])]);
      if (hixie) assert.ok(connection.received.equals(wire), 'other bytes than the frame');
    }
    const many = Array.from({ length: 100 }, (_, i) => `message ${i}`);
    connection.socket.cork();
    for (const text of many) connection.driver.text(text);
    connection.socket.uncork();
    await connection.expect(...many);
    if (!hixie) {
      for (const length of [0, 1, 125, 126, 127, 65535, 65536, 65537]) {
        const bytes = Buffer.from(Array.from({ length }, (_, i) => i % 251));
        connection.driver.binary(bytes);
        await connection.expect(bytes);
      }
      const pong = next(connection.driver, 'pong');
      connection.driver.ping('are you there');
      assert.equal((await pong)[0].data, 'are you there');
    }
    connection.driver.close('ἔρρωσο', hixie ? undefined : 4321);
    if (version === 'draft-76') {
      // The library takes draft-76's goodbye for the end as soon as it has said it: the answer is in the bytes.
      connection.received = Buffer.alloc(0);
      while (connection.received.length < 2) await next(connection.socket, 'data');
      assert.equal(connection.received.toString('hex'), 'ff00');
    }
    if (!hixie) assert.equal((await within(connection.closed, 'goodbye')).code, 4321);
    connection.socket.end();
    await within(connection.hungUp, 'end of the stream');
    await program.succeeds();
  });

  await checks.check(`${name}: two thousand lines, answered and printed before the client leaves`, async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `γραμμή ${i}`);
    const input = lines.map((line) => `${line}\n`).join('');
    const { program, connection } = await start('client', version, { input });
    connection.driver.on('message', ({ data }) => connection.driver.text(data));
    await connection.opened;
    await connection.expect(...lines);
    if (version === 'draft-75') await within(connection.hungUp, 'end of the stream');
    else {
      const { code } = await within(connection.closed, 'goodbye');
      if (!hixie) assert.equal(code, 1000);
    }
    connection.socket.end();
    assert.equal(await program.succeeds(), input);
  });
}

// The client must not take what the server answers: it says so and hangs up without another byte.
async function refused(version, spoil) {
  const { program, connection } = await start('client', version, { input: 'never to be sent\n', spoil });
  let sent = 0;
  connection.opened.then(() => connection.socket.on('data', (bytes) => (sent += bytes.length)), () => {});
  await within(connection.hungUp, 'end of the stream');
  const errors = await program.fails();
  assert.equal(sent, 0, 'bytes sent after the answer');
  connection.socket.destroy();
  return errors;
}

// Bytes that begin like the head of an answer, changed; the others as they are.
const inHead = (pattern, replacement) => (bytes) => {
  const text = bytes.toString('latin1');
  if (!text.startsWith('HTTP/1.1 ')) return bytes;
  assert.match(text, pattern);
  return Buffer.from(text.replace(pattern, replacement), 'latin1');
};

async function main() {
  listener.listen(0, '127.0.0.1');
  await next(listener, 'listening');

  await exchange('draft-75', 'draft-75');
  await exchange('draft-76', 'draft-76');
  await exchange('13', 'RFC 6455');

  await checks.check('draft-76: sixteen other bytes than the challenge asks for are refused', () =>
    refused('draft-76', (bytes) => (bytes.length === 16 ? Buffer.from(bytes.map((byte) => byte ^ 0x80)) : bytes)));
  await checks.check('draft-75: the location of another resource is refused', () =>
    refused('draft-75', inHead(/of=old/, 'of=new')));
  await checks.check('draft-76: the location of another resource is refused', () =>
    refused('draft-76', inHead(/of=old/, 'of=new')));
  await checks.check('RFC 6455: another Sec-WebSocket-Accept is refused', () =>
    refused('13', inHead(/Accept: .{4}/, 'Accept: AAAA')));
  for (const version of ['7', '8']) {
    await checks.check(`version ${version}: a refusal with 400 is told`, async () => {
      assert.match(await refused(version), /400/);
    });
  }
  checks.finish();
}

main();
