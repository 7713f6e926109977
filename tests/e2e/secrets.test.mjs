// Secrets stay where they are: with every fault provoked and everything logged, the key, tokens, proxy passwords and
// resumption handles are in no log line, no frame to a client, no answer over HTTP, and (but for the handles, which are
// kept there on purpose) not in the database.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { folder, protocols, run, simulate, startServer } from './lib/faults.mjs';

const KEY = 'AIzaSECRET-0123456789-abcdefghijklmnop';
const FAULTS = [
  [1007, 'API key not valid. Please pass a valid API key.'],
  [1007, `Something about the key ${KEY} that a proxy repeats.`],
  [1008, 'models/X is not found for API version v1beta, or is not supported for bidiGenerateContent.'],
  [1011, 'You exceeded your current quota, please check your plan and billing details.'],
  [1011, 'Internal error encountered.'],
];

// Every spelling in which a secret might slip out.
function spellings(secret) {
  const base64 = Buffer.from(secret).toString('base64');
  return [secret, encodeURIComponent(secret), base64, base64.replace(/=+$/, ''), Buffer.from(secret).toString('hex')];
}

function search(what, texts) {
  for (const [where, text] of Object.entries(texts))
    for (const secret of what)
      for (const spelling of spellings(secret))
        assert.ok(!text.includes(spelling), `${where} has the secret ${secret} as ${spelling}`);
}

// All that the outside gets to see of a server; files as one byte a character.
async function traces(server, clients, database = true) {
  const texts = { stderr: server.err, stdout: server.out };
  clients.forEach((client, i) => { texts[`client ${i}`] = client.raw.join('\n') + JSON.stringify(client.close ?? ''); });
  for (const at of ['/metrics', '/readyz', '/livez', '/'])
    texts[at] = (await server.get(at)).body.toString('latin1');
  if (database)
    for (const name of readdirSync(path.dirname(server.database)))
      texts[`database ${name}`] = readFileSync(path.join(path.dirname(server.database), name)).toString('latin1');
  texts['command line'] = readFileSync(`/proc/${server.child.pid}/cmdline`, 'latin1');
  return texts;
}

async function settle(client) {
  // An answer to a bad frame comes after what was told before it.
  client.send('bad');
  await client.next((frame) => frame.error?.code === 'bad_json');
}

test('the key, through every fault', async (t) => {
  const rules = FAULTS.map(([code, reason], i) =>
    `  - {on: text, match: "^fault ${i}$", do: [{close: {code: ${code}, reason: ${JSON.stringify(reason)}}}]}`);
  const sim = await simulate(`rules:
  - {on: setup, connection: 2, do: [{close: {code: 1007, reason: "API key not valid. Please pass a valid API key."}}]}
  - {on: upgrade, connection: 4, do: [{status: {code: 403, body: "${KEY}"}}]}
  - {on: text, match: "^echo$", do: [{send: {error: {code: 400, message: "API key ${KEY} not valid", status: INVALID_ARGUMENT}}}]}
${rules.join('\n')}
`, '--key', KEY);
  t.after(() => sim.stop());
  const server = await startServer({ sim, key: KEY, args: ['--log-level', 'debug'] });
  t.after(() => server.stop());
  const clients = [];
  for (const protocol of protocols) {
    const client = await server.client(protocol);
    clients.push(client);
    for (const text of ['hello', ...FAULTS.map((_, i) => `fault ${i}`), 'echo', 'hello', 'hello', 'hello']) {
      client.text(text);
      await client.next((frame) => frame.error || frame.turn_complete);
      await settle(client);
    }
    assert.match(await client.ask('history'), /History/);
  }
  // The key does reach the service, or this test proves nothing.
  assert.ok((await sim.frames()).some((frame) => JSON.stringify(frame).includes('setupComplete')));
  const codes = new Set(clients.flatMap((client) => client.frames.map((frame) => frame.error?.code)));
  for (const code of ['api_key_invalid', 'invalid_argument', 'model_not_found', 'quota', 'not_answered', 'credentials'])
    assert.ok(codes.has(code), `${code} was not among ${[...codes]}`);
  const told = clients.flatMap((client) => client.frames.map((frame) => frame.error?.message ?? ''));
  assert.ok(told.some((message) => /Something about the key .* that a proxy repeats/.test(message)), 'the reason is shown');
  // Reasons of the service are repeated to people, but not the key in them.
  search([KEY], await traces(server, clients));
});

test('a wrong key, and the model list that is asked with it', async (t) => {
  const sim = await simulate('', '--key', 'another');
  t.after(() => sim.stop());
  const server = await startServer({ sim, key: KEY, args: ['--log-level', 'debug'], env: { DEMO_AGENT_MODEL: 'no-such-model' } });
  t.after(() => server.stop());
  const client = await server.client('v1');
  assert.equal((await client.error()).code, 'api_key_invalid');
  search([KEY], await traces(server, [client]));
});

test('the key when nothing can be reached', async (t) => {
  for (const base of ['http://127.0.0.1:9', 'http://no-such-host.invalid', 'https://127.0.0.1:9']) {
    const server = await startServer({ sim: base, key: KEY, args: ['--log-level', 'debug'] });
    t.after(() => server.stop());
    const client = await server.client('sample');
    await client.error();
    search([KEY], await traces(server, [client]));
  }
});

test('the key in settings that are refused', async () => {
  const at = folder('secrets-');
  writeFileSync(path.join(at, 'antiphon.yaml'), `plugins:\n  gemini_live:\n    api_key: "${KEY} with blanks"\n    api_kye: ${KEY}\n`);
  writeFileSync(path.join(at, '.env'), `GEMINI_API_KEY=${KEY}\nGOOGLE_API_KEY='${KEY}\n`);
  for (const command of ['check', 'serve']) {
    const { code, out, err } = await run([command, '--log-level', 'debug'], { cwd: at });
    assert.equal(code, 1);
    search([KEY], { out, err });
  }
  rmSync(path.join(at, '.env'));
  const { code, out, err } = await run(['check'], { cwd: at, env: { GOOGLE_API_KEY: `${KEY}\u00a0` } });
  assert.equal(code, 1);
  search([KEY], { out, err });
  rmSync(at, { recursive: true, force: true });
});

test('a password in a base URL or proxy', async (t) => {
  const sim = await simulate('');
  t.after(() => sim.stop());
  const secret = 'hush-hush-pass';
  const base = sim.url.replace('http://', `http://user:${secret}@`);
  const start = await startServer({ sim: base, key: KEY, args: ['--log-level', 'debug'] }).catch((error) => error);
  if (start instanceof Error) {
    assert.match(start.message, /serve ended with 1/);
    search([secret, KEY], { message: start.message });
  } else {
    t.after(() => start.stop());
    const client = await start.client('v1');
    client.text('hello');
    await client.next((frame) => frame.error || frame.turn_complete);
    search([secret, KEY], await traces(start, [client]));
  }
  const proxied = await startServer({
    sim: 'https://model.invalid', key: KEY, args: ['--log-level', 'debug'], env: { https_proxy: `http://user:${secret}@127.0.0.1:9` },
  });
  t.after(() => proxied.stop());
  const client = await proxied.client('v1');
  await client.error();
  search([secret, KEY], await traces(proxied, [client]));
});

test('private key, refresh token and bearer tokens of Vertex AI', async (t) => {
  const sim = await simulate('rules:\n  - {on: setup, connection: 2, do: [{close: {code: 1008, reason: "Request had invalid authentication credentials."}}]}\n',
    '--key', 'none');
  t.after(() => sim.stop());
  const at = folder('secrets-');
  t.after(() => rmSync(at, { recursive: true, force: true }));
  const pem = execFileSync('openssl', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  const files = {
    service: { type: 'service_account', client_email: 'svc@p.iam.gserviceaccount.com', private_key_id: 'id', private_key: pem, project_id: 'p', token_uri: `${sim.url}/token` },
    user: { type: 'authorized_user', client_id: 'c', client_secret: 'the-client-secret', refresh_token: '1//the-refresh-token', token_uri: `${sim.url}/token` },
    revoked: { type: 'authorized_user', client_id: 'c', client_secret: 'the-client-secret', refresh_token: 'bad', token_uri: `${sim.url}/token` },
  };
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(at, `${name}.json`);
    writeFileSync(file, JSON.stringify(content));
    const server = await startServer({
      key: '', args: ['--log-level', 'debug'], env: {
        GOOGLE_GENAI_USE_VERTEXAI: 'true', GOOGLE_VERTEX_BASE_URL: sim.url, GOOGLE_CLOUD_PROJECT: 'p', GOOGLE_CLOUD_LOCATION: 'us-central1',
        GOOGLE_APPLICATION_CREDENTIALS: file, DEMO_AGENT_MODEL: 'gemini-live-2.5-flash-native-audio',
      },
    });
    t.after(() => server.stop());
    const client = await server.client('v1');
    client.text('hello');
    await client.next((frame) => frame.turn_complete || frame.error);
    await settle(client);
    const texts = await traces(server, [client]);
    search(['the-client-secret', 'the-refresh-token', ...pem.split('\n').filter((line) => line.length === 64)], texts);
    for (const [where, text] of Object.entries(texts)) assert.ok(!/ya29|Bearer|BEGIN PRIVATE/.test(text), where);
  }
});

test('resumption handles: in the database, and nowhere else', async (t) => {
  const sim = await simulate('rules:\n  - {on: turn_complete, connection: 1, do: [reset]}\n');
  t.after(() => sim.stop());
  const server = await startServer({ sim, key: KEY, args: ['--log-level', 'debug'] });
  t.after(() => server.stop());
  const client = await server.client('v1');
  await client.ask('hello');
  await client.next((frame) => frame.state === 'reconnecting');
  assert.match(await client.ask('history'), /u:hello/);
  const { setup } = (await sim.sent(2)).find((message) => message.setup);
  const { handle } = setup.sessionResumption;
  assert.match(handle, /^handle-/);
  search([handle], await traces(server, [client], false));
});

test('by default nothing of what is said is logged', async (t) => {
  const sim = await simulate('rules:\n  - {on: text, match: "^poison", do: [{close: {code: 1011, reason: "Internal error encountered."}}]}\n');
  t.after(() => sim.stop());
  for (const level of ['info', 'warn', 'debug']) {
    const server = await startServer({ sim, args: level === 'info' ? [] : ['--log-level', level] });
    t.after(() => server.stop());
    const client = await server.client('v1');
    await client.ask('my blood group is zero negative');
    client.text('poison for the blood group');
    await client.error();
    client.send({ mime_type: 'text/blood group', data: 'blood group' });
    await client.error();
    await client.leave();
    await server.stop();
    assert.equal(server.err.includes('blood group'), level === 'debug', level);
  }
});
