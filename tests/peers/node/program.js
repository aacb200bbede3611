// Stentor's clients as programs: started against a server, and judged by how they end.
'use strict';

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

const WAIT = 10_000; // milliseconds that any one wait may take

// Rejects with an error of the emitter, too.
const next = (emitter, event) => once(emitter, event, { signal: AbortSignal.timeout(WAIT) });

const running = new Set();

// One of the examples in `directory`, speaking `version` to `url`, with `input` as all its input, or,
// if that is left out, with an input that stays open until `child.stdin.end()`.
class Program {
  constructor(directory, name, version, url, input) {
    this.name = name;
    this.child = spawn(path.join(directory, name), ['--as', version, url]);
    running.add(this.child);
    this.output = '';
    this.errors = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => (this.output += text));
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text));
    this.child.stdin.on('error', () => {}); // it may end without having read everything
    if (input !== undefined) this.child.stdin.end(input);
    this.ended = once(this.child, 'close');
    this.ended.catch(() => {}); // told to whoever waits for it
  }

  async end() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name} still runs after ${WAIT} ms`)), WAIT);
    });
    const [code, signal] = await Promise.race([this.ended, late]);
    clearTimeout(timer);
    running.delete(this.child);
    assert.equal(signal, null, `${this.name} ended by a signal`);
    return code;
  }

  async succeeds() {
    const code = await this.end();
    assert.equal(code, 0, `exit status ${code}: ${this.errors}`);
    return this.output;
  }

  // It says why, in its errors, and has printed nothing that it took for a message.
  async fails() {
    const code = await this.end();
    assert.ok(code !== 0 && code !== 101, `exit status ${code}`);
    assert.notEqual(this.errors.trim(), '', 'it does not say why');
    assert.equal(this.output, '');
    return this.errors;
  }
}

class Checks {
  passed = 0;
  failed = 0;

  async check(name, claim) {
    try {
      await claim();
      this.passed++;
      console.log(`ok    ${name}`);
    } catch (reason) {
      this.failed++;
      console.log(`FAIL  ${name}: ${reason.message}`);
    }
    // Whatever a failed claim has left behind must not be there for the next one.
    for (const child of running) child.kill('SIGKILL');
    running.clear();
  }

  finish() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed || !this.passed ? 1 : 0);
  }
}

module.exports = { Checks, Program, WAIT, next };
