// mcp with servers of the protocol's revision 2026-07-28: the reference server for Python, and one made with its SDK.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { board, python, startBoard, timeServer, told } from './lib/mcp_server.mjs';
import { startTools } from './lib/tools.mjs';

const settings = (server) => `plugins:\n  mcp:\n    servers:\n      - ${JSON.stringify({ start_timeout_ms: 60000, ...server })}\n`;

test('the reference server of time', { timeout: 120000 }, async (t) => {
  const talk = await startTools(t, {
    tools: ['time'], settings: settings({ name: 'time', command: [timeServer, '--local-timezone', 'Asia/Seoul'] }),
  });
  const now = await talk.call('time_get_current_time', { timezone: 'Asia/Seoul' });
  assert.equal(now.timezone, 'Asia/Seoul');
  assert.match(now.datetime, /\+09:00$/);
  const there = await talk.call('time_convert_time', { source_timezone: 'Asia/Seoul', time: '18:30', target_timezone: 'UTC' });
  assert.match(there.target.datetime, /T09:30:00/);
  assert.match((await talk.call('time_get_current_time', { timezone: 'Nowhere/None' })).error, /Nowhere\/None/);
  await talk.end();
});

async function changeTools(t, server) {
  const talk = await startTools(t, { tools: ['board'], settings: settings(server) });
  const page = await Browser.open(talk.server, '/ws/60?is_audio=false', { protocols: ['antiphon.v1'] });
  page.text('tool board_walk {}');
  const frames = await page.until((frame) => frame.turn_complete);
  assert.deepEqual(frames.filter((frame) => frame.tool?.state === 'progress').map((frame) => frame.tool.text), ['step 1', 'step 2']);
  page.close();
  await page.closed();
  await talk.browser.ask('tool board_learn {"name":"dance"}');
  await told(talk, 'board: its tools are offered');
  const later = await Browser.open(talk.server, '/ws/61?is_audio=false');
  assert.match(await later.ask('tool board_dance {}'), /this is dance/);
  later.close();
  await later.closed();
  const setups = (await talk.sim.sent()).filter((message) => message.setup);
  assert.deepEqual(setups.at(-1).setup.tools[0].functionDeclarations.map((one) => one.name), ['board_learn', 'board_walk', 'board_dance']);
  await talk.end();
}

test('a child: progress, and its tools change', { timeout: 120000 }, (t) =>
  changeTools(t, { name: 'board', command: [python, board, 'stdio'] }));

test('over HTTP: progress, and its tools change', { timeout: 120000 }, async (t) => {
  const { url } = await startBoard(t);
  await changeTools(t, { name: 'board', url, allow_private: true });
});
