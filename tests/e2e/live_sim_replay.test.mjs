// live-sim answers the recorded frames of real clients as the recorded server did, frame for frame.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { fixtures, startLiveSim } from './lib/live_sim.mjs';
import { readRecording, replay } from './lib/replay.mjs';

const seed = path.join(fixtures, 'wire/seed');
const genai = path.join(fixtures, 'wire/genai');

// In these the second connection's server answers its initial history, which the documented Live API does not do
// (live_sim.test.mjs has the documented case).
const initialHistoryIsNotAnswered = new Set(['gemini3-midturn-disconnect-reconnect', 'gemini3-midturn-tcp-drop-reconnect']);

function recordings(folder) {
  return readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
    .map((name) => ({ name: name.replace('.jsonl', ''), frames: readRecording(path.join(folder, name)) }))
    .filter(({ frames }) => frames.some((f) => f.type === 'open'));
}

function compare(result) {
  assert.deepEqual(result.actual, result.expected);
  if (!result.expectedClose) return;
  const reason = result.expectedClose.reason.replace('API version v1beta,', 'API version v1alpha,');
  assert.equal(result.actualClose.code, result.expectedClose.code);
  assert.ok(result.actualClose.reason.startsWith(reason), result.actualClose.reason);
}

describe('recordings of the server', { concurrency: 4 }, () => {
  for (const folder of [seed, path.join(seed, 'tools')])
    for (const { name, frames } of recordings(folder))
      test(`${path.basename(folder)}/${name}`, { timeout: 60000 }, async () => {
        // What was interrupted once is interrupted again, however busy the machine is.
        const interrupted = frames.some((f) => f.type === 'binary' && /"interrupted"/.test(f.data));
        const pace = interrupted ? ['--scenario', path.join(fixtures, 'live-sim/unhurried.yaml')] : [];
        const sim = await startLiveSim('--stable-ids', ...pace);
        try {
          const known = initialHistoryIsNotAnswered.has(name) ? frames.filter((f) => f.conn !== 2) : frames;
          for (const result of await replay(sim, known)) compare(result);
        } finally {
          await sim.stop();
        }
      });
});

// The SDK recordings: one file a client, many cases in it.
const inputThatTheRecorderIgnored = new Set(['realtime', 'realtime-activity', 'legacy-send']);

function cases(frames) {
  const list = [];
  for (const frame of frames) {
    const found = frame.type === 'note' && /^case (.*)/.exec(frame.data);
    if (found) list.push({ name: found[1], frames: [] });
    else list.at(-1)?.frames.push(frame);
  }
  return list.filter((c) => c.frames.some((f) => f.type === 'open'));
}

describe('recordings of the SDKs', { concurrency: 4 }, () => {
  for (const file of readdirSync(genai).filter((f) => f.endsWith('.jsonl')).sort())
    for (const one of cases(readRecording(path.join(genai, file))))
      test(`${file.replace('.jsonl', '')} ${one.name}`, { timeout: 60000 }, async () => {
        const args = file.includes('vertex') ? [] : ['--key', 'k'];
        const sim = await startLiveSim('--stable-ids', ...args);
        try {
          for (const result of await replay(sim, one.frames, { urlSafe: file.startsWith('python') })) {
            if (result.expectedClose) {
              assert.deepEqual({ code: result.actualClose.code, reason: result.actualClose.reason },
                { code: result.expectedClose.code, reason: result.expectedClose.reason });
            } else if (inputThatTheRecorderIgnored.has(one.name)) {
              assert.ok(result.actual.length >= result.expected.length);
            } else {
              assert.deepEqual(result.actual.map(withoutBackend), result.expected.map(withoutBackend));
            }
          }
        } finally {
          await sim.stop();
        }
      });
});

// The recorder used the Developer API's names on Vertex too.
function withoutBackend(text) {
  return text.replace('"setupComplete":{"sessionId":"sim-session-1"}', '"setupComplete":{}')
    .replaceAll('candidatesToken', 'responseToken').replace(',"trafficType":"ON_DEMAND"', '');
}
