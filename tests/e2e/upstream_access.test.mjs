// The way to the model: TLS and whom it trusts, proxies, and tokens that end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { folder, protocols, simulate, startServer } from './lib/faults.mjs';

let at;
let certificate;
let other;
function makeCertificate(name, subject) {
  const [key, cert] = [path.join(at, `${name}.key`), path.join(at, `${name}.pem`)];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=test', '-addext', `subjectAltName=${subject}`, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key, cert };
}
before(() => {
  at = folder('tls-');
  certificate = makeCertificate('right', 'DNS:localhost,IP:127.0.0.1');
  other = makeCertificate('other', 'DNS:other.example');
});
after(() => rmSync(at, { recursive: true, force: true }));

async function start(t, options, ...simArgs) {
  const sim = await simulate('', ...simArgs);
  t.after(() => sim.stop());
  const settings = typeof options === 'function' ? options(sim) : options;
  const server = await startServer({ sim, ...settings });
  t.after(() => server.stop());
  return { sim, server };
}

// ---- TLS ----

for (const protocol of protocols) {
  test(`${protocol}: a certificate that nobody vouches for`, async (t) => {
    const { sim, server } = await start(t, {}, '--tls', certificate.cert, certificate.key);
    assert.match(sim.url, /^https:/);
    const since = Date.now();
    const client = await server.client(protocol);
    const error = await client.error();
    assert.ok(Date.now() - since < 2000);
    assert.equal(error.code, 'tls_failed');
    assert.match(error.message, /certificate/);
    assert.match(error.hint, /SSL_CERT_FILE/);
    assert.equal(error.retryable, false);
    assert.equal((await sim.frames()).length, 0, 'no request, no key went out');
  });

  test(`${protocol}: a certificate of SSL_CERT_FILE`, async (t) => {
    const { server } = await start(t, { env: { SSL_CERT_FILE: certificate.cert } }, '--tls', certificate.cert, certificate.key);
    const client = await server.client(protocol);
    assert.equal(await client.ask('hello'), 'You said: hello');
    const again = await server.client(protocol);
    assert.equal(await again.ask('hello'), 'You said: hello', 'and another connection, which may resume the TLS session');
  });
}

test('a certificate of SSL_CERT_DIR', async (t) => {
  const hash = execFileSync('openssl', ['x509', '-hash', '-noout', '-in', certificate.cert]).toString().trim();
  const dir = folder('certs-');
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(path.join(dir, `${hash}.0`), execFileSync('cat', [certificate.cert]));
  const { server } = await start(t, { env: { SSL_CERT_DIR: dir } }, '--tls', certificate.cert, certificate.key);
  const client = await server.client('v1');
  assert.equal(await client.ask('hello'), 'You said: hello');
});

test('the certificate of another server', async (t) => {
  const { sim, server } = await start(t, { env: { SSL_CERT_FILE: other.cert } }, '--tls', other.cert, other.key);
  const client = await server.client('v1');
  const error = await client.error();
  assert.equal(error.code, 'tls_failed');
  assert.equal((await sim.frames()).length, 0);
});

test('by name: the name is checked', async (t) => {
  const { server } = await start(t, (sim) => ({
    sim: sim.url.replace('127.0.0.1', 'localhost'), env: { SSL_CERT_FILE: certificate.cert },
  }), '--tls', certificate.cert, certificate.key);
  const client = await server.client('v1');
  assert.equal(await client.ask('hello'), 'You said: hello');
});

test('plain text to a server that wants TLS', async (t) => {
  const { server } = await start(t, (sim) => ({ sim: sim.url.replace('https:', 'http:') }), '--tls', certificate.cert, certificate.key);
  const client = await server.client('v1');
  const error = await client.error();
  assert.match(error.code, /^(connect_failed|upgrade_refused)$/);
  assert.match(error.hint, /base url/i);
});

// ---- proxies ----

// A proxy that knows CONNECT only. `requests` has the heads it got; answer(head) may give another answer than 200.
async function proxy(t, answer = () => '') {
  const requests = [];
  const sockets = new Set();
  const server = net.createServer((socket) => {
    let head = '';
    sockets.add(socket);
    socket.on('error', () => {});
    const read = (data) => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      requests.push(head);
      const refusal = answer(head);
      const [, host, port] = /^CONNECT (\S+):(\d+) /.exec(head) ?? [];
      if (refusal || !host) {
        socket.end(refusal || 'HTTP/1.1 405 Method Not Allowed\r\n\r\n');
        return;
      }
      const there = net.connect(Number(port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(there).pipe(socket);
      });
      sockets.add(there);
      there.on('error', () => socket.destroy());
      socket.on('close', () => there.destroy());
    };
    socket.on('data', read);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { requests, host: `127.0.0.1:${server.address().port}` };
}
const tls = () => ['--tls', certificate.cert, certificate.key];

test('https_proxy: through a tunnel, TLS inside, the proxy sees nothing', async (t) => {
  const between = await proxy(t);
  const { sim, server } = await start(t, { key: 'AIzaTunnel', env: {
    SSL_CERT_FILE: certificate.cert, https_proxy: `http://user:p%40ss@${between.host}`,
  } }, ...tls());
  const client = await server.client('v1');
  assert.equal(await client.ask('hello'), 'You said: hello');
  assert.equal(between.requests.length, 1);
  const target = new URL(sim.url).host;
  assert.ok(between.requests[0].startsWith(`CONNECT ${target} HTTP/1.1\r\n`), between.requests[0]);
  assert.match(between.requests[0], new RegExp(`\r\nHost: ${target}\r\n`, 'i'));
  assert.match(between.requests[0], new RegExp(`Proxy-Authorization: Basic ${Buffer.from('user:p@ss').toString('base64')}\r\n`, 'i'));
  assert.ok(!between.requests[0].includes('AIza'));
});

test('a name that only the proxy can look up', async (t) => {
  const between = await proxy(t);
  const { server } = await start(t, (sim) => ({
    sim: sim.url.replace('127.0.0.1', 'model.invalid'),
    env: { https_proxy: `http://${between.host}`, http_proxy: `http://${between.host}` },
  }));
  const client = await server.client('v1');
  assert.equal(await client.ask('hello'), 'You said: hello');
  assert.match(between.requests[0], /^CONNECT model\.invalid:\d+ /);
});

for (const list of ['127.0.0.1', 'example.org, 127.0.0.1', '*'])
  test(`no_proxy ${list}`, async (t) => {
    const between = await proxy(t);
    const { server } = await start(t, { env: {
      SSL_CERT_FILE: certificate.cert, HTTPS_PROXY: `http://${between.host}`, NO_PROXY: list,
    } }, ...tls());
    const client = await server.client('v1');
    assert.equal(await client.ask('hello'), 'You said: hello');
    assert.equal(between.requests.length, 0);
  });

test('no_proxy of another host does not matter', async (t) => {
  const between = await proxy(t);
  const { server } = await start(t, { env: {
    SSL_CERT_FILE: certificate.cert, HTTPS_PROXY: between.host, no_proxy: 'example.org,0.1',
  } }, ...tls());
  const client = await server.client('v1');
  assert.equal(await client.ask('hello'), 'You said: hello');
  assert.equal(between.requests.length, 1);
});

for (const [name, answer] of [
  ['refuses to sign us in', 'HTTP/1.1 407 Proxy Authentication Required\r\n\r\n'],
  ['refuses the target', 'HTTP/1.1 403 Forbidden\r\n\r\n'],
  ['cannot reach the target', 'HTTP/1.1 502 Bad Gateway\r\n\r\n'],
  ['speaks no HTTP', 'hello\r\n\r\n'],
])
  test(`a proxy that ${name}`, async (t) => {
    const between = await proxy(t, () => answer);
    const { server } = await start(t, { env: {
      SSL_CERT_FILE: certificate.cert, https_proxy: `http://me:secretpass@${between.host}`,
    } }, ...tls());
    const since = Date.now();
    const client = await server.client('v1');
    const error = await client.error();
    assert.ok(Date.now() - since < 2000);
    assert.match(`${error.message} ${error.hint}`, /proxy/i);
    assert.ok(!/GOOGLE_API_KEY/.test(error.hint), `the key is not to blame: ${JSON.stringify(error)}`);
    assert.ok(!JSON.stringify(error).includes('secretpass'));
    assert.ok(!server.err.includes('secretpass'));
  });

test('a proxy that is not there', async (t) => {
  const { server } = await start(t, { env: { SSL_CERT_FILE: certificate.cert, https_proxy: 'http://127.0.0.1:9' } }, ...tls());
  const client = await server.client('v1');
  const error = await client.error();
  assert.equal(error.code, 'connect_failed');
  assert.match(error.hint, /https_proxy/);
});

test('a proxy setting that cannot be read: refused at start, its value not shown', async () => {
  await assert.rejects(startServer({ sim: 'http://127.0.0.1:9', env: { https_proxy: 'socks5://u:hush@h:1' } }), (error) => {
    assert.match(error.message, /serve ended with 1/);
    assert.match(error.message, /https_proxy/);
    assert.ok(!error.message.includes('hush'));
    return true;
  });
});

// ---- tokens ----

const vertex = (sim, refresh) => {
  const file = path.join(at, `${refresh}.json`);
  writeFileSync(file, JSON.stringify({
    type: 'authorized_user', client_id: 'c', client_secret: 'not for logs', refresh_token: refresh, token_uri: `${sim.url}/token`,
  }));
  return {
    key: '', env: {
      GOOGLE_GENAI_USE_VERTEXAI: 'true', GOOGLE_VERTEX_BASE_URL: sim.url, GOOGLE_CLOUD_PROJECT: 'p', GOOGLE_CLOUD_LOCATION: 'us-central1',
      GOOGLE_APPLICATION_CREDENTIALS: file, DEMO_AGENT_MODEL: 'gemini-live-2.5-flash-native-audio',
    },
  };
};

for (const protocol of protocols)
  test(`${protocol}: a sign-in that was revoked`, async (t) => {
    const { server } = await start(t, (sim) => vertex(sim, 'bad'), '--key', 'k');
    const since = Date.now();
    const client = await server.client(protocol);
    const error = await client.error();
    assert.ok(Date.now() - since < 2000);
    assert.equal(error.code, 'credentials');
    assert.match(error.hint, /gcloud auth application-default login/);
    if (protocol === 'sample') {
      await client.next((frame) => frame.mime_type === 'text/plain' && frame.data.includes(error.hint));
      await client.next((frame) => frame.turn_complete);
    }
    client.text('hello');
    assert.equal((await client.error()).code, 'credentials', 'and it is tried again with the next text');
    assert.ok(!`${server.err}${client.raw}`.includes('not for logs'));
  });

test('a token near its end is renewed before it is used again', async (t) => {
  // Tokens of 60 s are within the five minutes of foresight: each connection is made with a new one, and --key lets
  // live-sim refuse what POST /token did not make.
  const { sim, server } = await start(t, (live) => vertex(live, 'good'), '--key', 'k', '--token-life', '60');
  for (let i = 0; i < 3; i++) {
    const client = await server.client('v1');
    assert.equal(await client.ask('hello'), 'You said: hello');
    await client.leave();
  }
  assert.equal((await sim.frames()).filter((frame) => frame.type === 'open' && frame.dir === 'out').length, 3);
});
