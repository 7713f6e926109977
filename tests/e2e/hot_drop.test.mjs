// Plugins that are dropped into the folder of a running server, replaced there, and broken there.
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { run } from './lib/faults.mjs';
import { call, drop, fixtures, plugins, startIsolated } from './lib/isolation.mjs';
import { runnersOf } from './lib/runners.mjs';
import { until } from './lib/tool_life.mjs';

const version = (name) => path.join(fixtures, 'versioned', name, 'versioned.so');
const agents = { talk: ['version', 'version_later'] };
const settings = '  versioned: {}\n';

async function start(t, options = {}) {
  const server = await startIsolated(t, { agents, plugins: ['versioned/1/versioned'], settings, ...options });
  return { server, client: await server.client('v1') };
}

const processes = (server) => runnersOf(server.child.pid, 'versioned');
const is = async (client, wanted) => assert.deepEqual(await call(client, 'version'), { result: wanted });
// What the model was told of the tool when the conversation was set up.
const declared = async (client) => /Tells the version: (\w+)\./.exec(await client.ask('!run;complete'))[1];

test('a new version in mid-conversation: an open one keeps what it was set up with, a new one gets the new', async (t) => {
  const { server, client } = await start(t);
  await is(client, '1');
  const [old] = processes(server);
  client.text('!call version_later {}');
  await client.next((frame) => frame.tool?.state === 'running' || frame.tool?.progress);
  drop(version('2'), server.dropped);
  await server.logged(/versioned: version 2 is offered to new conversations/);
  assert.match(await client.answer(), /"result":"1"/, 'the call under way');
  await is(client, '1');
  assert.equal(await declared(client), '1');
  const other = await server.client('v1');
  await is(other, '2');
  assert.equal(await declared(other), '2');
  await is(client, '1');
  assert.match((await plugins(server)).versioned, /^ok/);

  const third = await server.client('v1');
  await third.leave();
  assert.equal(processes(server).length, 2);
  assert.ok(processes(server).includes(old), 'it has not been started anew meanwhile');
  await client.leave();
  await until(() => processes(server).length === 1, () => server.err);
  assert.ok(!processes(server).includes(old), 'the last conversation of the old version has left');
  await server.logged(/versioned: version 1 has ended: no conversation uses it any more/);
  await is(other, '2');
});

test('the old version ends with the last of its conversations, and a resumed connection is the same conversation', async (t) => {
  const { server, client } = await start(t);
  const second = await server.client('v1');
  for (const one of [client, second]) await is(one, '1');
  drop(version('2'), server.dropped);
  await server.logged(/versioned: version 2 is offered to new conversations/);
  await client.ask('!say bye;complete;handle h-1;close resume');
  await client.next((frame) => frame.state === 'live');
  await is(client, '1');
  await second.ask('!say bye;complete;close restart');
  await second.next((frame) => frame.state === 'live');
  assert.equal(await declared(second), '2', 'set up anew');
  await is(second, '2');
  await is(client, '1');
  assert.equal(processes(server).length, 2);
  await client.ask('!say bye;complete;close restart');
  await client.next((frame) => frame.state === 'live');
  await is(client, '2');
  await until(() => processes(server).length === 1, () => server.err);
});

test('a call that nobody waits for any more keeps the old version until it has ended', async (t) => {
  const { server, client } = await start(t);
  client.text('!call version_later {}');
  await client.next((frame) => frame.tool?.progress || frame.tool?.state === 'progress');
  drop(version('2'), server.dropped);
  await server.logged(/versioned: version 2 is offered to new conversations/);
  await client.leave();
  await until(() => processes(server).length === 1, () => server.err);
  assert.doesNotMatch(server.err, /its process (was killed|called|did not|lost)/, 'it ended by itself');
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
  assert.deepEqual(await call(client, 'version'), { result: '1' });
  assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '2' });
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
