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
  assert.match(inspected.out, /^machine +arm64, 64 bit, little-endian$/m);
  assert.match((await plugin('test', other)).err, /elf: .* is built for arm64/);
  const none = await plugin('inspect', fixture('echo_model'));
  assert.equal(none.code, 1);
  assert.match(none.err, /has no manifest/);
  assert.equal((await plugin('inspect', fixture('not_elf'))).code, 1);
  assert.equal((await plugin('inspect', '/nowhere.so')).code, 1);
});

// An ELF file of that class and byte order, with the manifest in a note and nothing else.
function elf(wide, big, machine, manifest) {
  const number = (value, size) => {
    const bytes = Buffer.alloc(size);
    if (size === 8) bytes[big ? 'writeBigUInt64BE' : 'writeBigUInt64LE'](BigInt(value));
    else if (big) bytes.writeUIntBE(value, 0, size);
    else bytes.writeUIntLE(value, 0, size);
    return bytes;
  };
  const word = wide ? 8 : 4;
  const [head, entry] = wide ? [64, 56] : [52, 32];
  const text = Buffer.from(`${JSON.stringify({ abi: '1.0', manifest })}\0`);
  const pad = (bytes) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
  const note = Buffer.concat([number(9, 4), number(text.length, 4), number(1, 4), pad(Buffer.from('antiphon\0')), pad(text)]);
  const segment = wide // type, flags, offset, addresses, sizes, alignment; 32 bit has the flags later
    ? [number(4, 4), number(4, 4), ...[head + entry, 0, 0, note.length, note.length, 4].map((one) => number(one, 8))]
    : [4, head + entry, 0, 0, note.length, note.length, 4, 4].map((one) => number(one, 4));
  return Buffer.concat([
    Buffer.from([0x7F, 0x45, 0x4C, 0x46, wide ? 2 : 1, big ? 2 : 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    number(3, 2), number(machine, 2), number(1, 4), number(0, word), number(head, word), number(0, word),
    number(0, 4), number(head, 2), number(entry, 2), number(1, 2), number(0, 2), number(0, 2), number(0, 2), ...segment, note,
  ]);
}

test('inspect: every class and byte order', async () => {
  const at = folder('plugin-');
  const manifest = { name: 'far', version: '3.1', licence: 'MIT', tools: [{ name: 'wave', description: 'Waves.', flags: ['exclusive'] }] };
  for (const [wide, big, machine, says] of [
    [true, false, 243, 'riscv, 64 bit, little-endian'], [true, true, 22, 's390, 64 bit, big-endian'],
    [false, false, 40, 'arm, 32 bit, little-endian'], [false, true, 8, 'ELF machine 8, 32 bit, big-endian'],
  ]) {
    const file = path.join(at, 'far.so');
    writeFileSync(file, elf(wide, big, machine, manifest));
    const { code, out, err } = await plugin('inspect', file);
    assert.equal(code, 0, `${says}: ${err}`);
    for (const line of [/^name +far$/m, /^version +3\.1$/m, /^licence +MIT$/m, /^tool +wave: exclusive$/m])
      assert.match(out, line);
    assert.match(out, new RegExp(`^machine +${says}$`, 'm'));
    assert.match((await plugin('test', file)).err, /elf: .*far\.so is (built for|truncated)/);
    writeFileSync(file, elf(wide, big, machine, manifest).subarray(0, -40));
    const cut = await plugin('inspect', file);
    assert.equal(cut.code, 1);
    assert.match(cut.err, /truncated/);
  }
});

test('test: what is wrong with the schema of a tool', async () => {
  const { code, err } = await plugin('test', fixture('bad_schema'));
  assert.equal(code, 1);
  assert.match(err, /register: tool \w+: /);
});

test('test: what it did wrong, to the end', async () => {
  const misbehave = (how, ...options) => plugin('test', ...options, fixture('bad_calls'), 'misbehave', JSON.stringify({ how }));
  const twice = await misbehave('twice');
  assert.equal(twice.code, 1);
  assert.match(twice.out, /^result +1$/m);
  assert.match(twice.out, /^wrong +finished a call twice; the second result was ignored$/m);
  assert.match((await misbehave('abort')).out, /^wrong +bad_calls: .*its process was killed by signal 6 .*; it said last: something is rotten$/m);
  const late = await misbehave('late', '--timeout', '100');
  assert.equal(late.code, 1);
  assert.match(late.out, /^wrong +it finished after its deadline of 100 ms$/m);
  const lines = await misbehave('log');
  assert.match(lines.err, /^warn: line 0$/m);
  assert.doesNotMatch(lines.out, /line 0/);
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

test('list: a folder that is not there', async () => {
  const { code, out, err } = await plugin('list', '--plugins', 'nowhere');
  assert.equal(code, 1);
  assert.match(err, /^antiphon plugin list: nowhere: No such file or directory$/m);
  assert.match(out, /^clock .* \(shipped\); /m);
});

test('reload without a server', async () => {
  const { code, err } = await plugin('reload');
  assert.equal(code, 1);
  assert.match(err, /no server uses the database/);
});
