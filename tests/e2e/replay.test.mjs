// Every recorded scenario again, against the real binary: the same frames come in from both sides, and what goes out is
// what was recorded but for the mended differences of replay/mended.mjs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { equal, normalise, show } from './lib/compare.mjs';
import { Difference, replay } from './lib/player.mjs';
import { readScenario, scenarioNames } from './lib/scenario.mjs';
import { makePlace, pluginFolder, searchAgent, startServer } from './lib/server.mjs';
import { Upstream } from './lib/upstream.mjs';
import { mend, mended } from './replay/mended.mjs';

const timeAgent = `agent_class: LlmAgent
name: time_agent
description: Tells time and weather.
model: \${env:DEMO_AGENT_MODEL}
instruction: Answer with the tools.
tools:
  - name: get_time
  - name: get_weather
  - name: slow_time
  - name: plain
  - name: nothing
  - name: boom
`;

// Of the lengths that the recorded pages had.
const pages = {
  'static/index.html': '<!doctype html>'.padEnd(605) + '\n',
  'static/js/app.js': '// app'.padEnd(6397) + '\n',
  'static/js/audio-player.js': '/**\n * Audio'.padEnd(741) + '\n',
};

function makeScene(scenario) {
  if (!scenario.tools) {
    // Frame for frame: the original joins nothing.
    const settings = 'audio:\n  join_ms: 0\n';
    const place = makePlace({ agents: { google_search_agent: searchAgent() }, files: pages, settings });
    return { place, args: ['--static', `${place.folder}/static`] };
  }
  const place = makePlace({ agents: { time_agent: timeAgent }, settings: 'plugins:\n  time_tools:\n    slow_ms: 1000\n' });
  return { place, args: ['--plugins', pluginFolder(place, 'time_tools')] };
}

// Field by field, so that a difference names its field.
function compareSetup(event, got) {
  const expected = normalise((typeof event.data === 'string' ? JSON.parse(event.data) : event.data).setup);
  const is = normalise(got.setup);
  for (const key of new Set([...Object.keys(expected), ...Object.keys(is)]))
    if (!equal(expected[key], is[key]))
      throw new Difference(`line ${event.line}: setup.${key}\n  expected ${show(expected[key])}\n  got      ${show(is[key])}`);
}

// Plays a scenario against a server of its own.
async function run(t, scenario) {
  const upstream = await Upstream.start();
  const { place, args } = makeScene(scenario);
  const server = await startServer(t, {
    place, args: ['--shards', '2', ...args], env: { ...upstream.env, DEMO_AGENT_MODEL: scenario.model },
  });
  try {
    await replay(scenario, server, upstream, compareSetup);
  } catch (error) {
    error.message += `\n--- server\n${server.err}`;
    throw error;
  } finally {
    await server.stop().finally(() => upstream.stop());
    place.remove();
  }
}

describe('recorded scenarios', { concurrency: 2 }, () => {
  for (const name of scenarioNames()) test(name, (t) => run(t, mend(readScenario(name)).scenario));
});

test('every mended difference has its counter-example in a recording', () => {
  const used = new Set(scenarioNames().flatMap((name) => mend(readScenario(name)).used));
  const unused = mended.filter((rule) => !used.has(rule)).map(({ recorded, why }) => `${recorded} ${why}`);
  assert.deepEqual(unused, []);
});

describe('a difference is seen', () => {
  const changed = (change) => {
    const { scenario } = mend(readScenario('text-hello'));
    return { ...scenario, events: change(scenario.events) };
  };
  const line = /text-hello\.jsonl:13: client 1 out text/;

  test('of a word', (t) => assert.rejects(run(t, changed((events) => events.map((event) =>
    (event.line === 13 ? { ...event, data: event.data.replace('said', 'sang') } : event)))), line));
  test('of an order', (t) => assert.rejects(run(t, changed((events) => {
    const at = events.findIndex((event) => event.line === 13);
    return events.with(at, { ...events[at + 1], line: 13 }).with(at + 1, events[at]);
  })), line));
  test('when more comes', (t) => assert.rejects(run(t, changed((events) => events.filter((event) => event.line !== 14))),
    /text-hello\.jsonl:18: client 1 out text/));
});
