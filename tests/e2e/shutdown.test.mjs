// The end of the server: clients are told, nothing that was said is lost, it takes no longer than five seconds.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { build, folder, handshake, protocols, request, simulate, startServer } from './lib/faults.mjs';

const FIVE_SECONDS = 5000;

// A server whose folder stays after its end, so that what it wrote can be read.
async function start(t, options, scenario) {
  const sim = await simulate(scenario);
  t.after(() => sim.stop());
  const at = folder('shutdown-');
  t.after(() => rmSync(at, { recursive: true, force: true }));
  const store = path.join(at, 'antiphon.db');
  const server = await startServer({ sim, store, ...options });
  t.after(() => {
    server.child.kill('SIGKILL');
    rmSync(server.home, { recursive: true, force: true });
  });
  server.end = async (signal) => {
    const since = Date.now();
    server.child.kill(signal);
    const { code, signal: by } = await server.exited;
    assert.equal(code, 0, `${by} ${server.err}`);
    assert.ok(Date.now() - since < FIVE_SECONDS, 'within five seconds');
    assert.ok(!/Sanitizer|runtime error:/.test(server.err), server.err);
  };
  return { sim, server, store };
}

function stored(file) {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    assert.equal(database.prepare('PRAGMA integrity_check').get().integrity_check, 'ok');
    return database.prepare('SELECT event_data FROM events ORDER BY timestamp, rowid').all().map((row) => JSON.parse(row.event_data));
  } finally {
    database.close();
  }
}

for (const signal of ['SIGTERM', 'SIGINT']) {
  for (const protocol of protocols) {
    test(`${signal}, ${protocol}: in the middle of an answer`, async (t) => {
      const { sim, server, store } = await start(t, {}, `
rules:
  - on: text
    match: "^story$"
    do:
      - send: {serverContent: {modelTurn: {role: model, parts: [{inlineData: {mimeType: audio/pcm;rate=24000, data: AAAAAAAA}}]}, outputTranscription: {text: "Once upon "}}}
`);
      const client = await server.client(protocol);
      const idle = await server.client(protocol);
      await client.ask('hello');
      await idle.ask('hello too');
      client.text('story');
      await client.next((frame) => /Once upon /.test(frame.data));
      await server.end(signal);
      assert.equal((await client.closed).code, 1001);
      assert.equal((await idle.closed).code, 1001);
      const events = stored(store);
      const half = events.find((event) => JSON.stringify(event).includes('Once upon'));
      assert.ok(half, JSON.stringify(events));
      assert.equal(half.interrupted, true);
      for (const text of ['hello', 'You said: hello', 'hello too', 'You said: hello too', 'story'])
        assert.ok(events.some((event) => JSON.stringify(event).includes(JSON.stringify(text))), text);
      const frames = await sim.frames();
      for (const conn of [1, 2])
        assert.ok(frames.some((frame) => frame.conn === conn && frame.dir === 'out' && frame.type === 'close'),
          'the connections to the model are closed in order');

      // And the talk can be gone on with.
      const next = await startServer({ sim, store });
      t.after(() => next.stop());
      const back = await next.client('v1', { user: client.user });
      const { history } = await back.next((frame) => frame.history);
      assert.ok(history.some((item) => item.text === 'Once upon ' && item.interrupted), JSON.stringify(history));
      const answer = await back.ask('history');
      assert.match(answer, /hello/);
      assert.match(answer, /story/);
    });
  }
}

test('no new connections are taken once clients have been told', async (t) => {
  const { server } = await start(t, {}, 'rules:\n  - {on: setup, do: [silent]}\n');
  const client = await server.client('v1');
  client.text('hello');
  server.child.kill('SIGTERM');
  await client.closed;
  const refused = await request(server, '/livez').then(() => 'answered', (error) => error.code);
  assert.match(refused, /ECONNREFUSED|ECONNRESET/);
  const upgrade = await handshake(server, '/ws/1?is_audio=true').then((answer) => answer.status, (error) => error.code);
  assert.match(String(upgrade), /ECONNREFUSED|ECONNRESET/);
  const { code } = await server.exited;
  assert.equal(code, 0);
});

test('while a connection to the model is being made', async (t) => {
  const { server } = await start(t, {}, 'rules:\n  - {on: upgrade, do: [hang]}\n');
  const client = await server.client('sample');
  client.text('hello');
  await server.end('SIGTERM');
  assert.equal((await client.closed).code, 1001);
});

test('while the model does not answer close frames', async (t) => {
  const { server } = await start(t, {}, 'rules:\n  - {on: text, do: [silent]}\n');
  const client = await server.client('sample');
  client.text('hello');
  await server.end('SIGTERM');
  assert.equal((await client.closed).code, 1001);
});

test('while clients on every shard take nothing', async (t) => {
  const { server } = await start(t);
  const other = await server.client('v1');
  await other.ask('hello');
  // The kernel spreads connections over the shards by chance; none of twenty on one of two is 1 in 500,000.
  await Promise.all(Array.from({ length: 20 }, async (_, i) => {
    const client = await server.client('sample');
    client.text(i === 0 ? 'longer' : 'hello');
    await client.next((frame) => frame.mime_type === 'audio/pcm');
    client.socket._socket.pause();
  }));
  await server.end('SIGTERM');
  assert.equal((await other.closed).code, 1001);
});

test('what was typed and waits for the model is in the database', async (t) => {
  const { server, store } = await start(t, {}, 'rules:\n  - {on: setup, do: [silent]}\n');
  const client = await server.client('v1');
  client.text('remember this');
  // An answer to a bad frame tells that what came before it was read.
  client.send('bad');
  await client.error();
  await server.end('SIGTERM');
  assert.ok(JSON.stringify(stored(store)).includes('remember this'));
});

test('a second signal while it stops changes nothing', async (t) => {
  const { server } = await start(t);
  const client = await server.client('v1');
  client.text('longer');
  await client.next((frame) => frame.mime_type === 'audio/pcm');
  server.child.kill('SIGTERM');
  server.child.kill('SIGTERM');
  server.child.kill('SIGINT');
  await server.end('SIGTERM');
  assert.equal((await client.closed).code, 1001);
});

for (const tool of ['slow_time', 'hang'])
  test(`a tool that is running does not hold it up: ${tool}`, async (t) => {
    const at = folder('shutdown-tool-');
    t.after(() => rmSync(at, { recursive: true, force: true }));
    mkdirSync(path.join(at, 'plugins'));
    mkdirSync(path.join(at, 'agents/solo'), { recursive: true });
    copyFileSync(path.join(build, 'tests/plugins/time_tools.so'), path.join(at, 'plugins/time_tools.so'));
    writeFileSync(path.join(at, 'agents/solo/root_agent.yaml'),
      `name: solo\nmodel: gemini-3.8-live\ninstruction: x\ntools:\n  - name: ${tool}\n`);
    const { server } = await start(t, {
      config: 'plugins: {time_tools: {slow_ms: 20000}}\n',
      args: ['--plugins', path.join(at, 'plugins'), '--agents', path.join(at, 'agents')],
    });
    const client = await server.client('v1');
    client.text(`tool ${tool} {"city": "Seoul"}`);
    await client.next((frame) => frame.tool?.state === 'running');
    await server.end('SIGTERM');
    assert.equal((await client.closed).code, 1001);
  });
