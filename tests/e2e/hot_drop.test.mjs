// Plugins that are dropped into the folder of a running server, replaced there, and broken there.
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { run } from './lib/faults.mjs';
import { call, drop, fixtures, plugins, startIsolated } from './lib/isolation.mjs';

const version = (name) => path.join(fixtures, 'versioned', name, 'versioned.so');
const agents = { talk: ['version', 'version_later'] };
const settings = '  versioned: {}\n';

async function start(t, options = {}) {
  const server = await startIsolated(t, { agents, plugins: ['versioned/1/versioned'], settings, ...options });
  return { server, client: await server.client('v1') };
}

test('a new version in mid-conversation: calls under way end on the old one, later ones are its own', async (t) => {
  const { server, client } = await start(t);
  assert.deepEqual(await call(client, 'version'), { result: '1' });
  client.text('!call version_later {}');
  await client.next((frame) => frame.tool?.state === 'running' || frame.tool?.progress);
  drop(version('2'), server.dropped);
  await server.logged(/versioned: version 2 is offered to new conversations/);
  const later = await client.answer();
  assert.match(later, /"result":"1"/);
  const other = await server.client('v1');
  assert.deepEqual(await call(other, 'version'), { result: '2' });
  assert.match((await plugins(server)).versioned, /^ok/);
});

test('a broken version changes nothing, says why, and is followed by one that works', async (t) => {
  const { server, client } = await start(t);
  drop(version('broken'), server.dropped);
  await server.logged(/plugin versioned: self_test: it feels ill; the version that runs stays/);
  assert.deepEqual(await call(client, 'version'), { result: '1' });
  assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '1' });
  assert.match((await plugins(server)).versioned, /^ok; a newer file was refused: self_test: it feels ill$/);
  drop(version('2'), server.dropped);
  await server.logged(/version 2 is offered/);
  assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '2' });
});

test('a file that is copied slowly is left alone until it is whole', async (t) => {
  const { server, client } = await start(t);
  const whole = readFileSync(version('2'));
  const file = path.join(server.dropped, 'versioned.so');
  drop(version('1'), server.dropped); // a file of its own, so that the copy below is not written into a mapped one
  const half = path.join(server.dropped, 'half');
  writeFileSync(half, whole.subarray(0, whole.length >> 1));
  drop(half, server.dropped, 'versioned.so');
  await server.logged(/versioned\.so is not whole yet/);
  assert.deepEqual(await call(client, 'version'), { result: '1' });
  appendFileSync(file, whole.subarray(whole.length >> 1));
  await server.logged(/version 2 is offered/);
  assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '2' });
});

test('a file that is written over in place hurts no call', async (t) => {
  const { server, client } = await start(t);
  copyFileSync(version('2'), path.join(server.dropped, 'versioned.so'));
  await server.logged(/version 2 is offered/);
  assert.deepEqual(await call(client, 'version'), { result: '2' });
});

test('safe mode: nothing that is not shipped is loaded, whatever happens in the folder', async (t) => {
  const server = await startIsolated(t, { agents, plugins: ['versioned/1/versioned'], settings, args: ['--safe-mode'] });
  assert.match(server.err, /versioned is not loaded: safe mode/);
  await assert.rejects(server.client('v1'));
  await server.logged(/agent=talk a conversation was refused: its model echo_model is not there/);
  drop(version('2'), server.dropped);
  server.child.kill('SIGHUP');
  await server.logged(/the plugin folders were looked at/);
  assert.deepEqual(await plugins(server), {});
  assert.equal((await server.get('/readyz')).status, 200);
});

test('SIGHUP and `antiphon plugin reload` look as well', async (t) => {
  const { server } = await start(t);
  server.child.kill('SIGHUP');
  await server.logged(/the plugin folders were looked at/);
  const asked = await run(['plugin', 'reload', '--store', `sqlite:${server.database}`],
    { cwd: server.home, env: { GOOGLE_API_KEY: 'k' } });
  assert.equal(asked.code, 0, asked.err);
  assert.match(asked.out, new RegExp(`process ${server.child.pid}\\)`));
  await server.logged(/looked at[^]*looked at/);
});

test('a plugin in the server itself is not replaced, and that is said', async (t) => {
  const { server, client } = await start(t, { settings: '  versioned: {isolation: thread}\n' });
  drop(version('2'), server.dropped);
  await server.logged(/versioned\.so has changed: a plugin in the server's own process is replaced by a restart only/);
  assert.deepEqual(await call(client, 'version'), { result: '1' });
  assert.deepEqual(await plugins(server), {});
});

test('a plugin that is broken at the start: its agent is refused, others are not, and it may be mended', async (t) => {
  const server = await startIsolated(t, {
    agents: { talk: ['version'], other: [] }, plugins: ['versioned/broken/versioned'], settings,
    more: 'default_agent: other\n',
  });
  assert.match(server.err, /plugin versioned: self_test: it feels ill/);
  assert.match((await plugins(server)).versioned, /^broken: self_test: it feels ill$/);
  assert.match(await (await server.client('v1')).ask('hello'), /echo: hello/);
  await assert.rejects(server.client('v1', { query: '&agent=talk' }));
  drop(version('1'), server.dropped);
  await server.logged(/versioned: version 1 is offered/);
  assert.deepEqual(await call(await server.client('v1', { query: '&agent=talk' }), 'version'), { result: '1' });
});

test('a plugin that is found by its manifest is replaced like one that the settings name', async (t) => {
  const server = await startIsolated(t, { agents, plugins: ['versioned/1/versioned'] });
  assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '1' });
  drop(version('2'), server.dropped);
  await server.logged(/versioned: version 2 is offered/);
  assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '2' });
});

test('... and mended if it was broken', async (t) => {
  const server = await startIsolated(t, {
    agents: { talk: ['version'], other: [] }, plugins: ['versioned/broken/versioned'], more: 'default_agent: other\n',
  });
  assert.match(server.err, /plugin versioned: self_test: it feels ill/);
  drop(version('1'), server.dropped);
  await server.logged(/versioned: version 1 is offered/);
  assert.deepEqual(await call(await server.client('v1', { query: '&agent=talk' }), 'version'), { result: '1' });
});
