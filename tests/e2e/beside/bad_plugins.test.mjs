// A hundred conversations stream audio while plugins go wrong in every way, one after the other: they lose nothing. For the release
// build: a sanitizer's takes more than a core for that many.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import {
  NEVER_MS, SOON_MS, check, complaints, deadly, files, fixtures, harmless, isLate, survived, unloadable, until,
} from '../lib/bad_plugins.mjs';
import { call, drop, plugins } from '../lib/isolation.mjs';
import { startServed, startStreams } from '../lib/streams.mjs';

const SESSIONS = 100;
const badCalls = path.join(fixtures, 'bad_calls.so');
const agents = Object.fromEntries([['soon', SOON_MS], ['later', NEVER_MS]].map(([name, ms]) => [name,
  `tools: [{name: misbehave}, {name: behave}]\nlive: {provider: echo_model, tools: {misbehave: {deadline_ms: ${ms}}, behave: {deadline_ms: ${NEVER_MS}}}}\n`]));

const talk = (server, row) => server.client('v1', { user: 1000000 + server.clients.length, query: `&agent=${isLate(row) ? 'soon' : 'later'}` });

// One wrong call in a conversation of its own, and a right one behind it.
async function goWrong(server, row) {
  const [how, { told, line }] = row;
  const from = server.err.length;
  const client = await talk(server, row);
  check(how, told, await call(client, 'misbehave', { how }));
  if (line) await until(() => complaints(server.err.slice(from), 'bad_calls').some((one) => line.test(one)), () => `${how}: ${server.err.slice(from)}`);
  assert.ok((await call(client, 'behave')).pid > 0, how);
  await client.leave();
}

function unhurt(t, result, what) {
  t.diagnostic(`${what}: ${result.up_received + result.down_received} frames in ${result.seconds.toFixed(1)} s, lost ${result.lost}, ` +
    `damaged ${result.damaged}; p99 up ${result.up_us.p99} us, down ${result.down_us.p99} us, longest ${result.up_us.max}, ${result.down_us.max}; generator late by up to ${result.late_us.max} us`);
  if (result.lost && result.starved) {
    t.skip('the machine was too busy to tell');
    return;
  }
  assert.equal(result.clients, SESSIONS);
  assert.ok(result.up_sent > 0 && result.down_sent > 0);
  assert.deepEqual([result.lost, result.damaged, result.errors, result.connections_lost], [0, 0, 0, 0], result.first_error);
}

const offered = (server) => server.err.split('bad_calls: version 1.0.0 is offered').length;

test('in processes of their own', { timeout: 180000 }, async (t) => {
  const server = await startServed(t, {
    plugins: { bad_calls: badCalls, versioned: path.join(fixtures, 'versioned/1/versioned.so') },
    settings: '  bad_calls: {memory_mb: 768}\n  versioned: {}\n',
    agents,
  });
  const streams = await startStreams(t, server, SESSIONS);
  for (const row of Object.entries(harmless)) await goWrong(server, row);
  for (const row of Object.entries(deadly)) {
    await goWrong(server, row);
    const before = offered(server);
    drop(badCalls, server.dropped); // a new generation, whose deaths count from nothing
    await until(() => offered(server) > before, () => server.err);
  }
  for (const [name, reason] of Object.entries({
    not_elf: unloadable.not_elf, undefined_symbol: unloadable.undefined_symbol, 'ill/crash/versioned': /^init: /, 'ill/exit/versioned': /^init: /,
    'ill/after_two/versioned': /^init: /, 'ill/clash/versioned': /^register: /,
  })) {
    drop(files(t, [name])[name], server.dropped, 'versioned.so');
    await until(async () => reason.test(/refused: (.*)$/.exec((await plugins(server)).versioned)?.[1]), () => `${name}: ${server.err}`);
  }
  unhurt(t, await streams.end(), 'processes');
});

test('in the server itself, what it survives', { timeout: 180000 }, async (t) => {
  const server = await startServed(t, { plugins: { bad_calls: badCalls }, settings: '  bad_calls: {isolation: thread}\n', agents });
  const streams = await startStreams(t, server, SESSIONS);
  for (const row of Object.entries(survived)) await goWrong(server, row);
  unhurt(t, await streams.end(), 'threads');
});
