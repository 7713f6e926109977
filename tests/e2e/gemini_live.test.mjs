// The model plugin in the real program against live-sim: each way to sign in, each spelling of the address, and what a
// person is told when signing in or the model is refused. The key and tokens appear nowhere.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import WebSocket from 'ws';
import { build, root, startLiveSim } from './lib/live_sim.mjs';

const KEY = 'AIzaSyTheKeyOfThisTest0123456789';
const NATIVE = 'gemini-live-2.5-flash-native-audio';

// Nothing of the caller's environment that would choose another service.
function startAntiphon(t, env) {
  const folder = mkdtempSync(path.join(tmpdir(), 'antiphon-gemini-'));
  const child = spawn(path.join(build, 'antiphon'),
    ['serve', '--port', '0', '--agents', path.join(root, 'agents'), '--plugins', path.join(build, 'plugins'),
      '--static', path.join(root, 'static'), '--store', `sqlite:${path.join(folder, 'sessions.db')}`],
    { cwd: folder, env: { PATH: process.env.PATH, HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  let out = '';
  t.after(async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  const listening = new Promise((resolve) => {
    const look = (data) => {
      out += data;
      const found = /antiphon listening on (\S+)\n/.exec(out);
      if (found) resolve(found[1]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
  });
  return { folder, exited, listening, output: () => out };
}

// Says hello and gives the frames until the turn is over.
async function hello(url) {
  const ws = new WebSocket(`${url.replace('http', 'ws')}/ws/5?is_audio=false`);
  const frames = [];
  const over = new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('message', (data) => {
      frames.push(JSON.parse(data));
      if (frames.at(-1).turn_complete) resolve();
    });
  });
  await once(ws, 'open');
  ws.send(JSON.stringify({ mime_type: 'text/plain', data: 'hello' }));
  await over;
  ws.close();
  return frames;
}

const said = (frames) =>
  frames.filter((frame) => frame.mime_type === 'text/plain').map((frame) => frame.data).join('');
const errorOf = (frames) => frames.find((frame) => frame.error)?.error;

async function talks(t, sim, env) {
  const server = startAntiphon(t, env);
  const frames = await hello(await server.listening);
  assert.equal(said(frames), 'You said: hello');
  return (await sim.frames());
}

async function sim(t, ...args) {
  const started = await startLiveSim(...args);
  t.after(() => started.stop());
  return started;
}

function credentials(t, content) {
  const folder = mkdtempSync(path.join(tmpdir(), 'antiphon-adc-'));
  const file = path.join(folder, 'adc.json');
  writeFileSync(file, JSON.stringify(content));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return file;
}

const cloud = (live, more) => ({
  GOOGLE_GENAI_USE_VERTEXAI: 'TRUE', GOOGLE_VERTEX_BASE_URL: live.url, DEMO_AGENT_MODEL: NATIVE, ...more,
});

test('an API key, whatever the scheme and prefix of the address', async (t) => {
  const live = await sim(t, '--key', KEY);
  for (const base of [live.url, live.ws, `${live.url}/`, `${live.url}/some/prefix/`])
    await talks(t, live, { GEMINI_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: base });
});

test('Vertex AI with a service account', async (t) => {
  const live = await sim(t, '--key', KEY);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const file = credentials(t, {
    type: 'service_account', client_email: 'svc@my-proj.iam.gserviceaccount.com', private_key_id: 'k1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }), project_id: 'my-proj',
    token_uri: `${live.url}/token`,
  });
  const frames = await talks(t, live, cloud(live, {
    GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_CLOUD_LOCATION: 'us-central1',
  }));
  const setup = JSON.stringify(frames);
  assert.ok(setup.includes(`projects/my-proj/locations/us-central1/publishers/google/models/${NATIVE}`));
});

test('Vertex AI with a sign-in of gcloud', async (t) => {
  const live = await sim(t, '--key', KEY);
  const file = credentials(t, {
    type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: '1//r', token_uri: `${live.url}/token`,
  });
  await talks(t, live, cloud(live, { GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_CLOUD_PROJECT: 'my-proj' }));
});

test('Vertex AI on a machine of Google Cloud', async (t) => {
  const live = await sim(t, '--key', KEY);
  await talks(t, live, cloud(live, { GCE_METADATA_HOST: new URL(live.url).host }));
});

test('a token that cannot be had is explained', async (t) => {
  const live = await sim(t);
  const file = credentials(t, {
    type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: '1//r',
    token_uri: `${live.url}/no-such-path`,
  });
  const server = startAntiphon(t, cloud(live, { GOOGLE_APPLICATION_CREDENTIALS: file, GOOGLE_CLOUD_PROJECT: 'p' }));
  const error = errorOf(await hello(await server.listening));
  assert.equal(error.code, 'credentials');
  assert.match(error.message, /sign-in has expired or was revoked \(HTTP 404\)/);
  assert.match(error.hint, /gcloud auth application-default login/);
});

test('a model that does not exist: the variable and the models there are', async (t) => {
  const live = await sim(t);
  const server = startAntiphon(t, {
    GOOGLE_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: live.url, DEMO_AGENT_MODEL: 'gemini-no-such-live',
  });
  const url = await server.listening;
  const begun = Date.now();
  const error = errorOf(await hello(url));
  assert.ok(Date.now() - begun < 2000);
  assert.equal(error.code, 'model_not_found');
  assert.match(error.hint, /DEMO_AGENT_MODEL/);
  assert.match(error.hint, /This key can use: .*gemini-3\.8-live/);
});

test('a refused key is named nowhere', async (t) => {
  const live = await sim(t, '--key', 'another');
  const server = startAntiphon(t, { GOOGLE_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: live.url });
  const frames = await hello(await server.listening);
  assert.equal(errorOf(frames).code, 'api_key_invalid');
  assert.match(errorOf(frames).hint, /GOOGLE_API_KEY/);
  assert.ok(!JSON.stringify(frames).includes(KEY));
  assert.ok(!server.output().includes(KEY));
  for (const name of readdirSync(server.folder))
    assert.ok(!readFileSync(path.join(server.folder, name)).includes(KEY), name);
});

test('without credentials the start is refused with what to do', async (t) => {
  for (const [env, expected] of [
    [{}, /set GOOGLE_API_KEY \(https:\/\/aistudio\.google\.com\/apikey\).*--demo/],
    [{ GOOGLE_API_KEY: '' }, /set GOOGLE_API_KEY/],
    [{ GOOGLE_GENAI_USE_VERTEXAI: '1', GOOGLE_APPLICATION_CREDENTIALS: '/no/such.json', GOOGLE_CLOUD_PROJECT: 'p' },
      /credentials file \/no\/such\.json: No such file/],
    [{ GOOGLE_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: 'ftp://x' }, /GOOGLE_GEMINI_BASE_URL must be/],
  ]) {
    const server = startAntiphon(t, env);
    const [code] = await server.exited;
    assert.equal(code, 1);
    assert.match(server.output(), expected);
    assert.ok(!server.output().includes(KEY));
  }
});
