// Scenario files, TLS, the HTTP side and the command line of live-sim.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { build, developerPath, fixtures, silence, startLiveSim, tone } from './lib/live_sim.mjs';
import { LiveClient, audioOf, audioSetup, textOf, textSetup, transcriptOf } from './lib/live_client.mjs';

const binary = path.join(build, 'live-sim');
const file = (name) => path.join(fixtures, 'live-sim', `${name}.yaml`);

async function withSim(args, body) {
  const sim = await startLiveSim(...args);
  try {
    await body(sim);
  } finally {
    await sim.stop();
  }
}

const scenario = (title, name, body) => test(title, () => withSim(['--scenario', file(name)], body));

scenario('goAway after the second turn, then the cut', 'goaway-then-cut', async (sim) => {
  const client = await LiveClient.open(sim, textSetup);
  client.text('hello');
  assert.equal(textOf(await client.turn()), 'You said: hello');
  assert.equal((await client.next((m) => m.goAway)).goAway.timeLeft, '0.2s');
  client.text('still here');
  assert.equal(textOf(await client.turn()), 'You said: still here');
  assert.equal((await client.closed).code, 1011);
  const again = await LiveClient.open(sim, textSetup);
  again.text('hello');
  await again.turn();
  await again.end();
});

scenario('a setup that is never answered', 'setup-never-answered', async (sim) => {
  const first = await LiveClient.open(sim, null);
  first.send({ setup: textSetup });
  const second = await LiveClient.open(sim, textSetup);
  assert.deepEqual(first.messages, []);
  assert.equal(first.socket.readyState, 1);
  await first.end();
  await second.end();
});

scenario('silence after setup', 'silent-after-setup', async (sim) => {
  const client = await LiveClient.open(sim, textSetup);
  client.text('anybody?');
  client.socket.ping();
  await once(client.socket, 'pong');
  assert.equal(client.messages.length, 1);
  await client.end();
});

scenario('an upgrade refused in HTTP, and one that hangs', 'upgrade-refused', async (sim) => {
  const first = new LiveClient(sim.ws + developerPath);
  await assert.rejects(first.opened, /503/);
  const second = new LiveClient(sim.ws + developerPath);
  await (await LiveClient.open(sim, textSetup)).end();
  assert.equal(second.socket.readyState, 0);
  second.socket.terminate();
  await assert.rejects(second.opened);
});

scenario('frames in every dress say the same', 'every-dress', async (sim) => {
  const client = await LiveClient.open(sim, audioSetup);
  client.text('한국어 😀');
  const turn = await client.turn();
  assert.equal(transcriptOf(turn), 'You said: 한국어 😀');
  assert.ok(audioOf(turn).length > 0);
  assert.ok(client.raw.every(({ binary: isBinary, data }) => !isBinary && /^[\x20-\x7e]+$/.test(data.toString())));
  assert.equal(turn[0].serverContent.modelTurn.parts[0].inlineData.mimeType, 'audio/pcm');
  assert.ok(turn[0].messageOfTomorrow && turn[0].serverContent.fieldOfTomorrow);
  await client.end();
});

scenario('bundled messages', 'bundled', async (sim) => {
  const client = await LiveClient.open(sim, audioSetup);
  client.text('hello');
  const turn = await client.turn();
  assert.equal(turn.length, 4);
  assert.deepEqual(Object.keys(turn[0].serverContent), ['modelTurn', 'outputTranscription']);
  assert.deepEqual(turn[3].serverContent, { turnComplete: true, generationComplete: true });
  await client.end();
});

scenario('late pongs', 'late-pong', async (sim) => {
  const client = await LiveClient.open(sim, textSetup);
  const start = performance.now();
  client.socket.ping('beat');
  const [data] = await once(client.socket, 'pong');
  assert.equal(data.toString(), 'beat');
  assert.ok(performance.now() - start > 250);
  await client.end();
});

scenario('every close code and reason', 'close-codes', async (sim) => {
  for (const [word, code, reason] of [['location', 1007, /^User location/], ['precondition', 1007, /^Precondition/],
    ['not-implemented', 1008, /^Operation is not implemented, or supported, or enabled\.$/], ['internal', 1011, /^Internal error/],
    ['unavailable', 1011, /currently unavailable/], ['quota', 1011, /^You exceeded your current quota/],
    ['concurrency', 1011, /^RESOURCE_EXHAUSTED/], ['going-away', 1001, /^$/], ['over', 1000, /^$/]]) {
    const client = await LiveClient.open(sim, textSetup);
    client.text(word);
    const close = await client.closed;
    assert.equal(close.code, code, word);
    assert.match(close.reason, reason);
    assert.ok(Buffer.byteLength(close.reason) <= 123);
  }
});

scenario('odd messages', 'odd-messages', async (sim) => {
  const client = await LiveClient.open(sim, textSetup);
  client.text('big');
  assert.ok(audioOf(await client.turn()).length > 1024 * 1024);
  client.text('empty');
  assert.deepEqual((await client.next()).serverContent, {});
  assert.deepEqual((await client.next()).sessionResumptionUpdate, {});
  assert.equal((await client.next()).serverContent.turnCompleteReason, 'MALFORMED_FUNCTION_CALL');
  client.text('late-transcript');
  await client.turn();
  const late = await client.next((m) => m.serverContent?.inputTranscription);
  assert.equal(late.serverContent.inputTranscription.text, 'late-transcript');
  client.text('twice');
  await client.next((m) => m.serverContent?.modelTurn?.parts[0].text === 'And ');
  await client.turn();
  client.text('half');
  assert.equal((await client.closed).code, 1006);
});

scenario('spoken words are heard as scripted', 'spoken-words', async (sim) => {
  const client = await LiveClient.open(sim, { ...audioSetup, tools: [{ googleSearch: {} }] });
  const speak = () => client.audio(Buffer.concat([tone(400), silence(600)]));
  speak();
  assert.equal((await client.next()).serverContent.inputTranscription.text, 'hello there');
  assert.equal(transcriptOf(await client.turn()), 'You said: hello there');
  speak();
  assert.equal(transcriptOf(await client.turn()), 'Found: kittens.');
  speak();
  assert.equal(transcriptOf(await client.turn()), 'I heard about 0.4 seconds.');
  await client.end();
});

scenario('dead handles', 'dead-handles', async (sim) => {
  const first = await LiveClient.open(sim, textSetup);
  first.text('hello');
  const { newHandle: handle } = (await first.next((m) => m.sessionResumptionUpdate)).sessionResumptionUpdate;
  await first.end();
  const second = await LiveClient.open(sim, null);
  second.send({ setup: { ...textSetup, sessionResumption: { handle } } });
  assert.deepEqual(await second.closed, { code: 1008, reason: 'BidiGenerateContent session not found' });
});

test('a wrong scenario is refused with every place that is wrong', () => {
  const run = spawnSync(binary, ['--scenario', file('bad'), '--scenario', '/nowhere.yaml'], { encoding: 'utf8' });
  assert.equal(run.status, 1);
  const lines = run.stderr.trim().split('\n').map((line) => line.replace(/^.*\/(\w+\.yaml:)/, '$1'));
  assert.deepEqual(lines.map((line) => line.split(': ').slice(0, 2).join(': ')),
    ['bad.yaml:3: unknown option', 'bad.yaml:5: unknown trigger', 'bad.yaml:5: a rule needs on and do',
      'bad.yaml:8: match', 'bad.yaml:10: unknown action', 'nowhere.yaml:1: cannot be read, is empty or over 1 MiB, not UTF-8 or has a % directive']);
});

test('YAML that does not parse is refused with its place', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'live-sim-'));
  const broken = path.join(folder, 'broken.yaml');
  execFileSync('sh', ['-c', `printf 'rules:\\n  - on: [text\\n' > ${broken}`]);
  const run = spawnSync(binary, ['--scenario', broken], { encoding: 'utf8' });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /broken\.yaml:\d+: /);
  rmSync(folder, { recursive: true });
});

test('TLS, and a handshake that hangs', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'live-sim-'));
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  await withSim(['--tls', cert, key, '--scenario', file('tls-hang')], async (sim) => {
    assert.match(sim.url, /^https:/);
    const first = new LiveClient(sim.ws + developerPath, { rejectUnauthorized: false });
    await once(first.socket._req, 'socket');
    if (first.socket._req.socket.connecting) await once(first.socket._req.socket, 'connect');
    const client = await LiveClient.open(sim, textSetup, developerPath, { rejectUnauthorized: false });
    client.text('longer');
    await client.next((m) => m.serverContent?.modelTurn);
    client.text('secret hello');
    await client.turn();
    assert.equal(textOf(await client.turn()), 'You said: secret hello');
    await client.end();
    assert.equal(first.socket.readyState, 0);
    first.socket.terminate();
    await assert.rejects(first.opened);
    const status = await new Promise((resolve) => {
      https.get(`${sim.url}/nothing`, { rejectUnauthorized: false }, (response) => resolve(response.statusCode));
    });
    assert.equal(status, 404);
  });
  rmSync(folder, { recursive: true });
});

test('the HTTP side', () => withSim(['--key', 'good', '--token-life', '7'], async (sim) => {
  const post = async (body) => {
    const response = await fetch(`${sim.url}/token`, { method: 'POST', body: new URLSearchParams(body) });
    return [response.status, await response.json()];
  };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const jwt = (claims, header = { alg: 'RS256' }) => `${part(header)}.${part(claims)}.${'s'.repeat(20)}`;
  const bearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const claims = { iss: 'a@b', scope: 's', aud: 'u', iat: 1795353820, exp: 1795357420 };
  const refresh = { grant_type: 'refresh_token', refresh_token: '1//rt', client_id: 'c', client_secret: 's' };
  const [status, token] = await post(refresh);
  assert.equal(status, 200);
  assert.match(token.access_token, /^ya29\.sim/);
  assert.deepEqual([token.expires_in, token.token_type], [7, 'Bearer']);
  assert.equal((await post({ grant_type: bearer, assertion: jwt(claims) }))[0], 200);
  for (const bad of [{ ...refresh, refresh_token: 'bad' }, { grant_type: bearer, assertion: 'a.b' },
    { grant_type: bearer, assertion: jwt({ ...claims, exp: claims.iat + 7200 }) },
    { grant_type: bearer, assertion: jwt(claims, { alg: 'none' }) }]) {
    const [code, answer] = await post(bad);
    assert.deepEqual([code, answer.error], [400, 'invalid_grant']);
  }
  assert.equal((await post({ grant_type: 'password' }))[0], 400);

  const meta = (name, headers = { 'Metadata-Flavor': 'Google' }) => fetch(`${sim.url}/computeMetadata/v1/${name}`, { headers });
  const given = await meta('instance/service-accounts/default/token?scopes=x');
  assert.equal(given.headers.get('metadata-flavor'), 'Google');
  assert.match((await given.json()).access_token, /^ya29\.sim/);
  assert.equal(await (await meta('project/project-id')).text(), 'live-sim-project');
  assert.equal((await meta('project/project-id', {})).status, 403);

  assert.equal((await fetch(`${sim.url}/v1beta/models?key=good`)).status, 200);
  assert.equal((await fetch(`${sim.url}/v1beta/models?key=other`)).status, 400);
  assert.equal((await fetch(`${sim.url}/v1alpha/auth_tokens`, { method: 'POST', headers: { 'x-goog-api-key': 'good' }, body: '{}' })).status, 200);
  assert.equal((await fetch(`${sim.url}/elsewhere`)).status, 404);

  const vertex = '/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent';
  const setup = { ...textSetup, model: 'projects/p/locations/l/publishers/google/models/gemini-live-2.5-flash' };
  const client = await LiveClient.open(sim, setup, vertex, { headers: { Authorization: `Bearer ${token.access_token}` } });
  await client.end();
  const refused = new LiveClient(sim.ws + vertex, { headers: { Authorization: 'Bearer stale' } });
  assert.match((await refused.closed).reason, /^Request had invalid authentication credentials/);
}));

test('the command line', async () => {
  const run = (...args) => spawnSync(binary, args, { encoding: 'utf8' });
  assert.equal(run('--help').status, 0);
  assert.match(run('--version').stdout, /^live-sim \d/);
  for (const args of [['--port', 'x'], ['--port', '70000'], ['--pace', 'slow'], ['--nonsense'], ['extra'], ['--tls', 'one'], ['--fragment', '0']]) {
    const result = run(...args);
    assert.equal(result.status, 2, args.join(' '));
    assert.match(result.stderr, /live-sim/);
  }
  assert.equal(run('--host', 'not-an-address').status, 1);
  assert.equal(run('--tls', '/nowhere', '/nowhere').status, 1);
  assert.equal(run('--log', '/nowhere/log').status, 1);
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const result = run('--port', String(taken.address().port));
  assert.equal(result.status, 1);
  assert.match(result.stderr, /cannot listen/);
  taken.close();
});

test('it ends with its parent', async () => {
  const parent = spawn('sh', ['-c', `"${binary}" --exit-with-parent & wait`], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(parent.stdout, 'data');
  parent.kill('SIGKILL');
  await once(parent.stdout, 'close'); // the pipe closes when its last writer has ended
});
