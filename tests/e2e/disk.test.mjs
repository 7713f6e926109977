// A disk that fills while the server runs: talks go on, everybody is told that they are not being kept, and it mends itself.
// Needs a small file system of its own, so it runs where mounting is allowed (root in a container, for example).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { folder, simulate, startServer } from './lib/faults.mjs';

const at = folder('disk-');
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', at], { encoding: 'utf8' });
const skip = mounted.status !== 0 && `mounting is not permitted here: ${mounted.stderr?.trim()}`;
if (!skip)
  process.on('exit', () => {
    spawnSync('umount', ['-l', at]);
    rmSync(at, { recursive: true, force: true });
  });

// Leaves no byte; the returned function frees them.
function fill(place) {
  const file = path.join(place, 'filler');
  const fd = openSync(file, 'w');
  for (let size = 65536; size >= 1;) {
    try {
      if (writeSync(fd, Buffer.alloc(size)) < size) size = Math.floor(size / 2);
    } catch (error) {
      assert.equal(error.code, 'ENOSPC');
      size = Math.floor(size / 2);
    }
  }
  closeSync(fd);
  assert.equal(statfsSync(place).bavail, 0);
  return () => rmSync(file);
}

async function ready(server) {
  const answer = await server.get('/readyz');
  return [answer.status, answer.body.toString()];
}

test('the disk fills, and has room again', { skip }, async (t) => {
  const place = path.join(at, 'one');
  mkdirSync(place);
  const sim = await simulate();
  t.after(() => sim.stop());
  const store = path.join(place, 'antiphon.db');
  const server = await startServer({ sim, store });
  t.after(() => server.stop());
  const client = await server.client('v1');
  const sample = await server.client('sample');
  const saved = async (text) => {
    client.text(text);
    return (await client.next((frame) => frame.turn_complete)).saved;
  };
  assert.equal(await saved('before'), true);
  assert.deepEqual(await ready(server), [200, 'ok\n']);

  const free = fill(place);
  // What fits into the pages that the log already has is still saved; then the state is told.
  const long = 'x'.repeat(30000);
  for (let i = 0; i < 50 && (await saved(`${i} ${long}`)); i++);
  const states = () => client.frames.filter((frame) => /durable/.test(frame.state)).map((frame) => frame.state);
  if (!states().length) await client.next((frame) => frame.state === 'not_durable');
  assert.deepEqual(states(), ['not_durable'], 'antiphon.v1 is told, once');
  assert.equal(await saved(long), false);
  assert.deepEqual(states(), ['not_durable']);
  const [status, text] = await ready(server);
  assert.equal(status, 503);
  assert.match(text, /store/);
  assert.match(server.err, /warn|error/);
  assert.match(server.err, /full|space/i, 'the log says why');

  // Both protocols talk on, typed and spoken.
  assert.equal(await sample.ask('still here'), 'You said: still here');
  assert.equal(await client.ask('me too'), 'You said: me too');
  const loud = Buffer.alloc(32000);
  for (let i = 0; i < 16000; i++) loud.writeInt16LE(Math.round(8000 * Math.sin(i / 10)), i * 2);
  client.audio(loud);
  client.audio(Buffer.alloc(64000));
  assert.match(await client.answer(), /^I heard about/);
  // Somebody new can talk as well.
  const late = await server.client('sample');
  assert.equal(await late.ask('hello'), 'You said: hello');
  assert.ok(!client.frames.some((frame) => frame.error), client.tail(0));

  free();
  assert.equal(await saved(`kept ${long}`), true);
  if (states().at(-1) !== 'durable') await client.next((frame) => frame.state === 'durable');
  for (let i = 1; i < states().length; i++) assert.notEqual(states()[i], states()[i - 1], 'only changes are told');
  assert.deepEqual(await ready(server), [200, 'ok\n']);

  const database = new DatabaseSync(store, { readOnly: true });
  assert.equal(database.prepare('PRAGMA integrity_check').get().integrity_check, 'ok');
  const all = JSON.stringify(database.prepare('SELECT event_data FROM events').all());
  database.close();
  assert.ok(all.includes('before') && all.includes('kept'));
});

test('a disk without room at the start: one clear line', { skip }, async () => {
  const place = path.join(at, 'two');
  mkdirSync(place);
  const free = fill(at);
  await assert.rejects(startServer({ sim: 'http://127.0.0.1:9', store: path.join(place, 'antiphon.db') }), (error) => {
    assert.match(error.message, /serve ended with 1/);
    assert.match(error.message, /antiphon\.db/);
    assert.match(error.message, /full|space/i);
    return true;
  });
  free();
});
