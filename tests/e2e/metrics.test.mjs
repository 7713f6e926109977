// What /metrics tells: read by Prometheus's own parser, counted beside what was really sent, and a loop that lags.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { startLiveSim, tone } from './lib/live_sim.mjs';
import { makePlace, pluginFolder, searchAgent, startServer } from './lib/server.mjs';

const echo = `agent_class: LlmAgent
name: echo
model: echo-1
instruction: Echo.
live:
  provider: echo_model
`;

// The exposition as prometheus_client (the Python client) reads it: {name: {type, help, samples: [[name, labels, value]]}}.
const parser = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
print(json.dumps({f.name: {"type": f.type, "help": f.documentation,
    "samples": [[s.name, s.labels, "+Inf" if s.value == float("inf") else s.value] for s in f.samples]}
    for f in text_string_to_metric_families(sys.stdin.read())}))
`;

function parse(text) {
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', parser], { input: text, maxBuffer: 2 ** 24 });
  assert.equal(status, 0, String(stderr));
  return JSON.parse(stdout);
}

async function scrape(url) {
  const response = await fetch(url);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  return { text, families: parse(text) };
}

function value(families, name, labels = {}) {
  const family = families[name.replace(/_total$|_count$|_sum$/, '')] ?? families[name];
  assert.ok(family, `${name} is there`);
  const found = family.samples.find(([sample, has]) =>
    sample === name && Object.entries(labels).every(([key, of]) => has[key] === of));
  assert.ok(found, `${name} ${JSON.stringify(labels)} is there`);
  return found[2];
}

// Until what is measured behind the answer is there as well: a turn's end comes before its commit is counted.
async function until(url, fits) {
  const late = Date.now() + 20000;
  for (;;) {
    const { families, text } = await scrape(url);
    if (fits(families)) return families;
    assert.ok(Date.now() < late, text);
  }
}

function checkHistogram(name, family) {
  const series = new Map();
  for (const [sample, labels, number] of family.samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    const one = series.get(key) ?? { buckets: [] };
    series.set(key, one);
    if (sample === `${name}_bucket`) one.buckets.push([Number(le.replace('+Inf', 'Infinity')), number]);
    else one[sample.slice(name.length + 1)] = number;
  }
  assert.ok(series.size >= 1, name);
  for (const { buckets, count, sum } of series.values()) {
    assert.deepEqual(buckets.map(([le]) => le), buckets.map(([le]) => le).sort((a, b) => a - b), `${name}: bounds rise`);
    for (let i = 1; i < buckets.length; i++) assert.ok(buckets[i][1] >= buckets[i - 1][1], `${name} is cumulative`);
    assert.equal(buckets.at(-1)[0], Infinity);
    assert.equal(buckets.at(-1)[1], count, name);
    assert.ok(sum >= 0 && (count > 0 || sum === 0), name);
  }
}

const shown = ['antiphon_sessions', 'antiphon_upstreams', 'antiphon_client_sockets', 'antiphon_client_sockets_idle',
  'antiphon_client_queue_bytes', 'antiphon_upstream_queue_bytes', 'antiphon_store_queue_records', 'antiphon_audio_relay_seconds',
  'antiphon_turn_commit_seconds', 'antiphon_tool_call_seconds', 'antiphon_store_commit_seconds',
  'antiphon_store_batch_records', 'antiphon_loop_lag_seconds', 'antiphon_http_requests'];

test('a talk is counted, message by message, in a form that Prometheus reads', async (t) => {
  const sim = await startLiveSim();
  t.after(() => sim.stop());
  const place = makePlace({ agents: { google_search_agent: searchAgent() } });
  t.after(() => place.remove());
  const server = await startServer(t, {
    place, env: { GOOGLE_API_KEY: 'k', GOOGLE_GEMINI_BASE_URL: sim.url }, args: ['--shards', '2', '--metrics', '127.0.0.1:0'],
  });
  assert.match(server.out, /^antiphon listening on /);
  const [, url] = /Metrics: (\S+)\n/.exec(server.out);
  assert.equal((await fetch(`${server.url}/metrics`)).status, 404, 'not where clients can read it');
  assert.equal((await fetch(url.replace(/metrics$/, ''))).status, 404, 'and nothing else here');
  const before = await scrape(url);
  for (const name of shown) assert.ok(before.families[name], `${name} is there before anything happened`);

  const browser = await Browser.open(server, '/ws/7?is_audio=true');
  await browser.ask('hello');
  const frames = 50;
  const sound = tone(40);
  for (let i = 0; i < frames; i++)
    browser.send(JSON.stringify({ mime_type: 'audio/pcm', data: sound.toString('base64') }));
  const after = await until(url, (now) => value(now, 'antiphon_audio_relay_seconds_count', { direction: 'up' }) >= frames);
  assert.equal(value(after, 'antiphon_audio_spliced_total'), frames);
  assert.equal(value(after, 'antiphon_audio_parsed_total'), 0);
  assert.equal(value(after, 'antiphon_client_messages_in_total'), frames + 1);
  assert.equal(value(after, 'antiphon_sessions'), 1);
  assert.equal(value(after, 'antiphon_client_sockets'), 1);
  assert.equal(value(after, 'antiphon_upstreams'), 1);
  assert.ok(value(after, 'antiphon_audio_relay_seconds_count', { direction: 'down' }) > 0, 'the answer was spoken');
  assert.equal(value(after, 'antiphon_turns_total') >= 1, true);
  assert.ok(value(after, 'antiphon_turn_commit_seconds_count') >= 1);
  assert.ok(value(after, 'antiphon_store_commit_seconds_count') >= 1);
  assert.equal(value(after, 'antiphon_store_batch_records_sum'), value(after, 'antiphon_store_records_total'));
  assert.ok(value(after, 'antiphon_http_requests_total', { code: '4xx' }) >= 2);
  for (const shard of ['0', '1']) assert.equal(typeof value(after, 'antiphon_loop_lag_seconds_count', { shard }), 'number');
  browser.close();
  const left = await until(url, (now) => value(now, 'antiphon_sessions') === 0);
  for (const name of ['sessions', 'client_sockets', 'upstreams', 'client_queue_bytes', 'client_queue_messages',
    'upstream_queue_bytes', 'upstream_queue_messages', 'store_queue_records', 'store_queue_bytes'])
    assert.equal(value(left, `antiphon_${name}`), 0, name);
  assert.equal(value(left, 'antiphon_http_requests_total', { code: '5xx' }), 0);

  const { text, families } = await scrape(url);
  for (const [name, family] of Object.entries(families)) {
    assert.match(name, /^antiphon_[a-z0-9_]+$/);
    assert.ok(family.help.length > 5, `${name} says what it is`);
    assert.notEqual(family.type, 'unknown', name);
    if (family.type === 'histogram') checkHistogram(name, family);
  }
  for (const line of text.split('\n').filter((one) => one.startsWith('# TYPE')))
    assert.equal(text.split(`${line}\n`).length, 2, `${line}, once`);
  // What a scrape may cost does not rise with what happens: no label but these, and they take few values.
  const labels = new Set(Object.values(families).flatMap(({ samples }) => samples.flatMap(([, has]) => Object.keys(has))));
  assert.deepEqual([...labels].sort(), ['code', 'direction', 'le', 'shard']);
  assert.equal(text.split('\n').length, before.text.split('\n').length, 'no line came with the talk');
  await server.stop();
});

test('a loop that lags says so once, with what it was doing', async (t) => {
  const place = makePlace({ agents: { echo }, settings: 'plugins:\n  echo_model:\n    isolation: thread\n' });
  t.after(() => place.remove());
  const server = await startServer(t, { place, args: ['--shards', '1', '--plugins', pluginFolder(place, 'echo_model')] });
  const browser = await Browser.open(server, '/ws/7?is_audio=false&agent=echo');
  const url = `${server.url}/metrics`;
  await browser.ask('hello');
  const ago = await scrape(url);
  const stalls = value(ago.families, 'antiphon_loop_stalls_total', { shard: '0' });
  const naps = 3;
  for (let i = 0; i < naps; i++) await browser.ask('nap 150');
  const { families } = await scrape(url);
  assert.ok(value(families, 'antiphon_loop_stalls_total', { shard: '0' }) >= stalls + naps);
  const slow = families.antiphon_loop_lag_seconds.samples.filter(([name]) => name.endsWith('_bucket'));
  const short = slow.find(([, { le }]) => Number(le) > 0.1 && Number(le) < 0.15)[2];
  assert.ok(value(families, 'antiphon_loop_lag_seconds_count', { shard: '0' }) - short >= naps);
  browser.close();
  await server.stop();
  const lines = server.err.split('\n').filter((line) => line.includes(' lagged '));
  // A machine that was busy before the first nap has already said so, with something else.
  if (stalls === 0) {
    assert.equal(lines.length, 1, server.err);
    assert.match(lines[0], /shard=0 lagged (1[5-9]|[2-9]\d)\d ms callbacks=/);
    assert.match(lines[0], /a client's message > a typed text.* > the model plugin's send\(\)/);
  }
});
