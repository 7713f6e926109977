// What tools/new-plugin writes is built with what is installed, dropped into a folder and called in a conversation.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { build, folder, root, run } from './lib/faults.mjs';
import { startTools } from './lib/tools.mjs';

test('a new plugin, on its own, called by a model', async (t) => {
  const at = folder('new-plugin-');
  const step = async (program, ...args) => {
    const { code, out, err } = await run(args, { program, cwd: at });
    assert.equal(code, 0, `${program} ${args.join(' ')}: ${out}${err}`);
  };
  await step('cmake', '--install', build, '--prefix', path.join(at, 'prefix'));
  await step(path.join(root, 'tools/new-plugin'), 'say_it', '--out', 'say_it');
  await step('cmake', '-S', 'say_it', '-B', 'say_it/build', `-DCMAKE_PREFIX_PATH=${path.join(at, 'prefix')}`);
  await step('cmake', '--build', 'say_it/build', '--target', 'plugin_say_it');
  const talk = await startTools(t, { tools: ['say_it'], settings: `plugins_dir: ${path.join(at, 'say_it/build')}\n` });
  const text = '"Quoted" \\ and\nbroken \u2028 lines,\t한국어, 👋🏽';
  assert.deepEqual(await talk.call('say_it', { text }), { text });
  assert.deepEqual(await talk.call('say_it', { text: '' }), { text: '' });
  assert.match((await talk.call('say_it', {})).error, /text/);
  const [declared] = (await talk.setup()).tools.flatMap((tool) => tool.functionDeclarations ?? []);
  assert.equal(declared.name, 'say_it');
  const response = await fetch(`${talk.server.url}/readyz`);
  assert.match(await response.text(), /^plugin say_it: ok$/m);
  await talk.end();
});
