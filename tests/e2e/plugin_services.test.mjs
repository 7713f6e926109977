// What a tool can do beside answering, through a real plugin in the real server: state, data of its own, events for the
// page, requests with secrets, reminders.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { Browser, said } from './lib/browser.mjs';
import { CallingModel } from './lib/calling_model.mjs';
import { makePlace, pluginFolder, startServer } from './lib/server.mjs';
import { Upstream } from './lib/upstream.mjs';

const tools = ['who', 'state', 'store', 'find', 'fetch', 'remind', 'publish', 'act', 'wait'];
const agent = (app) => `name: prober
model: gemini-3.8-live
instruction: Probe. The color is {user:color?}.
tools:
${tools.map((name) => `  - name: probe_${name}\n`).join('')}live:
  app_name: ${app}
`;

// A server with abi_probe, a model that calls it, and browsers of given users.
async function setUp(t, { settings = 'plugins:\n  abi_probe: {}\n', env = {} } = {}) {
  const model = new CallingModel();
  const upstream = await Upstream.start({ onConnection: model.onConnection });
  t.after(() => upstream.stop());
  const place = makePlace({ agents: { prober: agent('probes') }, settings });
  t.after(() => place.remove());
  const args = ['--plugins', pluginFolder(place, 'abi_probe')];
  const start = () => startServer(t, { place, args, env: { ...upstream.env, ...env } });
  return { model, upstream, place, start };
}

const id = (user) => ({ ann: '70001', bob: '70002' })[user];
const open = (server, user) => Browser.open(server, `/ws/${id(user)}?is_audio=false`);
const openV1 = (server, user) =>
  Browser.open(server, `/ws/${id(user)}?is_audio=false`, { protocols: ['antiphon.v1'] });
const call = async (browser, name, args) => JSON.parse(await browser.ask(`call probe_${name} ${JSON.stringify(args)}`));

test('state has scopes, is seen at once and is stored with the result', async (t) => {
  const { place, start } = await setUp(t);
  let server = await start();
  const ann = await open(server, 'ann');
  const who = await call(ann, 'who', {});
  assert.deepEqual([who.app, who.user, who.agent, who.time_left], ['probes', id('ann'), 'prober', true]);
  assert.deepEqual(await call(ann, 'state', { key: 'user:color' }), { status: -3 });
  for (const [key, value] of [['user:color', 'blue'], ['n', { deep: [1, null] }], ['app:motto', 'carpe diem'], ['temp:x', 1]])
    assert.deepEqual(await call(ann, 'state', { key, value }), { status: 0, value });
  assert.deepEqual(await call(ann, 'state', { key: 'n' }), { status: 0, value: { deep: [1, null] } });
  assert.deepEqual(await call(ann, 'state', { key: 'temp:x' }), { status: -3 }, 'it was for its turn');
  await server.stop();

  const database = new DatabaseSync(place.database, { readOnly: true });
  const one = (sql) => JSON.parse(Object.values(database.prepare(sql).get())[0]);
  assert.deepEqual(one('SELECT state FROM sessions'), { n: { deep: [1, null] } });
  assert.deepEqual(one('SELECT state FROM user_states'), { color: 'blue' });
  assert.deepEqual(one('SELECT state FROM app_states'), { motto: 'carpe diem' });
  const deltas = database.prepare('SELECT event_data FROM events ORDER BY rowid').all()
    .map((row) => JSON.parse(row.event_data).actions.state_delta).filter((delta) => Object.keys(delta).length > 0);
  assert.deepEqual(deltas, [{ 'user:color': 'blue' }, { n: { deep: [1, null] } }, { 'app:motto': 'carpe diem' }]);
  database.close();

  server = await start();
  const bob = await open(server, 'bob');
  assert.deepEqual(await call(bob, 'state', { key: 'user:color' }), { status: -3 });
  assert.deepEqual(await call(bob, 'state', { key: 'app:motto' }), { status: 0, value: 'carpe diem' });
  const again = await open(server, 'ann');
  assert.deepEqual(await call(again, 'state', { key: 'user:color' }), { status: 0, value: 'blue' });
  await server.stop();
});

test('the plugin keeps data for each user, finds it, and finds it again after a restart', async (t) => {
  const { start } = await setUp(t);
  let server = await start();
  const ann = await open(server, 'ann');
  assert.deepEqual(await call(ann, 'store', { key: 'a', value: '내일 회의는 서울역' }), { status: 0, value: '내일 회의는 서울역' });
  assert.deepEqual(await call(ann, 'store', { key: 'b', value: 'The key is under the stone' }),
    { status: 0, value: 'The key is under the stone' });
  assert.deepEqual(await call(ann, 'find', { text: '회의' }), { result: ['a'] });
  await server.kill();
  server = await start();
  const bob = await open(server, 'bob');
  assert.deepEqual(await call(bob, 'find', { text: 'stone' }), { result: [] });
  const again = await open(server, 'ann');
  assert.deepEqual(await call(again, 'find', { text: 'STONE' }), { result: ['b'] });
  assert.deepEqual(await call(again, 'store', { key: 'a', value: '' }), { status: -3 });
  await server.stop();
});

test('a tool tells the page of antiphon.v1, and the page of the sample nothing', async (t) => {
  const { start } = await setUp(t);
  const server = await start();
  const ann = await openV1(server, 'ann');
  ann.text('call probe_publish {"n":7}');
  const frames = await ann.until((frame) => frame.type === 'turn_complete');
  const [told] = frames.filter((frame) => frame.type === 'plugin');
  assert.deepEqual(told.plugin, { name: 'abi_probe', event: 'probe', call: 'fc-1', data: { n: 7 } });
  const bob = await open(server, 'bob');
  bob.text('call probe_publish {"n":8}');
  assert.deepEqual((await bob.until((frame) => frame.turn_complete)).filter((frame) => frame.plugin), []);
  await server.stop();
});

test('a secret reaches the server it is for and nobody else', async (t) => {
  const secret = 'c0nfidential-8121';
  const seen = [];
  const target = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`);
    if (request.url === '/moved') response.writeHead(302, { Location: '/elsewhere' });
    response.end('fetched');
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  t.after(() => target.close());
  const url = `http://127.0.0.1:${target.address().port}`;
  const { place, start, model } = await setUp(t, {
    settings: 'plugins:\n  abi_probe:\n    token: ${env:PROBE_TOKEN}\nlog:\n  level: debug\n',
    env: { PROBE_TOKEN: secret },
  });
  const server = await start();
  const ann = await open(server, 'ann');
  assert.deepEqual(await call(ann, 'fetch', { url: `${url}/x` }), { status: 0, http: 200, body: 'fetched' });
  const moved = await call(ann, 'fetch', { url: `${url}/moved` });
  assert.equal(moved.http, 302, 'a secret follows no redirect');
  assert.deepEqual(seen, [`/x Bearer ${secret}`, `/moved Bearer ${secret}`]);
  await server.stop();
  assert.ok(!server.err.includes(secret) && !JSON.stringify(model.heard).includes(secret));
  const database = new DatabaseSync(place.database, { readOnly: true });
  const rows = JSON.stringify(database.prepare('SELECT event_data FROM events').all());
  assert.ok(rows.includes('fetched') && !rows.includes(secret));
  database.close();
});

test('a reminder is spoken when it is due, and not before the model is idle', async (t) => {
  const { model, start } = await setUp(t);
  const server = await start();
  const ann = await openV1(server, 'ann');
  assert.deepEqual(await (async () => {
    ann.text('call probe_remind {"ms":50,"text":"the eggs are done"}');
    return JSON.parse(said(await ann.until((frame) => frame.type === 'turn_complete')));
  })(), { status: 0 });
  const spoken = said(await ann.until((frame) => frame.type === 'turn_complete'));
  assert.match(spoken, /^Heard: \[Notice of abi_probe, not said by the user\..*\] the eggs are done$/);
  assert.equal(model.heard.length, 2);
  ann.close();
  await ann.closed();
  const again = await openV1(server, 'ann');
  const { history } = (await again.until((frame) => frame.type === 'history')).at(-1);
  assert.deepEqual(history.map((item) => item.role), ['user', 'model', 'model'], 'the notice is not the user\'s');
  await server.stop();
});

test('a reminder waits for who has left, over a restart', async (t) => {
  const { model, start, place } = await setUp(t);
  let server = await start();
  const ann = await open(server, 'ann');
  await ann.ask('call probe_remind {"ms":1,"text":"the first"}');
  await ann.until((frame) => frame.turn_complete);
  ann.text('call probe_remind {"ms":1000,"text":"the tea is ready"}');
  await ann.until((frame) => frame.turn_complete);
  ann.close();
  await ann.closed();
  // Due when nobody is there: it can be seen in the database.
  const waiting = () => {
    const database = new DatabaseSync(place.database, { readOnly: true });
    const { n } = database.prepare('SELECT count(*) AS n FROM antiphon_notices').get();
    database.close();
    return n;
  };
  const late = Date.now() + 10000;
  while (waiting() === 0 && Date.now() < late) await new Promise((resolve) => { setTimeout(resolve, 20); });
  assert.equal(waiting(), 1);
  await server.kill();
  server = await start();
  const back = await open(server, 'ann');
  const frames = await back.until((frame) => frame.turn_complete);
  assert.match(said(frames), /the tea is ready$/);
  assert.equal(model.heard.filter((text) => text.includes('the tea is ready')).length, 2, 'asked for once, told once');
  await back.ask('hello');
  assert.equal(waiting(), 0);
  await server.stop();
});
