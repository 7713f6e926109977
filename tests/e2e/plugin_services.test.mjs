// What a tool can do beside answering, through a real plugin in the real server: state, data of its own, events for the
// page, requests with secrets, reminders, questions, undoing. All of it in the server's own process and in one of the
// plugin's: the same file, the same answers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { Browser, said } from './lib/browser.mjs';
import { CallingModel } from './lib/calling_model.mjs';
import { memoryHas, runnersOf } from './lib/runners.mjs';
import { makePlace, pluginFolder, startServer } from './lib/server.mjs';
import { Upstream } from './lib/upstream.mjs';

const modes = ['thread', 'process'];
const tools = ['who', 'state', 'store', 'find', 'fetch', 'remind', 'publish', 'act', 'wait', 'confirm', 'steps'];
const agent = (app) => `name: prober
model: gemini-3.8-live
instruction: Probe. The color is {user:color?}.
tools:
${tools.map((name) => `  - name: probe_${name}\n`).join('')}  - name: limited_fetch
live:
  app_name: ${app}
`;

// A server with abi_probe, a model that calls it, and browsers of given users.
async function setUp(t, { isolation, token = '', more = '', env = {} }) {
  const model = new CallingModel();
  const upstream = await Upstream.start({ onConnection: model.onConnection });
  t.after(() => upstream.stop());
  const settings = `plugins:\n  abi_probe: {isolation: ${isolation}${token && `, token: "${token}"`}}\n` +
    `  limited: {isolation: ${isolation}}\n${more}`;
  const place = makePlace({ agents: { prober: agent('probes') }, settings });
  t.after(() => place.remove());
  pluginFolder(place, 'limited');
  const args = ['--plugins', pluginFolder(place, 'abi_probe')];
  const start = async () => {
    const server = await startServer(t, { place, args, env: { ...upstream.env, ...env } });
    server.runners = () => runnersOf(server.pid, 'abi_probe');
    assert.equal(server.runners().length, isolation === 'process' ? 1 : 0, 'it lives where this test means it to');
    return server;
  };
  return { model, upstream, place, start };
}

async function until(holds) {
  const late = Date.now() + 20000;
  for (;;) {
    const found = await holds();
    if (found) return found;
    assert.ok(Date.now() < late, `waited in vain: ${holds}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

// An HTTP server that notes what it is asked.
async function makeTarget(t) {
  const seen = [];
  const target = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`);
    if (request.url === '/moved') response.writeHead(302, { Location: '/elsewhere' });
    response.end('fetched');
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  t.after(() => target.close());
  return { seen, port: target.address().port, url: `http://127.0.0.1:${target.address().port}` };
}

const id = (user) => ({ ann: '70001', bob: '70002' })[user];
const open = (server, user) => Browser.open(server, `/ws/${id(user)}?is_audio=false`);
const openV1 = (server, user) =>
  Browser.open(server, `/ws/${id(user)}?is_audio=false`, { protocols: ['antiphon.v1'] });
// The model takes its first call back, and says so.
async function takeBack(browser, state) {
  browser.text('take back fc-1');
  const wanted = [(frame) => frame.tool?.state === state, (frame) => frame.type === 'turn_complete'];
  while (wanted.length > 0) {
    const frame = await browser.frame();
    const at = wanted.findIndex((fits) => fits(frame));
    if (at >= 0) wanted.splice(at, 1);
  }
}
const call = async (browser, name, args) => JSON.parse(await browser.ask(`call probe_${name} ${JSON.stringify(args)}`));

for (const isolation of modes) {
  test(`${isolation}: state has scopes, is seen at once and is stored with the result`, async (t) => {
    const { place, start } = await setUp(t, { isolation });
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

  test(`${isolation}: the plugin keeps data for each user, finds it, and finds it again after a restart`, async (t) => {
    const { start } = await setUp(t, { isolation });
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

  test(`${isolation}: a tool tells the page of antiphon.v1, and the page of the sample nothing`, async (t) => {
    const { start } = await setUp(t, { isolation });
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

  test(`${isolation}: a secret reaches the server it is for and nobody else`, async (t) => {
    const secret = 'c0nfidential-8121';
    const { seen, url } = await makeTarget(t);
    const { place, start, model } = await setUp(t, {
      isolation, token: '${env:PROBE_TOKEN}', more: 'log:\n  level: debug\n', env: { PROBE_TOKEN: secret },
    });
    const server = await start();
    const ann = await open(server, 'ann');
    assert.deepEqual(await call(ann, 'fetch', { url: `${url}/x` }), { status: 0, http: 200, body: 'fetched' });
    const moved = await call(ann, 'fetch', { url: `${url}/moved` });
    assert.equal(moved.http, 302, 'a secret follows no redirect');
    assert.deepEqual(await call(ann, 'fetch', { url: `${url}/later`, later: true }), { status: 0, http: 200, body: 'fetched' });
    assert.deepEqual(seen, [`/x Bearer ${secret}`, `/moved Bearer ${secret}`, `/later Bearer ${secret}`]);
    for (const pid of server.runners()) { // the plugin's own process knows the name, and never had the value
      assert.deepEqual(memoryHas(pid, '{{secret:token}}', secret), [true, false]);
      assert.equal(readFileSync(`/proc/${pid}/environ`, 'latin1').includes(secret), false);
    }
    assert.deepEqual(memoryHas(server.pid, secret), [true], 'the search finds what is there');
    await server.stop();
    assert.ok(!server.err.includes(secret) && !JSON.stringify(model.heard).includes(secret));
    const database = new DatabaseSync(place.database, { readOnly: true });
    const rows = JSON.stringify(database.prepare('SELECT event_data FROM events').all());
    assert.ok(rows.includes('fetched') && !rows.includes(secret));
    database.close();
  });

  test(`${isolation}: a reminder is spoken when it is due, and not before the model is idle`, async (t) => {
    const { model, start } = await setUp(t, { isolation });
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

  test(`${isolation}: a reminder waits for who has left, over a restart`, async (t) => {
    const { model, start, place } = await setUp(t, { isolation });
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
    await until(() => waiting() === 1);
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

  test(`${isolation}: a reminder that is cancelled is not spoken`, async (t) => {
    const { model, start } = await setUp(t, { isolation });
    const server = await start();
    const ann = await open(server, 'ann');
    assert.deepEqual(await call(ann, 'remind', { ms: 500, text: 'never', drop: true }), { status: 0, dropped: true });
    await call(ann, 'remind', { ms: 1000, text: 'later' });
    assert.match(said(await ann.until((frame) => frame.turn_complete)), /later$/);
    assert.ok(!JSON.stringify(model.heard).includes('] never'));
    await server.stop();
  });

  test(`${isolation}: private addresses, and hosts that the manifest does not name, are not reached`, async (t) => {
    const { seen, url, port } = await makeTarget(t);
    const { start } = await setUp(t, { isolation });
    const server = await start();
    const ann = await open(server, 'ann');
    for (const address of [`${url}/a`, `http://localhost:${port}/b`, `http://[::ffff:127.0.0.1]:${port}/c`, 'http://169.254.169.254/d']) {
      const guarded = await call(ann, 'fetch', { url: address, public: true });
      assert.deepEqual([guarded.status, guarded.http], [-4, 0], `${address}: ${JSON.stringify(guarded)}`);
    }
    const limited = async (args) => JSON.parse(await ann.ask(`call limited_fetch ${JSON.stringify(args)}`));
    assert.deepEqual(await limited({ url: `${url}/e` }), { refused: -4 }, 'another host');
    assert.deepEqual(await limited({ url: `http://localhost:${port}/f`, private: true }), { refused: -4 }, 'not asked for');
    assert.deepEqual(await limited({ url: `http://localhost:${port}/g` }), { status: -4, http: 0 }, 'allowed, but private');
    assert.match(server.err, /limited: http\(\) was refused: the manifest does not ask for that host/);
    assert.match(server.err, /limited: http\(\) to private addresses was refused/);
    assert.deepEqual(seen, []);
    await server.stop();
  });

  test(`${isolation}: progress reaches the page, in order`, async (t) => {
    const { start } = await setUp(t, { isolation });
    const server = await start();
    const ann = await openV1(server, 'ann');
    ann.text('call probe_steps {"n":5}');
    const frames = await ann.until((frame) => frame.type === 'turn_complete');
    assert.deepEqual(frames.filter((frame) => frame.tool?.state === 'progress').map((frame) => frame.tool.text),
      [1, 2, 3, 4, 5].map((i) => `step ${i} of 5`));
    assert.equal(said(frames), '{"result":"there"}');
    await server.stop();
  });

  for (const [how, args] of [['asked', {}], ['told', { told: true }]]) {
    test(`${isolation}: a call that is taken back ends: ${how}`, async (t) => {
      const { start } = await setUp(t, { isolation });
      const server = await start();
      const ann = await openV1(server, 'ann');
      ann.text(`call probe_wait ${JSON.stringify(args)}`);
      await ann.until((frame) => frame.tool?.text === 'waiting');
      await takeBack(ann, 'cancelled');
      const begun = Date.now();
      await until(async () => (await call(ann, 'store', { key: 'waited' })).value === how);
      assert.ok(Date.now() - begun < 10000, 'long before its deadline of 30 s');
      await server.stop();
    });
  }

  test(`${isolation}: what was done is undone with its receipt when it is taken back`, async (t) => {
    const { start, place } = await setUp(t, { isolation });
    const server = await start();
    const ann = await openV1(server, 'ann');
    assert.deepEqual(await call(ann, 'act', { name: 'table for two' }), { status: 0 });
    await takeBack(ann, 'undone');
    const undone = await call(ann, 'store', { key: 'undone' });
    assert.deepEqual(JSON.parse(undone.value), { name: 'table for two' });
    await server.stop();
    const database = new DatabaseSync(place.database, { readOnly: true });
    const row = database.prepare("SELECT state, receipt FROM antiphon_tool_calls WHERE tool = 'probe_act'").get();
    assert.deepEqual([row.state, JSON.parse(row.receipt)], ['undone', { name: 'table for two' }]);
    database.close();
  });

  test(`${isolation}: the server is killed: what may have had an effect is not run again, what only reads is`, async (t) => {
    const { start, place } = await setUp(t, { isolation });
    const first = await start();
    const runners = first.runners();
    const ann = await openV1(first, 'ann');
    ann.text('call probe_wait {}');
    await ann.until((frame) => frame.tool?.text === 'waiting');
    ann.text('call probe_steps {"n":1,"ms":900}');
    await ann.until((frame) => frame.tool?.text === 'step 1 of 1');
    const journal = () => {
      const database = new DatabaseSync(place.database, { readOnly: true });
      const rows = database.prepare('SELECT tool, state, reason, result FROM antiphon_tool_calls ORDER BY requested_time').all();
      database.close();
      return rows.map((row) => ({ ...row }));
    };
    await until(() => journal().length === 2); // what only reads does not wait for its row
    await first.kill();
    await until(() => runners.every((pid) => !existsSync(`/proc/${pid}`))); // no process is left behind
    const second = await start();
    assert.deepEqual(journal().map((row) => row.reason), ['interrupted', 'interrupted'], 'marked at once');
    const back = await openV1(second, 'ann');
    await until(() => journal()[1].state === 'done');
    const [wait, steps] = journal();
    assert.deepEqual([wait.tool, wait.state, steps.tool, JSON.parse(steps.result)], ['probe_wait', 'failed', 'probe_steps', { result: 'there' }]);
    assert.match(wait.result, /Whether it has had an effect is not known/);
    assert.deepEqual(await call(back, 'store', { key: 'waited' }), { status: -3 }, 'it was not run again');
    await second.stop();
  });

  test(`${isolation}: undoing has a deadline`, async (t) => {
    const { start, place } = await setUp(t, { isolation });
    const server = await start();
    const ann = await openV1(server, 'ann');
    assert.deepEqual(await call(ann, 'act', { name: 'stuck' }), { status: 0 });
    await ann.ask('take back fc-1');
    const row = () => {
      const database = new DatabaseSync(place.database, { readOnly: true });
      const found = database.prepare("SELECT state, reason FROM antiphon_tool_calls WHERE tool = 'probe_act'").get();
      database.close();
      return { ...found };
    };
    await until(() => row().reason);
    assert.deepEqual(row(), { state: 'done', reason: 'not undone: it did not end in time' });
    assert.deepEqual(await call(ann, 'store', { key: 'undone' }), { status: -3 }, 'the talk goes on');
    await server.stop();
    assert.equal(server.err.split('could not be undone').length, 2, 'said once');
  });

  test(`${isolation}: a tool asks its owner, who allows or denies`, async (t) => {
    const { start } = await setUp(t, { isolation });
    const server = await start();
    const ann = await openV1(server, 'ann');
    for (const allow of [true, false]) {
      ann.text('call probe_confirm {"what":"all of it"}');
      const { confirm } = (await ann.until((frame) => frame.confirm)).at(-1);
      assert.equal(confirm.question, 'Shall it be done?');
      assert.deepEqual(confirm.args, { what: 'all of it' });
      ann.send(JSON.stringify({ type: 'confirm', nonce: confirm.nonce, allow }));
      const answer = JSON.parse(said(await ann.until((frame) => frame.type === 'turn_complete')));
      if (allow) assert.deepEqual(answer, { done: true });
      else assert.match(answer.error, /user/);
    }
    await server.stop();
  });}
