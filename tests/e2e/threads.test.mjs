// Much at once on two shards: what runs under the thread sanitizer. 20 users with two sockets each type, call tools, lose
// their connection to the model, leave and come back; then the server stops in the middle of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { startLiveSim } from './lib/live_sim.mjs';
import { makePlace, pluginFolder, startServer } from './lib/server.mjs';

const agent = `agent_class: LlmAgent
name: time_agent
description: Tells time and weather.
model: \${env:DEMO_AGENT_MODEL}
instruction: Answer with the tools.
tools:
  - name: get_time
  - name: get_weather
  - name: slow_time
  - name: boom
`;
const users = 20;
const patience = 30000; // the sanitizer is slow, and so may the machine be

async function live(server, user) {
  const path = (audio) => `/ws/${user}?is_audio=${audio}`;
  const first = await Browser.open(server, path(false));
  assert.equal(await first.ask('hello', patience), 'You said: hello');

  const second = await Browser.open(server, path(true));
  assert.match(await second.ask('tool get_time {"city":"Seoul"} get_weather {"city":"Busan"}', patience), /^Tool said: /);
  assert.match(await first.ask('tool boom {"city":"Seoul"}', patience), /^Tool said: .*boom in Seoul/);
  for (let i = 0; i < 10; i++)
    second.send(JSON.stringify({ mime_type: 'audio/pcm', data: Buffer.alloc(640).toString('base64') }));
  second.drop();

  // The connection goes twice over the same text: that is told, and the next text is answered.
  const frames = [];
  first.text('die');
  for (;;) {
    frames.push(...(await first.until((frame) => frame.turn_complete || frame.error, patience)));
    if (frames.at(-1).turn_complete && frames.some((frame) => frame.error)) break;
  }
  assert.equal(frames.find((frame) => frame.error).error.code, 'not_answered');
  assert.match(await first.ask('history', patience), /u:hello \| m:You said: hello/);
  assert.equal(await first.ask('goaway 5', patience), 'Going.');
  assert.equal(await first.ask('after', patience), 'You said: after');
  first.close();
  await first.closed(patience);

  const again = await Browser.open(server, path(false));
  assert.match(await again.ask('history', patience), /u:after \| m:You said: after/);
  return again;
}

test(`${users} users on two shards`, { timeout: 240000 }, async (t) => {
  const sim = await startLiveSim();
  t.after(() => {
    try {
      process.kill(sim.pid, 'SIGKILL'); // where the test failed before sim.stop()
    } catch {}
  });
  const place = makePlace({ agents: { time_agent: agent }, settings: 'plugins:\n  time_tools:\n    slow_ms: 300\n' });
  t.after(() => place.remove());
  const server = await startServer(t, {
    place,
    args: ['--shards', '2', '--plugins', pluginFolder(place, 'time_tools')],
    env: { GOOGLE_GEMINI_BASE_URL: sim.url, GOOGLE_API_KEY: 'k', DEMO_AGENT_MODEL: 'gemini-2.0-flash-live-001' },
  });
  const left = await Promise.all(Array.from({ length: users }, (_, i) => live(server, i + 1)));

  // In the middle of answers and of tools.
  await Promise.all(left.map((browser, i) => {
    browser.text(i % 2 ? 'slow' : 'tooltc slow_time {"city":"Seoul"}');
    return browser.until((frame) => frame.data === 'one ' || frame.turn_complete, patience);
  }));
  const begun = Date.now();
  await server.stop();
  assert.ok(Date.now() - begun < 5000, `it took ${Date.now() - begun} ms to stop`);
  for (const browser of left) assert.equal((await browser.closed(patience)).code, 1001);
  await sim.stop();
});
