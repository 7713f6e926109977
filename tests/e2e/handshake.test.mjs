// Who may connect, and what everybody else is answered; HTTP as far as the server speaks it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { exchange, handshake, request, root, simulate, startServer } from './lib/faults.mjs';

let sim;
let server;
before(async () => {
  sim = await simulate();
  server = await startServer({ sim, config: 'origins:\n  - https://talk.example.org\n  - http://other.example:8080\n' });
});
after(async () => {
  await server.stop();
  await sim.stop();
});

const v1 = { 'Sec-WebSocket-Protocol': 'antiphon.v1' };

// [what, path, headers, status]
const answers = [
  ['is_audio=true', '/ws/1?is_audio=true', {}, 101],
  ['is_audio=false', '/ws/1?is_audio=false', {}, 101],
  ['is_audio with nothing in it', '/ws/1?is_audio=', {}, 101],
  ['is_audio with other parameters around', '/ws/1?a=b&is_audio=true&c=d', {}, 101],
  ['no is_audio', '/ws/1', {}, 403],
  ['no is_audio, but a parameter that looks like it', '/ws/1?not_is_audio=true', {}, 403],
  ['no is_audio in antiphon.v1', '/ws/1', v1, 101],

  ['a negative id', '/ws/-7?is_audio=true', {}, 101],
  ['an id with a plus', '/ws/%2B7?is_audio=true', {}, 101],
  ['an id with leading zeros', '/ws/007?is_audio=true', {}, 101],
  ['an id of 20 digits', '/ws/12345678901234567890?is_audio=true', {}, 101],
  ['an id of 53 bits', '/ws/9007199254740991', v1, 101],
  ['an id of letters', '/ws/abc?is_audio=true', {}, 403],
  ['a fraction', '/ws/1.5?is_audio=true', {}, 403],
  ['an exponent', '/ws/1e3?is_audio=true', {}, 403],
  ['hexadecimal', '/ws/0x1?is_audio=true', {}, 403],
  ['no id', '/ws/?is_audio=true', {}, 403],
  ['no id and no slash', '/ws?is_audio=true', {}, 403],
  ['a blank in front', '/ws/%201?is_audio=true', {}, 403],
  ['a blank behind', '/ws/1%20?is_audio=true', {}, 403],
  ['an underscore', '/ws/1_0?is_audio=true', {}, 403],
  ['a sign alone', '/ws/-?is_audio=true', {}, 403],
  ['two signs', '/ws/--1?is_audio=true', {}, 403],
  ['digits of another script', '/ws/%D9%A1?is_audio=true', {}, 403],
  ['an id of 101 digits', `/ws/${'1'.repeat(101)}?is_audio=true`, {}, 403],
  ['a session id behind the user id', '/ws/1/2?is_audio=true', {}, 403],

  ['an upgrade elsewhere', '/elsewhere?is_audio=true', {}, 403],
  ['an upgrade of the page', '/?is_audio=true', {}, 403],
  ['an upgrade of a file', '/static/js/app.js?is_audio=true', {}, 403],

  ['a known agent', '/ws/1?is_audio=true&agent=companion', {}, 101],
  ['an unknown agent', '/ws/1?is_audio=true&agent=nobody', {}, 404],
  ['an agent outside the folder', '/ws/1?is_audio=true&agent=../agents/companion', {}, 404],
  ['an unknown agent in antiphon.v1', '/ws/1?agent=nobody', v1, 404],
  ['a way of audio that there is not', '/ws/1?is_audio=true&audio=mp3', {}, 400],
  ['audio off', '/ws/1?is_audio=true&audio=off', {}, 101],

  ['an unknown subprotocol alone', '/ws/1?is_audio=true', { 'Sec-WebSocket-Protocol': 'antiphon.v9' }, 400],
  ['unknown subprotocols', '/ws/1?is_audio=true', { 'Sec-WebSocket-Protocol': 'chat, superchat' }, 400],
  ['a subprotocol that only begins like ours', '/ws/1', { 'Sec-WebSocket-Protocol': 'antiphon.v11' }, 400],
  ['ours among unknown ones', '/ws/1', { 'Sec-WebSocket-Protocol': 'chat, antiphon.v1 , superchat' }, 101],

  ['our own origin', '/ws/1?is_audio=true', (port) => ({ Origin: `http://127.0.0.1:${port}` }), 101],
  ['our own origin by name', '/ws/1?is_audio=true',
    (port) => ({ Origin: `http://localhost:${port}`, Host: `localhost:${port}` }), 101],
  ['an origin of the settings', '/ws/1?is_audio=true', { Origin: 'https://talk.example.org' }, 101],
  ['another origin of the settings', '/ws/1?is_audio=true', { Origin: 'http://other.example:8080' }, 101],
  ['a foreign origin', '/ws/1?is_audio=true', { Origin: 'https://evil.example' }, 403],
  ['a foreign origin in antiphon.v1', '/ws/1', { ...v1, Origin: 'https://evil.example' }, 403],
  ['our host at another port', '/ws/1?is_audio=true', { Origin: 'http://127.0.0.1:1' }, 403],
  ['an origin of the settings by another scheme', '/ws/1?is_audio=true', { Origin: 'http://talk.example.org' }, 403],
  ['an origin that only begins like one of the settings', '/ws/1?is_audio=true',
    { Origin: 'https://talk.example.org.evil.example' }, 403],
  ['the origin null', '/ws/1?is_audio=true', { Origin: 'null' }, 403],

  ['a foreign host', '/ws/1?is_audio=true', { Host: 'evil.example' }, 403],
  ['a foreign host with its own origin', '/ws/1?is_audio=true',
    { Host: 'evil.example', Origin: 'http://evil.example' }, 403],
  ['a host that only begins like loopback', '/ws/1?is_audio=true', { Host: '127.0.0.1.evil.example' }, 403],
  ['localhost', '/ws/1?is_audio=true', { Host: 'localhost' }, 101],
];

for (const [what, at, headers, status] of answers) {
  test(`handshake: ${what}: ${status}`, async () => {
    const given = typeof headers === 'function' ? headers(server.port) : headers;
    const answer = await handshake(server, at, given);
    assert.equal(answer.status, status);
    if (status === 101) {
      assert.equal(answer.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
      assert.equal(answer.headers['sec-websocket-extensions'], undefined);
      const asked = given['Sec-WebSocket-Protocol'];
      assert.equal(answer.headers['sec-websocket-protocol'], asked ? 'antiphon.v1' : undefined);
    } else {
      assert.equal(answer.body.length, 0, 'the body is empty');
    }
  });
}

test('compression is not taken up when it is offered', async () => {
  const answer = await handshake(server, '/ws/1?is_audio=true', { 'Sec-WebSocket-Extensions': 'permessage-deflate' });
  assert.equal(answer.status, 101);
  assert.equal(answer.headers['sec-websocket-extensions'], undefined);
});

test('a user is one person however the id is spelt', async () => {
  const client = await server.client('v1', { user: '0042' });
  assert.equal(client.frames[0].hello.user, '42');
  const other = await server.client('v1', { user: '42' });
  assert.equal(other.frames[0].hello.session, client.frames[0].hello.session);
  await client.next((frame) => frame.taken_over);
  const negative = await server.client('v1', { user: '-042' });
  assert.equal(negative.frames[0].hello.user, '-42');
  const long = await server.client('v1', { user: '00012345678901234567890' });
  assert.equal(long.frames[0].hello.user, '12345678901234567890');
  for (const one of [client, other, negative, long]) await one.leave();
});

test('too many connections: 503, and room again when one leaves', async (t) => {
  const small = await startServer({ sim, args: ['--shards', '1'], config: 'limits:\n  connections: 2\n' });
  t.after(() => small.stop());
  const one = await small.client('sample');
  await small.client('sample');
  assert.equal((await handshake(small, '/ws/3?is_audio=true')).status, 503);
  await one.leave();
  // The server may see the end a moment after the client does.
  let answer;
  do answer = await handshake(small, '/ws/3?is_audio=true'); while (answer.status === 503);
  assert.equal(answer.status, 101);
});

// ---- what is not a handshake ----

const ws = (lines, target = '/ws/1?is_audio=true') =>
  [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${server.port}`, ...lines, '', ''].join('\r\n');
const status = (text) => Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0);
const headEnds = (text) => text.includes('\r\n\r\n');

// [what, request, the statuses that are right; 0: the connection is closed without a word]
const odd = [
  ['an upgrade to h2c',
    () => ws(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'], '/'), [0, 400, 403]],
  ['h2c on the path of the talks',
    () => ws(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA']), [0, 400, 403]],
  ['HTTP/2 with prior knowledge', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [0, 400, 403, 404, 405, 505]],
  ['an upgrade to something unheard of', () => ws(['Connection: Upgrade', 'Upgrade: foo']), [0, 400, 403]],
  ['keep-alive with an upgrade to foo', () => ws(['Connection: keep-alive, Upgrade', 'Upgrade: foo'], '/'), [0, 400, 403]],
  ['no key', () => ws(['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13']), [0, 400, 403]],
  ['an old version', () => ws(['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 7',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']), [0, 400, 403, 426]],
  ['no host', () => 'GET /ws/1?is_audio=true HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n', [0, 400, 403]],
  ['rubbish', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', [0, 400, 403, 404, 405]],
  ['a head of 100 KiB', () => ws([`X-Long: ${'x'.repeat(100 * 1024)}`], '/'), [0, 400, 403, 431]],
];
for (const [what, bytes, right] of odd) {
  test(`not a handshake: ${what}`, async () => {
    const { text } = await exchange(server.port, bytes(), headEnds);
    assert.ok(right.includes(status(text)), text.slice(0, 200));
    assert.ok(!text.startsWith('HTTP/1.1 101'));
    const client = await server.client('sample');
    assert.equal(await client.ask('hello'), 'You said: hello', 'the server goes on');
    await client.leave();
  });
}

// ---- files ----

test('the page and its parts', async () => {
  const page = await server.get('/');
  assert.equal(page.status, 200);
  assert.match(page.headers['content-type'], /^text\/html/);
  assert.match(page.headers['content-security-policy'], /default-src|script-src/);
  assert.deepEqual(page.body, readFileSync(path.join(root, 'static/index.html')));
  for (const name of readdirSync(path.join(root, 'static/js'))) {
    const file = await server.get(`/static/js/${name}`);
    assert.equal(file.status, 200);
    assert.match(file.headers['content-type'], /javascript/);
    assert.deepEqual(file.body, readFileSync(path.join(root, 'static/js', name)));
  }
});

test('HEAD, ETag and ranges', async () => {
  const at = '/static/js/app.js';
  const whole = await server.get(at);
  const { etag } = whole.headers;
  assert.match(etag, /^"[^"]+"$/);
  const head = await server.get(at, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.equal(Number(head.headers['content-length']), whole.body.length);
  assert.equal(head.headers.etag, etag);
  for (const value of [etag, `"other", ${etag}`, '*', `W/${etag}`])
    assert.equal((await server.get(at, { headers: { 'If-None-Match': value } })).status, 304, value);
  assert.equal((await server.get(at, { headers: { 'If-None-Match': '"other"' } })).status, 200);
  const range = async (value) => server.get(at, { headers: { Range: value } });
  for (const [value, from, to] of [['bytes=0-9', 0, 10], ['bytes=10-', 10, whole.body.length], ['bytes=-5', -5]]) {
    const part = await range(value);
    assert.equal(part.status, 206, value);
    assert.deepEqual(part.body, whole.body.subarray(from, to), value);
    const first = from < 0 ? whole.body.length + from : from;
    const last = (to ?? whole.body.length) - 1;
    assert.equal(part.headers['content-range'], `bytes ${first}-${last}/${whole.body.length}`);
  }
  const beyond = await range(`bytes=${whole.body.length}-`);
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers['content-range'], `bytes */${whole.body.length}`);
  for (const value of ['bytes=5-2', 'lines=0-1', 'bytes=0-1,4-5', 'bytes=x'])
    assert.deepEqual((await range(value)).body, whole.body, `${value} is not one good range`);
});

// [path, options, status]
const requests = [
  ['/nothing', {}, 404],
  ['/ws/1', {}, 404],
  ['/static/', {}, 404],
  ['/static/../agents/companion/root_agent.yaml', {}, 404],
  ['/static/%2e%2e/agents/companion/root_agent.yaml', {}, 404],
  ['/static/js/../../../README.md', {}, 404],
  ['/antiphon.db', {}, 404],
  ['/.env', {}, 404],
  ['/', { headers: { Host: 'evil.example' } }, 403],
  ['/static/js/app.js', { headers: { Host: 'evil.example' } }, 403],
  ['/metrics', { headers: { Host: 'evil.example' } }, 403],
  ['/', { headers: { Host: 'localhost' } }, 200],
  ['/', { headers: { Host: '[::1]:8000' } }, 200],
  ['/', { method: 'POST' }, 405],
  ['/static/js/app.js', { method: 'DELETE' }, 405],
  ['/livez', {}, 200],
  ['/readyz', {}, 200],
  ['/metrics', {}, 200],
  ['/nothing', { method: 'HEAD' }, 404],
];
for (const [at, options, wanted] of requests) {
  const shown = `${options.method ?? 'GET'} ${at} ${Object.values(options.headers ?? {})}`;
  test(`HTTP: ${shown}: ${wanted}`, async () => {
    assert.equal((await request(server, at, options)).status, wanted);
  });
}

test('two requests over one connection', async () => {
  const one = `GET /livez HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`;
  const last = `GET /livez HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`;
  const { text, closed } = await exchange(server.port, one + last);
  assert.equal(text.match(/^HTTP\/1\.1 200/gm)?.length, 2, text);
  assert.ok(closed);
});

test('half a request and broken handshakes do not hold others up', async () => {
  const half = net.connect(server.port, '127.0.0.1', () => half.write('GET /ws/1?is_au'));
  await once(half, 'connect');
  for (let i = 0; i < 20; i++) {
    const gone = net.connect(server.port, '127.0.0.1');
    await once(gone, 'connect');
    gone.write(ws(['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']));
    gone.resetAndDestroy();
  }
  const client = await server.client('sample');
  assert.equal(await client.ask('hello'), 'You said: hello');
  half.write('dio=true HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [answer] = await once(half, 'data');
  assert.equal(status(answer.toString()), 404, 'and the slow one is answered too');
  half.destroy();
});
