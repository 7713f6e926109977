// mcp with a server that changes its tools, asks back, is cancelled and dies: as a child process and over HTTP.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { root } from './lib/live_sim.mjs';
import { told, until } from './lib/mcp_server.mjs';
import { freePort } from './lib/process.mjs';
import { startTools } from './lib/tools.mjs';

const fixture = path.join(root, 'tests/e2e/lib/mcp_fixture.mjs');

class Fixture {
  constructor(t) {
    this.t = t;
    this.place = mkdtempSync(path.join(tmpdir(), 'mcp-'));
    this.journal = path.join(this.place, 'journal');
    t.after(() => rmSync(this.place, { recursive: true, force: true }));
  }

  happened() {
    return existsSync(this.journal) ? readFileSync(this.journal, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line)) : [];
  }

  until(fits, what) {
    return until(() => this.happened().filter(fits)[0], () => `${what} in ${JSON.stringify(this.happened())}`);
  }

  child(more) {
    return { name: 'fx', command: [process.execPath, fixture, 'stdio', this.journal], start_timeout_ms: 60000, ...more };
  }

  async listen() {
    this.port ??= await freePort();
    this.process = spawn(process.execPath, [fixture, 'http', this.journal, String(this.port)], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.t.after(() => this.process.kill('SIGKILL'));
    await once(this.process.stdout, 'data');
    return { name: 'fx', url: `http://127.0.0.1:${this.port}/mcp`, allow_private: true, start_timeout_ms: 60000 };
  }

  order(what) {
    return fetch(`http://127.0.0.1:${this.port}/${what}`, { method: 'POST' });
  }
}

const settings = (server) => `plugins:\n  mcp:\n    servers:\n      - ${JSON.stringify(server)}\n`;
const start = (t, server, more) => startTools(t, { tools: ['fx'], settings: settings(server), ...more });

// What the model of the newest conversation was told that it has.
async function offered(talk) {
  const setups = (await talk.sim.sent()).filter((message) => message.setup);
  return (setups.at(-1).setup.tools ?? []).flatMap((one) => one.functionDeclarations ?? []).map((one) => one.name);
}

let users = 100;
async function newTalk(talk, ask) {
  const page = await Browser.open(talk.server, `/ws/${users++}?is_audio=false`);
  const said = await page.ask(ask);
  page.close();
  await page.closed();
  return said;
}

async function changeTools(talk) {
  assert.equal((await talk.call('fx_ask')).text,
    JSON.stringify({ ping: 'answered', 'sampling/createMessage': -32601, 'elicitation/create': -32601, 'roots/list': -32601 }));
  assert.deepEqual(await offered(talk), ['fx_slow', 'fx_ask', 'fx_learn', 'fx_unlearn', 'fx_step', 'fx_cut']);
  await talk.call('fx_learn', { name: 'dance' });
  await told(talk, 'fx: its tools are offered');
  assert.match(await newTalk(talk, 'tool fx_dance {}'), /this is dance/);
  assert.deepEqual(await offered(talk), ['fx_slow', 'fx_ask', 'fx_learn', 'fx_unlearn', 'fx_step', 'fx_cut', 'fx_dance']);
}

async function cancelCall(talk, fx) {
  const page = await Browser.open(talk.server, `/ws/${users++}?is_audio=false`, { protocols: ['antiphon.v1'] });
  page.text('tool fx_slow {}');
  await fx.until((one) => one.call === 'slow', 'the call');
  page.send(JSON.stringify({ type: 'stop' }));
  await fx.until((one) => one.cancelled === 'slow', 'the cancellation');
  page.close();
  await page.closed();
}

test('a child: it asks back, changes its tools, and a call is cancelled', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const talk = await start(t, fx.child());
  await changeTools(talk);
  await cancelCall(talk, fx);
  await talk.end();
});

test('a child that is killed: its call fails, it is started again by itself, with the tools it has then', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const talk = await start(t, fx.child());
  await talk.call('fx_learn', { name: 'sing' });
  await told(talk, 'fx: its tools are offered');
  const slow = talk.call('fx_slow');
  await fx.until((one) => one.call === 'slow', 'the call');
  const { started } = fx.happened().find((one) => one.started);
  process.kill(started, 'SIGKILL');
  assert.match((await slow).error, /its process has ended/);
  const { started: again } = await fx.until((one) => one.started && one.started !== started, 'another process');
  assert.notEqual(again, started);
  await told(talk, 'fx is there again');
  assert.match(await newTalk(talk, 'tool fx_sing {}'), /this is sing/);
  await talk.end();
});

test('a server that is not there at the start is offered when it is', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  fx.port = await freePort();
  const talk = await start(t, { name: 'fx', url: `http://127.0.0.1:${fx.port}/mcp`, allow_private: true, optional: true });
  await told(talk, 'fx is left out until it is there');
  await talk.browser.ask('hello');
  assert.deepEqual(await offered(talk), []);
  await fx.listen();
  await told(talk, 'fx: its tools are offered');
  await newTalk(talk, 'hello');
  assert.deepEqual(await offered(talk), ['fx_slow', 'fx_ask', 'fx_learn', 'fx_unlearn', 'fx_step', 'fx_cut']);
  await talk.end();
});

for (const isolation of ['thread', 'process'])
  test(`over HTTP, plugin in a ${isolation}: it asks back, changes its tools, and a call is cancelled`, { timeout: 120000 }, async (t) => {
    const fx = new Fixture(t);
    const server = { ...await fx.listen(), authorization: 'Bearer ${env:FX_TOKEN}', headers: [{ name: 'X-Extra', value: '${env:FX_EXTRA}' }] };
    const talk = await start(t, server, {
      settings: `plugins:\n  mcp:\n    isolation: ${isolation}\n    servers:\n      - ${JSON.stringify(server)}\n`,
      env: { FX_TOKEN: 'SECRET-TOKEN', FX_EXTRA: 'SECRET-EXTRA' },
    });
    await fx.until((one) => one.GET, 'a stream for what is said unasked');
    await changeTools(talk);
    await cancelCall(talk, fx);
    await talk.end();
    const asked = fx.happened().filter((one) => one.POST || one.GET);
    assert.ok(asked.every((one) => one.authorization === 'Bearer SECRET-TOKEN' && one.extra === 'SECRET-EXTRA'));
    assert.ok(!talk.server.err.includes('SECRET'));
    assert.ok(!readFileSync(talk.place.database, 'latin1').includes('SECRET'));
  });

test('over HTTP: progress is shown while the call runs', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const talk = await start(t, await fx.listen());
  const page = await Browser.open(talk.server, '/ws/50?is_audio=false', { protocols: ['antiphon.v1'] });
  page.text('tool fx_step {}');
  const frames = await page.until((frame) => frame.turn_complete);
  assert.deepEqual(frames.filter((frame) => frame.tool?.state === 'progress').map((frame) => frame.tool.text), ['step 1', 'step 2']);
  page.close();
  await page.closed();
  await talk.end();
});

test('over HTTP: the answer to a call whose stream ended before it', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const talk = await start(t, await fx.listen());
  assert.equal((await talk.call('fx_cut')).text, 'after the cut');
  assert.ok(fx.happened().some((one) => one.GET && one.last), 'asked for with the id of the last event');
  assert.equal(fx.happened().filter((one) => one.call === 'cut').length, 1);
  await talk.end();
});

test('over HTTP: a stream that ends is taken up where it was, and nothing is lost meanwhile', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const talk = await start(t, await fx.listen());
  await talk.call('fx_learn', { name: 'dance' });
  await told(talk, 'fx: its tools are offered');
  await fx.order('close');
  await fx.until((one) => one.stream === 'closed', 'the end of the stream');
  await talk.call('fx_learn', { name: 'sing' }); // nobody listens just now
  await fx.until((one) => one.GET && one.last, 'the id of the last event');
  await until(() => talk.server.err.split('fx: its tools are offered').length > 2, () => 'the second change');
  assert.match(await newTalk(talk, 'tool fx_sing {}'), /this is sing/);
  await talk.end();
});

test('over HTTP: a session that the server forgot, and a server that was started anew', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const talk = await start(t, await fx.listen());
  await fx.until((one) => one.GET, 'the stream');
  await fx.order('forget');
  await fx.order('close');
  await told(talk, 'fx is there again');
  assert.match((await talk.call('fx_step')).text, /done/);
  const slow = talk.call('fx_slow');
  await fx.until((one) => one.call === 'slow', 'the call');
  fx.process.kill('SIGKILL');
  await once(fx.process, 'exit');
  assert.ok((await slow).error);
  await fx.listen();
  await until(() => talk.server.err.split('fx is there again').length > 2, () => 'the new server');
  assert.match((await talk.call('fx_step')).text, /done/);
  await talk.end();
});

test('McpToolset of an agent made for ADK, as a child and over HTTP', { timeout: 120000 }, async (t) => {
  const fx = new Fixture(t);
  const { url } = await fx.listen();
  const agent = `agent_class: LlmAgent
name: helper
model: gemini-3.8-live
instruction: Use the tools.
tools:
  - name: McpToolset
    args:
      stdio_connection_params:
        server_params: {command: ${process.execPath}, args: [${fixture}, stdio, ${fx.journal}]}
        timeout: 60
      tool_filter: [step, learn]
      tool_name_prefix: near
  - name: McpToolset
    args:
      streamable_http_connection_params:
        url: ${url}
        headers: {Authorization: "secret:env:FX_TOKEN"}
`;
  const talk = await startTools(t, { agent, env: { FX_TOKEN: 'Bearer SECRET-TOKEN' } });
  assert.match((await talk.call('near_step')).text, /done/);
  assert.match((await talk.call('step')).text, /done/);
  assert.deepEqual(await offered(talk), ['near_learn', 'near_step', 'slow', 'ask', 'learn', 'unlearn', 'step', 'cut']);
  assert.ok(fx.happened().filter((one) => one.POST).every((one) => one.authorization === 'Bearer SECRET-TOKEN'));
  assert.match((await talk.call('near_slow')).error, /no tool with that name/);
  await talk.end();
});
