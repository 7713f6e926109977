// Plugins that were not built with this tree: one against the first released header (tests/fixtures/abi), and one in C++ against
// what is installed. Both are called by a model through a server, in both isolation modes where that is survivable.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { build, folder, root, run } from './lib/faults.mjs';
import { call, plugins, startIsolated } from './lib/isolation.mjs';

for (const mode of ['process', 'thread'])
  test(`a plugin of the first release, in mode ${mode}`, async (t) => {
    const server = await startIsolated(t, {
      agents: { talk: ['frozen_count'] }, plugins: ['frozen'], settings: `  frozen: {isolation: ${mode}, unit: turns}\n`,
    });
    const client = await server.client('v1');
    assert.deepEqual(await call(client, 'frozen_count', { by: 2 }), { unit: 'turns', talk: 2, ever: 2 });
    assert.deepEqual(await call(client, 'frozen_count'), { unit: 'turns', talk: 3, ever: 3 });
    assert.ok(client.frames.some((frame) => JSON.stringify(frame).includes('"counted"')), 'the event for the page');
    client.text('please melt');
    const refusal = await client.next((frame) => /It stays frozen\./.test(JSON.stringify(frame)));
    assert.ok(refusal);
    assert.deepEqual(await call(client, 'frozen_count', { by: 10 }), { unit: 'turns', talk: 13, ever: 13 });
    assert.equal((await plugins(server)).frozen, mode === 'process' ? 'ok' : undefined);
  });

test('a plugin in C++ from the installed package: exceptions do not leave it, and one that does hurts itself alone', async (t) => {
  const at = folder('cpp-');
  const [, sanitize] = /^ANTIPHON_SANITIZE:\w+=(.*)$/m.exec(readFileSync(path.join(build, 'CMakeCache.txt'), 'utf8'));
  const step = async (...args) => {
    const { code, out, err } = await run(args, { program: 'cmake', cwd: at });
    assert.equal(code, 0, `cmake ${args.join(' ')}: ${out}${err}`);
  };
  await step('--install', build, '--prefix', path.join(at, 'prefix'));
  await step('-S', path.join(root, 'tests/fixtures/package'), '-B', 'upper', `-DCMAKE_PREFIX_PATH=${path.join(at, 'prefix')}`,
    ...(sanitize ? [`-DCMAKE_CXX_FLAGS=-fsanitize=${sanitize}`] : []));
  await step('--build', 'upper', '--target', 'plugin_upper');
  const server = await startIsolated(t, { agents: { talk: ['upper'] }, plugins: [path.join(at, 'upper/upper')] });
  const client = await server.client('v1');
  assert.deepEqual(await call(client, 'upper', { text: 'hello' }), { text: 'HELLO' });
  assert.match((await call(client, 'upper', { text: 'throw' })).error, /^thrown and caught$/);
  assert.match((await call(client, 'upper', { text: 'throw it out' })).error, /the plugin upper failed: its process was killed by signal 6/);
  assert.deepEqual(await call(client, 'upper', { text: 'again' }), { text: 'AGAIN' });
  assert.equal(server.child.exitCode, null);
  assert.match(server.err, /upper: [^\n]*its process was killed by signal 6 \(Aborted\)[^\n]*; it said last: +what\(\): +nobody catches this$/m);
});
