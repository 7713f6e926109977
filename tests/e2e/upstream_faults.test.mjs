// The model's side fails in every way we know: whoever talks is told what, why and what to do, soon; the socket stays
// open; and the next text tries once more.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { protocols, root, said, simulate, startServer, withServer } from './lib/faults.mjs';

const SOON_MS = 2000;
const manual = readFileSync(path.join(root, 'docs/protocol.md'), 'utf8');

// The error as both protocols tell it; `within` ms after `since`.
async function checkFault(client, { code, message, hint, retryable }, since, within = SOON_MS) {
  const error = await client.error();
  const took = Date.now() - since;
  assert.equal(error.code, code, JSON.stringify(error));
  assert.match(error.message, message ?? /^[A-Z].*[.)]$/s);
  assert.match(error.hint, hint ?? /^[A-Z].*\.$/s);
  if (retryable !== undefined) assert.equal(error.retryable, retryable);
  assert.ok(took < within, `told after ${took} ms`);
  assert.ok(manual.includes(`\`${code}\``), 'the code is documented');
  if (client.name === 'sample') {
    const text = await client.next((frame) => frame.mime_type === 'text/plain');
    assert.equal(text.data, `${error.message} ${error.hint}`, 'the page shows it as text');
    assert.equal(text.is_transcript, undefined);
    assert.deepEqual(await client.next((frame) => 'turn_complete' in frame), { turn_complete: true, interrupted: null });
  }
  assert.equal(client.close, undefined, 'the socket stays open');
  return error;
}

// Two clients, one of each protocol, meet the fault when they connect; again when they type; then it is gone.
function atStart(name, { scenario, args = [], simArgs = [], sim: base, env, config, key, within, ...fault }) {
  test(`at start: ${name}: ${fault.code}`, async (t) => {
    const sim = base ? undefined : await simulate(scenario, ...simArgs);
    if (sim) t.after(() => sim.stop());
    const server = await startServer({ sim: base ? await base(t) : sim, args, env, config, key });
    t.after(() => server.stop());
    for (const protocol of protocols) {
      const since = Date.now();
      const client = await server.client(protocol);
      await checkFault(client, fault, since, within);
      if (protocol === 'v1')
        assert.deepEqual(client.frames.filter((frame) => frame.state).map((frame) => frame.state), ['connecting', 'offline']);
      const again = Date.now();
      client.text('hello');
      await checkFault(client, fault, again, within);
      if (scenario) assert.equal(await client.ask('hello again'), 'You said: hello again', 'the fault is gone');
    }
  });
}

const times = (doing, on = 'setup') => `
rules:
  - {on: ${on}, connection: 1, do: [${doing}]}
  - {on: ${on}, connection: 2, do: [${doing}]}
  - {on: ${on}, connection: 4, do: [${doing}]}
  - {on: ${on}, connection: 5, do: [${doing}]}
`;
const closing = (code, reason) => times(`{close: {code: ${code}, reason: ${JSON.stringify(reason)}}}`);

// ---- refused when the connection is set up ----

atStart('a bad key', { simArgs: ['--key', 'right'], key: 'wrong',
  code: 'api_key_invalid', hint: /GOOGLE_API_KEY/, retryable: false });
atStart('an unknown model', { env: { DEMO_AGENT_MODEL: 'no-such-model' },
  code: 'model_not_found', hint: /DEMO_AGENT_MODEL[^]*gemini-3\.8-live/, retryable: false });
atStart('a model without a live mode', { env: { DEMO_AGENT_MODEL: 'gemini-2.5-flash' },
  code: 'model_not_found', hint: /DEMO_AGENT_MODEL/, retryable: false });

for (const [code, reason, fault] of [
  [1007, 'API key not valid. Please pass a valid API key.', { code: 'api_key_invalid', hint: /GOOGLE_API_KEY/, retryable: false }],
  [1007, 'API key expired. Please renew the API key.', { code: 'api_key_invalid', hint: /GOOGLE_API_KEY/, retryable: false }],
  [1007, 'User location is not supported for the API use.', { code: 'location', hint: /region/, retryable: false }],
  [1007, 'Invalid JSON payload received. Unknown name "x" at \'setup\': Cannot find field.',
    { code: 'invalid_argument', message: /Unknown name "x"/, retryable: false }],
  [1007, 'Request contains an invalid argument.', { code: 'invalid_argument', retryable: false }],
  [1007, 'Precondition check failed.', { code: 'unsupported', retryable: false }],
  [1007, 'The requested combination of response modalities (TEXT) is not supported by the model. models/X accepts the',
    { code: 'modality_unsupported', hint: /modality/, retryable: false }],
  [1007, 'Cannot extract voices from a non-audio request.', { code: 'modality_unsupported', hint: /audio/, retryable: false }],
  [1007, 'Explicit activity control is not supported when automatic activity detection is enabled.',
    { code: 'invalid_argument', hint: /vad/, retryable: false }],
  [1007, '* BidiGenerateContentRequest.setup.tools[0].function_declarations[3].name: Invalid function name.',
    { code: 'invalid_argument', hint: /tool/, retryable: false }],
  [1007, 'gemini-x is not supported in the live api.', { code: 'model_not_found', hint: /DEMO_AGENT_MODEL/, retryable: false }],
  [1007, 'Invalid resource field value', { code: 'model_not_found', hint: /DEMO_AGENT_MODEL/, retryable: false }],
  [1007, 'something new', { code: 'invalid_argument', message: /something new/, retryable: false }],
  [1008, 'models/X is not found for API version v1beta, or is not supported for bidiGenerateContent. Call ListMod',
    { code: 'model_not_found', hint: /DEMO_AGENT_MODEL[^]*gemini-3\.8-live/, retryable: false }],
  [1008, 'Operation is not implemented, or supported, or enabled.', { code: 'unsupported', retryable: false }],
  [1008, 'Requested entity was not found.', { code: 'model_not_found', hint: /DEMO_AGENT_MODEL/, retryable: false }],
  [1008, 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid',
    { code: 'credentials', retryable: false }],
  [1008, 'Method doesn\'t allow unregistered callers (callers without established identity). Please use API Key or',
    { code: 'credentials', hint: /GOOGLE_API_KEY/, retryable: false }],
  [1008, 'Project \'projects/p\' not found or deleted.', { code: 'credentials', hint: /GOOGLE_CLOUD_PROJECT/, retryable: false }],
  [1008, '', { code: 'refused', retryable: false }],
  [1011, 'Internal error encountered.', { code: 'internal', retryable: true }],
  [1011, 'The service is currently unavailable.', { code: 'unavailable', retryable: true }],
  [1011, 'Deadline expired before operation could complete.', { code: 'deadline', retryable: true }],
  [1011, 'You exceeded your current quota, please check your plan and billing details. For more information on',
    { code: 'quota', hint: /billing/, retryable: true }],
  [1011, 'Request trace id: 0123abcd, RESOURCE_EXHAUSTED: Maximum concurrent sessions exceeded.',
    { code: 'concurrency', retryable: true }],
  [1011, 'RESOURCE_EXHAUSTED: too much', { code: 'quota', retryable: true }],
  [1000, '', { code: 'closed', retryable: true }],
  [1001, '', { code: 'unavailable', retryable: true }],
  [1012, '', { code: 'unavailable', retryable: true }],
  [1013, '', { code: 'unavailable', retryable: true }],
])
  atStart(`close ${code} ${reason.slice(0, 40)}`, { scenario: closing(code, reason), ...fault });

// ---- the connection is not made ----

for (const [status, body, fault] of [
  [400, 'what', { code: 'upgrade_refused', hint: /GOOGLE_GEMINI_BASE_URL/ }],
  [401, 'no', { code: 'credentials', hint: /GOOGLE_API_KEY/ }],
  [403, 'no', { code: 'credentials', hint: /GOOGLE_API_KEY/ }],
  [404, 'nothing here', { code: 'upgrade_refused', hint: /GOOGLE_GEMINI_BASE_URL/ }],
  [429, 'slowly', { code: 'quota', retryable: true }],
  [500, 'oh', { code: 'unavailable', retryable: true }],
  [503, 'oh', { code: 'unavailable', retryable: true }],
])
  atStart(`HTTP ${status}`, { scenario: times(`{status: {code: ${status}, body: ${JSON.stringify(body)}}}`, 'upgrade'), ...fault });

atStart('a reset instead of the upgrade', { scenario: times('reset', 'upgrade'), code: 'connect_failed', retryable: true });
atStart('an end instead of the upgrade', { scenario: times('die', 'upgrade'), code: 'connect_failed', retryable: true });
atStart('a reset instead of setupComplete', { scenario: times('reset'), code: 'unavailable', retryable: true });
atStart('rubbish instead of setupComplete', { scenario: times('{raw: "no JSON"}'), code: 'protocol' });
atStart('silence instead of the upgrade', { scenario: times('hang', 'upgrade'),
  config: 'deadlines:\n  setup_ms: 300\n  connect_ms: 300\n', code: 'timeout', retryable: true });
atStart('silence instead of setupComplete', { scenario: times('silent'),
  config: 'deadlines:\n  setup_ms: 300\n', code: 'timeout', retryable: true });

// A server of ours that treats each connection as told; its URL.
async function stub(t, treat) {
  const sockets = new Set();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    treat(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${server.address().port}`;
}
async function nobody(t) {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}
const answering = (answer) => async (t) => `http://${await stub(t, (socket) => socket.on('data', () => socket.end(answer)))}`;

atStart('a name that does not exist', { sim: async () => 'http://no-such-host.invalid',
  code: 'resolve_failed', hint: /DNS/, within: 2500, retryable: true });
atStart('nobody listens', { sim: nobody, code: 'connect_failed', retryable: true });
atStart('TLS where there is none', { sim: async (t) => `https://${await stub(t, (socket) => socket.end('hello\r\n'))}`,
  code: 'tls_failed', retryable: false });
atStart('a TLS server that says nothing', { sim: async (t) => `https://${await stub(t, () => {})}`,
  config: 'deadlines:\n  connect_ms: 300\n', code: 'timeout', message: /secure/, retryable: true });
atStart('another server', { sim: answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'), code: 'upgrade_refused' });
atStart('a server that speaks no HTTP', { sim: answering('220 mail.example ESMTP\r\n'), code: 'connect_failed' });
atStart('a redirection', { sim: answering('HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n'), code: 'upgrade_refused' });
atStart('a wrong Sec-WebSocket-Accept', {
  sim: answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n'),
  code: 'upgrade_refused' });

// ---- in the middle of a talk ----

const onText = (match, doing, more = '') =>
  `rules:\n  - {on: text, match: ${JSON.stringify(match)}, ${more}do: [${doing}]}\n`;
const closeWith = (code, reason) => `{close: {code: ${code}, reason: ${JSON.stringify(reason)}}}`;
const texts = (sent) => sent.map((message) => message.realtimeInput?.text).filter(Boolean); // typed; not what is told of earlier

for (const protocol of protocols) {
  // The service will not take this message, now or later: told, and the next one is answered.
  for (const [code, reason, fault] of [
    [1007, 'Invalid JSON payload received. Unknown name "x" at \'realtime_input\': Cannot find field.',
      { code: 'invalid_argument', retryable: false }],
    [1008, 'Sorry, this is against our policy.', { code: 'refused', message: /policy/, retryable: false }],
    [1011, 'You exceeded your current quota, please check your plan and billing details.',
      { code: 'quota', hint: /billing/, retryable: true }],
    [1007, 'API key expired. Please renew the API key.', { code: 'api_key_invalid', retryable: false }],
  ]) {
    test(`${protocol}: in a talk: close ${code} ${reason.slice(0, 40)}: ${fault.code}`, async (t) => {
      const { server, sim } = await withServer(t, {}, onText('^fatal$', closeWith(code, reason)));
      const client = await server.client(protocol);
      await client.ask('my name is Ada');
      const since = Date.now();
      client.text('fatal');
      await checkFault(client, fault, since);
      assert.match(await client.ask('history'), /my name is Ada/);
      assert.equal(texts(await sim.sent()).filter((text) => text === 'fatal').length, 1, 'never sent again by itself');
      assert.equal(client.frames.filter((frame) => frame.error).length, 1);
    });
  }

  test(`${protocol}: broken before any output: sent again once, without a word`, async (t) => {
    const { server, sim } = await withServer(t, {}, onText('^fragile$', closeWith(1011, 'Internal error encountered.'), 'connection: 1, '));
    const client = await server.client(protocol);
    await client.ask('hello');
    assert.equal(await client.ask('fragile'), 'You said: fragile');
    assert.equal(texts(await sim.sent()).filter((text) => text === 'fragile').length, 2);
    assert.ok(!client.frames.some((frame) => frame.error || frame.interrupted));
  });

  test(`${protocol}: broken twice over the same message: told, not tried a third time`, async (t) => {
    const { server, sim } = await withServer(t, {}, onText('^poison$', closeWith(1011, 'Internal error encountered.')));
    const client = await server.client(protocol);
    await client.ask('hello');
    const since = Date.now();
    client.text('poison');
    await checkFault(client, { code: 'not_answered', retryable: true }, since);
    assert.match(await client.ask('history'), /hello/);
    assert.equal(texts(await sim.sent()).filter((text) => text === 'poison').length, 2);
  });

  test(`${protocol}: broken in the middle of the answer: marked interrupted, not asked again`, async (t) => {
    const part = '{send: {serverContent: {modelTurn: {role: model, parts: [{inlineData: {mimeType: audio/pcm;rate=24000, data: AAAAAAAA}}]},' +
      ' outputTranscription: {text: "Half an "}}}}';
    const { server, sim } = await withServer(t, {}, onText('^story$', `${part}, {wait: 50}, ${closeWith(1011, 'Internal error encountered.')}`));
    const client = await server.client(protocol);
    await client.ask('hello');
    const from = client.frames.length;
    client.text('story');
    await client.next((frame) => frame.turn_complete);
    const frames = client.frames.slice(from);
    assert.equal(said(frames), 'Half an ');
    assert.ok(frames.findIndex((frame) => frame.interrupted) > 0);
    assert.ok(!frames.some((frame) => frame.error), 'it goes on by itself');
    assert.equal(await client.ask('and now'), 'You said: and now');
    assert.equal(texts(await sim.sent()).filter((text) => text === 'story').length, 1);
    if (protocol !== 'v1') return;
    await client.leave();
    const back = await server.client('v1', { user: client.user });
    const { history } = await back.next((frame) => frame.history);
    assert.ok(history.some((item) => item.text === 'Half an ' && item.interrupted), JSON.stringify(history));
  });

  test(`${protocol}: silence after a text: another connection is tried, and answers`, async (t) => {
    const { server } = await withServer(t, { config: 'deadlines:\n  first_byte_ms: 300\n' },
      onText('^quiet$', 'silent', 'connection: 1, '));
    const client = await server.client(protocol);
    await client.ask('hello');
    assert.equal(await client.ask('quiet'), 'You said: quiet');
    assert.ok(!client.frames.some((frame) => frame.error));
  });

  test(`${protocol}: silence after a text on every connection: told, then it works again`, async (t) => {
    const { server } = await withServer(t, { config: 'deadlines:\n  first_byte_ms: 300\n' }, onText('^quiet$', 'silent'));
    const client = await server.client(protocol);
    await client.ask('hello');
    const since = Date.now();
    client.text('quiet');
    await checkFault(client, { code: 'timeout', message: /did not answer/, retryable: true }, since);
    assert.equal(await client.ask('louder'), 'You said: louder');
  });
}

test('1007 "invalid argument" in a talk: a fresh connection that knows the talk', async (t) => {
  const { server, sim } = await withServer(t, {}, onText('^odd$', closeWith(1007, 'Request contains an invalid argument.'), 'connection: 1, '));
  const client = await server.client('v1');
  await client.ask('my name is Ada');
  assert.equal(await client.ask('odd'), 'You said: odd');
  assert.match(await client.ask('history'), /my name is Ada/);
  const setups = (await sim.sent()).filter((message) => message.setup);
  assert.equal(setups.length, 2);
  assert.equal(setups[1].setup.sessionResumption.handle, undefined);
});

test('the service is away for a while: the talk waits, then goes on', async (t) => {
  const { server } = await withServer(t, {}, `
rules:
  - {on: turn_complete, connection: 1, do: [{close: {code: 1011, reason: "The service is currently unavailable."}}]}
  - {on: upgrade, connection: 2, do: [{status: {code: 503, body: later}}]}
`);
  const client = await server.client('v1');
  await client.ask('my name is Ada');
  await client.next((frame) => frame.state === 'reconnecting');
  await client.next((frame) => frame.state === 'live');
  assert.match(await client.ask('history'), /my name is Ada/);
  assert.ok(!client.frames.some((frame) => frame.error));
});
