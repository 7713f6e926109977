// `antiphon plugin`: what it prints and how it exits.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { build, folder, run } from './lib/faults.mjs';
import { fixtures, startIsolated } from './lib/isolation.mjs';

const env = { GOOGLE_API_KEY: 'k' };
const plugin = (...args) => run(['plugin', ...args], { cwd: folder('plugin-'), env });
const fixture = (name) => path.join(fixtures, `${name}.so`);

test('help, and wrong usage', async () => {
  for (const args of [['--help'], ['list', '--help'], ['inspect', '--help'], ['test', '--help'], ['reload', '--help']]) {
    const { code, out } = await plugin(...args);
    assert.equal(code, 0, args.join(' '));
    assert.match(out, /^usage: antiphon plugin/);
  }
  for (const args of [[], ['lsit'], ['inspect'], ['inspect', 'a', 'b'], ['test'], ['test', 'a.so', 'tool'], ['list', 'x'],
    ['test', '--timeout', 'soon', 'a.so'], ['test', '--bench', 'a.so']])
    assert.equal((await plugin(...args)).code, 2, args.join(' '));
  assert.match((await plugin('lsit')).err, /did you mean 'list'\?/);
});

test('inspect: everything that the manifest says', async () => {
  const { code, out } = await plugin('inspect', path.join(build, 'plugins/notes.so'));
  assert.equal(code, 0);
  for (const line of [/^name +notes$/m, /^version +1\.0\.0$/m, /^licence +Apache-2\.0$/m, /^ABI +1\.0 /m,
    /^tool +forget: keep_on_interrupt$/m, /^ +\{"type":"object".*"required":\["query"\]\}$/m, /^permissions +none$/m])
    assert.match(out, line);
  const json = await plugin('inspect', '--json', fixture('hello'));
  assert.equal(JSON.parse(json.out).tools[0].name, 'say_hello');
  const home = await plugin('inspect', path.join(build, 'plugins/home.so'));
  assert.match(home.out, /^secret +token \(the plugin never sees it\)/m);
  assert.match(home.out, /^permissions +\{/m);
});

test('inspect: for another machine, without a manifest, no shared object', async () => {
  const other = path.join(folder('plugin-'), 'hello.so');
  const file = readFileSync(fixture('hello'));
  file.writeUInt16LE(183, 18); // e_machine: AArch64
  writeFileSync(other, file);
  const inspected = await plugin('inspect', other);
  assert.equal(inspected.code, 0);
  assert.match(inspected.out, /^machine +arm64$/m);
  assert.match((await plugin('test', other)).err, /elf: .* is built for arm64/);
  const none = await plugin('inspect', fixture('echo_model'));
  assert.equal(none.code, 1);
  assert.match(none.err, /has no manifest/);
  assert.equal((await plugin('inspect', fixture('not_elf'))).code, 1);
  assert.equal((await plugin('inspect', '/nowhere.so')).code, 1);
});

test('test: a call, its result and time, and what is wrong with it', async () => {
  const hello = await plugin('test', fixture('hello'), 'say_hello', '{"name":"Ada","unknown":1}');
  assert.equal(hello.code, 0, hello.err);
  assert.match(hello.out, /^result +\{"greeting":"Hello\.","name":"Ada"\}\ntime +\d+\.\d+ ms$/m);
  const loud = await plugin('test', '--settings', '{"loud":true}', fixture('hello'), 'say_hello', '{"name":"Ada"}');
  assert.match(loud.out, /HELLO!/);
  const wrong = await plugin('test', '--settings', '{"loud":"very"}', fixture('hello'));
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /config: loud: /);
  const missing = await plugin('test', fixture('hello'), 'say_hello', '{}');
  assert.equal(missing.code, 1);
  assert.match(missing.err, /^arguments: "name" is missing$/m);
  const unknown = await plugin('test', fixture('hello'), 'say_goodbye', '{}');
  assert.match(unknown.err, /it has no tool say_goodbye/);
  const notJson = await plugin('test', fixture('bad_calls'), 'misbehave', '{"how":"not_json"}');
  assert.equal(notJson.code, 1);
  assert.match(notJson.out, /^wrong +the result is not JSON$/m);
  const crash = await plugin('test', fixture('bad_calls'), 'misbehave', '{"how":"segfault"}');
  assert.equal(crash.code, 1);
  assert.match(crash.out, /its process was killed by signal 11/);
  const late = await plugin('test', '--timeout', '100', fixture('bad_calls'), 'misbehave', '{"how":"loop"}');
  assert.match(late.out, /did not finish a call by its deadline/);
  const ill = await plugin('test', fixture('versioned/broken/versioned'));
  assert.equal(ill.code, 1);
  assert.match(ill.err, /self_test: it feels ill/);
});

test('test --bench tells what a call costs', async () => {
  const { code, out } = await plugin('test', '--bench', fixture('bad_calls'), 'behave', '{}');
  assert.equal(code, 0);
  assert.match(out, /^1000 calls +\d+\.\d us each/m);
});

test('list: shipped ones, dropped ones, broken ones, and what the server says of them', async (t) => {
  const server = await startIsolated(t, { agents: { talk: [] }, plugins: ['bad_calls', 'not_elf'], settings: '  bad_calls: {}\n' });
  const { code, out } = await run(['plugin', 'list', '--plugins', server.dropped, '--port', String(server.port)],
    { cwd: server.home, env });
  assert.equal(code, 1, 'one is broken');
  assert.match(out, /^bad_calls +1\.0\.0 +process +\S+; state: ok; tools: misbehave, behave$/m);
  assert.match(out, /^calculator +1\.0\.0 +thread +\S+ \(shipped\); state: not in a process of its own, or not loaded; tools:/m);
  assert.match(out, /^not_elf +broken: elf: /m);
  assert.match(out, /^echo_model +\? +thread /m);
});

test('reload without a server', async () => {
  const { code, err } = await plugin('reload');
  assert.equal(code, 1);
  assert.match(err, /no server uses the database/);
});
