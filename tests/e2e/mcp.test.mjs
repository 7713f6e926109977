// mcp with the protocol's own reference server, as a child process and over HTTP.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { everything, startEverything } from './lib/mcp_server.mjs';
import { startTools } from './lib/tools.mjs';

const tools = ['ev_echo', 'ev_get-sum', 'ev_get-tiny-image', 'ev_get-structured-content', 'ev_get-env',
  'ev_trigger-long-running-operation'];
const settings = (server) => `plugins:\n  mcp:\n    servers:\n      - ${JSON.stringify({ name: 'ev', start_timeout_ms: 60000, ...server })}\n`;
const child = (more) => settings({ command: [process.execPath, everything, 'stdio'], env: ['MARK=seen'], ...more });

async function useTools(talk) {
  assert.deepEqual(await talk.call('ev_echo', { message: '한글 \n "x"' }), { text: 'Echo: 한글 \n "x"' });
  assert.match((await talk.call('ev_get-sum', { a: 2, b: 3 })).text, /5/);
  assert.match((await talk.call('ev_get-tiny-image')).text, /\[image, image\/png, \d+ bytes, cannot be shown here\]/);
  const weather = await talk.call('ev_get-structured-content', { location: 'New York' });
  assert.equal(typeof weather.temperature, 'number');
}

test('a server that is a child process', { timeout: 240000 }, async (t) => {
  const talk = await startTools(t, { tools, settings: child(), env: { SECRET: 'not for others' } });
  await useTools(talk);
  assert.match((await talk.call('ev_echo', {})).error, /message/);
  const env = (await talk.call('ev_get-env')).text;
  assert.match(env, /"MARK": "seen"/);
  assert.ok(!env.includes('SECRET') && !env.includes('GOOGLE_API_KEY'));
  await talk.end();
});

test('a server over HTTP', { timeout: 240000 }, async (t) => {
  const server = await startEverything(t);
  const talk = await startTools(t, { tools, settings: settings({ url: server.url, allow_private: true }) });
  await useTools(talk);
  await talk.end();
});

test('a call that takes too long is given up', { timeout: 240000 }, async (t) => {
  const talk = await startTools(t, { tools, settings: child({ timeout_ms: 1000 }) });
  const answer = await talk.call('ev_trigger-long-running-operation', { duration: 60, steps: 2 });
  assert.match(answer.error, /did not answer in time/);
  assert.match((await talk.call('ev_echo', { message: 'still there' })).text, /still there/);
  await talk.end();
});

test('a child that dies is started again', { timeout: 240000 }, async (t) => {
  const talk = await startTools(t, { tools, settings: child() });
  assert.match((await talk.call('ev_echo', { message: 'one' })).text, /one/);
  const children = readdirSync(`/proc/${talk.server.pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${talk.server.pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean));
  assert.equal(children.length, 1);
  process.kill(Number(children[0]), 'SIGKILL');
  let answer;
  do { // until the second is over before which it is not tried
    answer = await talk.call('ev_echo', { message: 'two' });
    if (!answer.text) assert.match(answer.error, /its process has ended|it is down/);
  } while (!answer.text);
  assert.match(answer.text, /two/);
  await talk.end();
});
