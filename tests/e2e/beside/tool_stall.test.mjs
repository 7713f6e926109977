// A tool that sleeps for a minute under a limit of two seconds, beside a hundred conversations that stream audio: it is answered for at its
// limit, and the others do not notice. Their latency is compared with that of the same server in the same minute without the tool: it is
// printed, and judged where ANTIPHON_STALL_MS says how much it may move (tests/long/stall, on a machine that does nothing else).
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fixtures } from '../lib/bad_plugins.mjs';
import { call } from '../lib/isolation.mjs';
import { startServed, startStreams } from '../lib/streams.mjs';

const SESSIONS = 100;
const LIMIT_MS = 2000;
const WINDOW_MS = LIMIT_MS + 2000;
const limit = Number(process.env.ANTIPHON_STALL_MS ?? 0);
const rounds = limit ? 3 : 1; // each takes one of the eight workers of `thread` for a minute

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1];

// What load measured while `during` ran, and for at least WINDOW_MS.
async function measure(t, server, during) {
  const streams = await startStreams(t, server, SESSIONS);
  await Promise.all([during(), new Promise((resolve) => { setTimeout(resolve, WINDOW_MS); })]);
  const result = await streams.end();
  assert.ok(result.up_sent > 0 && result.down_sent > 0);
  if (!result.lost || !result.starved) assert.deepEqual([result.lost, result.damaged, result.errors, result.connections_lost], [0, 0, 0, 0], result.first_error);
  return result;
}

for (const isolation of ['process', 'thread']) {
  test(`isolation: ${isolation}`, { timeout: 240000 }, async (t) => {
    const server = await startServed(t, {
      plugins: { life_tools: path.join(fixtures, 'life_tools.so') },
      settings: `  life_tools: {isolation: ${isolation}}\n`,
      agents: { sleeper: `tools: [{name: stuck}]\nlive: {provider: echo_model, tools: {stuck: {deadline_ms: ${LIMIT_MS}}}}\n` },
    });
    const pairs = [];
    for (let round = 0; round < rounds; round++) {
      const client = await server.client('v1', { user: 1000000 + round, query: '&agent=sleeper' });
      const quiet = await measure(t, server, async () => {});
      const stalled = await measure(t, server, async () => {
        const { error } = await call(client, 'stuck', { ms: 60000 });
        assert.match(error, /^the tool did not finish in time/);
      });
      await client.leave();
      pairs.push({ quiet, stalled });
    }
    if (pairs.some(({ quiet, stalled }) => quiet.lost + stalled.lost > 0)) {
      t.skip('the machine was too busy to tell');
      return;
    }
    for (const way of ['up_us', 'down_us']) {
      const shift = median(pairs.map(({ quiet, stalled }) => stalled[way].p99 - quiet[way].p99)) / 1000;
      t.diagnostic(`${isolation}, ${way.slice(0, -3)}: p99 ${pairs.map(({ quiet, stalled }) => `${quiet[way].p99} -> ${stalled[way].p99}`).join(', ')} us; ` +
        `the shift is ${shift.toFixed(2)} ms, of ${pairs[0].stalled[way].count} frames 0 were lost`);
      if (limit) assert.ok(shift < limit, `p99 moved by ${shift} ms`);
    }
  });
}
