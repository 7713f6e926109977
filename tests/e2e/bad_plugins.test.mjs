// Plugins that do wrong: nobody is hurt but they, and one line says who, when and why. Each in a process of its own and, where a
// process can survive it, in the server's.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import {
  NEVER_MS, SOON_MS, call, check, complaints, deadly, fatal, files, fixtures, harmless, isLate, makePlace, survived, unloadable, until,
  withBadCalls,
} from './lib/bad_plugins.mjs';
import { antiphon, environment, run, simulate, startServer } from './lib/faults.mjs';
import { drop, plugins } from './lib/isolation.mjs';

// One wrong call in a talk: the model is told, the log has one line, the talk goes on and so does another.
async function row(server, [client, other], how, { told, line }) {
  const from = server.err.length;
  const said = () => complaints(server.err.slice(from), 'bad_calls');
  const response = await call(client, 'misbehave', { how });
  check(how, told, response);
  if (line) await until(() => said().some((one) => line.test(one)), () => `${how}: ${line}\n${server.err.slice(from)}`);
  assert.match(await other.ask('hello'), /You said: hello/);
  assert.ok((await call(client, 'behave')).pid > 0, `${how}: the next call works`);
  assert.equal(said().length, line ? 1 : 0, `${how}: ${said().join('\n')}`);
  for (const one of [client, other]) assert.equal(one.close, undefined, how);
}

const start = async (t, isolation, deadlineMs = NEVER_MS) => {
  const server = await withBadCalls(t, isolation, deadlineMs);
  return { server, clients: [await server.client('v1'), await server.client('sample')] };
};

for (const [how, expected] of Object.entries(deadly)) {
  test(`in a process of its own: ${how} ends it, and it alone`, async (t) => {
    const { server, clients } = await start(t, 'process', isLate([how, expected]) ? SOON_MS : NEVER_MS);
    t.after(() => server.stop());
    await row(server, clients, how, expected);
    assert.match((await plugins(server)).bad_calls, /^ok \(started again 1 times\)$/);
  });
}

// One server for those that are to be late, and one for the others.
const both = (rows) => [[SOON_MS, Object.entries(rows).filter(isLate)],
  [NEVER_MS, Object.entries(rows).filter((one) => !isLate(one))]];

for (const [deadlineMs, rows] of both(harmless)) {
  test(`in a process of its own: what it survives, ${rows.map(([how]) => how).join(', ')}`, async (t) => {
    const { server, clients } = await start(t, 'process', deadlineMs);
    t.after(() => server.stop());
    const { pid } = await call(clients[0], 'behave');
    for (const [how, expected] of rows) await row(server, clients, how, expected);
    assert.equal((await call(clients[0], 'behave')).pid, pid);
  });
}

test('a flood of log lines is cut, and that is said', async (t) => {
  const { server, clients: [client] } = await start(t, 'process');
  t.after(() => server.stop());
  assert.deepEqual(await call(client, 'misbehave', { how: 'log' }), { result: true });
  await call(client, 'behave');
  assert.equal(server.err.split('\n').filter((line) => /bad_calls: line \d+$/.test(line)).length, 50);
});

test('a crash loop backs off: told to the model, shown by /readyz, and over by itself', async (t) => {
  const { server, clients: [client] } = await start(t, 'process');
  t.after(() => server.stop());
  const wait = /^the plugin bad_calls crashes again and again and will be started anew in \d+ s; do not try again before$/;
  // Each pause is twice as long as the one before: on a slow machine a later one is met.
  for (let i = 0, met = false; !met; i++) {
    assert.ok(i < 10, `no pause was met: ${server.err}`);
    await call(client, 'misbehave', { how: 'abort' });
    const { status, body } = await server.get('/readyz');
    assert.equal(status, 200, 'the server is well');
    met = /^plugin bad_calls: backing off/m.test(body.toString()) && wait.test((await call(client, 'behave')).error);
  }
  await until(async () => /^ok \(started again \d+ times\)$/.test((await plugins(server)).bad_calls), () => 'it to come back', 60000);
  assert.ok((await call(client, 'behave')).pid > 0);
});

for (const [deadlineMs, rows] of both(survived)) {
  test(`in the server itself: what it survives, ${rows.map(([how]) => how).join(', ')}`, async (t) => {
    const { server, clients } = await start(t, 'thread', deadlineMs);
    t.after(() => server.stop());
    for (const [how, expected] of rows) await row(server, clients, how, expected);
    if ('change' in Object.fromEntries(rows))
      assert.equal(readlinkSync(`/proc/${server.child.pid}/cwd`), '/usr', 'its folder is another now: that is the damage');
  });
}

for (const [how, { end, line }] of Object.entries(fatal)) {
  test(`in the server itself: ${how} ends it`, async (t) => {
    const { server, clients: [client] } = await start(t, 'thread');
    client.text(`tool misbehave {"how":"${how}"}`);
    const { code, signal } = await server.exited;
    client.socket.terminate();
    assert.match(String(signal ?? code), end, server.err);
    const said = complaints(server.err, 'bad_calls').filter((one) => !/Sanitizer/.test(one));
    assert.equal(said.length, line ? 1 : 0, server.err);
    if (line) assert.match(said[0], line);
  });
}

// ---- what cannot be loaded ----

const names = Object.keys(unloadable);
const agentWith = (tool) => `tools: [{name: ${tool}}]\n`;
// Lines that say "plugin NAME: ...".
const reasons = (text, name) => text.split('\n').map((line) => new RegExp(`plugin ${name}: (.*)$`).exec(line)?.[1]).filter(Boolean);

function placeOfBad(t, isolation) {
  return makePlace(t, {
    plugins: { ...files(t, names), time_tools: path.join(fixtures, 'time_tools.so') },
    settings: `  time_tools: {isolation: thread}\n${names.map((name) => `  ${name}: {isolation: ${isolation}}\n`).join('')}`,
    agents: { good: agentWith('get_time'), ...Object.fromEntries(names.map((name) => [name, agentWith(`tool_of_${name}`)])) },
    more: 'default_agent: good\n',
  });
}

test('in a process of its own: what cannot be loaded is said once, shown, and hurts only the agents that name it', async (t) => {
  const sim = await simulate();
  t.after(() => sim.stop());
  const place = placeOfBad(t, 'process');
  const server = await startServer({ sim, cwd: place.home, store: path.join(place.home, 'talks.db'), args: place.args });
  t.after(() => server.stop());
  const shown = await plugins(server);
  const list = await run(['plugin', 'list', ...place.args.slice(2), '--port', String(server.port)],
    { cwd: place.home, env: { GOOGLE_API_KEY: 'k' } });
  assert.equal(list.code, 1);
  const check = await run(['check', ...place.args], { cwd: place.home, env: { GOOGLE_API_KEY: 'k' } });
  assert.equal(check.code, 1);
  for (const name of names) {
    const said = reasons(server.err, name);
    assert.equal(said.length, 1, `${name}: ${said.join('\n')}`);
    assert.match(said[0], unloadable[name]);
    assert.equal(shown[name], `broken: ${said[0]}`);
    assert.deepEqual(reasons(check.out + check.err, name), said);
    assert.match(list.out, new RegExp(`^${name} .*broken: ${said[0].split(':')[0]}: `, 'm'));
    await assert.rejects(server.client('v1', { query: `&agent=${name}` }), name);
  }
  assert.equal((await server.get('/readyz')).status, 200);
  const client = await server.client('v1');
  assert.match((await call(client, 'get_time', { city: 'Seoul' })).time, /^\d\d:\d\d$/);
});

test('in the server itself: what cannot be loaded stops the start, with one line for each', async (t) => {
  const place = placeOfBad(t, 'thread');
  const { code, err } = await run(['serve', '--port', '0', '--store', `sqlite:${place.home}/talks.db`, ...place.args],
    { cwd: place.home, env: { GOOGLE_API_KEY: 'k' } });
  assert.equal(code, 1);
  assert.match(err, /^antiphon: cannot start$/m);
  for (const name of names) {
    const said = reasons(err, name);
    assert.equal(said.length, 1, `${name}: ${said.join('\n')}`);
    assert.match(said[0], unloadable[name]);
  }
});

for (const isolation of ['process', 'thread']) {
  test(`a configuration that is not valid stops the start, ${isolation}`, async (t) => {
    const place = makePlace(t, {
      plugins: files(t, ['bad_config']),
      settings: `  bad_config: {isolation: ${isolation}, place: 7}\n`,
      agents: { good: '' },
    });
    const { code, err } = await run(['serve', '--port', '0', '--store', `sqlite:${place.home}/talks.db`, ...place.args],
      { cwd: place.home, env: { GOOGLE_API_KEY: 'k' } });
    assert.equal(code, 1);
    const faults = err.split('\n').filter((line) => line.includes('bad_config'));
    assert.equal(faults.length, 1, err);
    assert.match(faults[0], /antiphon\.yaml:2:\d+: plugins\.bad_config\.place: .*string/);
  });
}

// While it starts. said: in a process of its own; end, line: of the server, where it starts there.
const starts = {
  crash: { said: /^init: its process was killed by signal 6 \(Aborted\)$/, end: /^SIGABRT$/, line: /^antiphon: plugin bad_init: init: it ended the server \(Aborted\)$/ },
  exit: { said: /^init: its process called exit\(3\)$/, end: /^3$/, line: null },
  after_two: { said: /^init: it did not like the weather$/, end: /^1$/, line: /^plugin bad_init: init: it did not like the weather$/ },
  hang: { said: /^init: was not ready after 15 s$/ },
};

function placeOfStart(t, isolation, how) {
  return makePlace(t, {
    plugins: { bad_init: path.join(fixtures, 'bad_init.so') },
    settings: `  bad_init: {isolation: ${isolation}, how: ${how}}\n`,
    agents: { good: '', bad: agentWith('init_one') },
    more: 'default_agent: good\n',
  });
}

// As the next version of a plugin that runs.
const drops = {
  not_elf: unloadable.not_elf,
  other_machine: unloadable.other_machine,
  no_symbol: unloadable.no_symbol,
  other_abi: unloadable.other_abi,
  bad_manifest: unloadable.bad_manifest,
  undefined_symbol: unloadable.undefined_symbol,
  short_struct: unloadable.short_struct,
  wrong_name: unloadable.wrong_name,
  'ill/crash/versioned': starts.crash.said,
  'ill/exit/versioned': starts.exit.said,
  'ill/after_two/versioned': starts.after_two.said,
  'ill/schema/versioned': /^register: tool version: params_schema.*\$ref/,
  'ill/clash/versioned': /^register: tool behave: plugin bad_calls has one of that name/,
  'ill/config/versioned': /^config: .*type/,
  'ill/hang/versioned': starts.hang.said,
};

// Side by side, because some of them wait for a limit of 10 or 15 s.
describe('while it starts, and dropped into the folder of a running server', { concurrency: 4 }, () => {
  for (const [how, { said, end, line }] of Object.entries(starts)) {
    test(`in a process of its own: its init() goes wrong, ${how}`, { timeout: 60000 }, async (t) => {
      const sim = await simulate();
      t.after(() => sim.stop());
      const place = placeOfStart(t, 'process', how);
      const server = await startServer({
        sim, cwd: place.home, store: path.join(place.home, 'talks.db'), args: place.args, patienceMs: 50000,
      });
      t.after(() => server.stop());
      const reason = reasons(server.err, 'bad_init');
      assert.equal(reason.length, 1, server.err);
      assert.match(reason[0], said);
      assert.equal((await plugins(server)).bad_init, `broken: ${reason[0]}`);
      await assert.rejects(server.client('v1', { query: '&agent=bad' }));
      assert.match(await (await server.client('v1')).ask('hello'), /You said: hello/);
    });

    if (end) {
      test(`in the server itself: its init() goes wrong, ${how}`, async (t) => {
        const place = placeOfStart(t, 'thread', how);
        const { code, signal, err } = await run(['serve', '--port', '0', '--store', `sqlite:${place.home}/talks.db`, ...place.args],
          { cwd: place.home, env: { GOOGLE_API_KEY: 'k' } });
        assert.match(String(signal ?? code), end, err);
        const lines = err.split('\n').filter((one) => one.includes('bad_init'));
        assert.equal(lines.length, line ? 1 : 0, err);
        if (line) assert.match(lines[0], line);
      });
    }
  }

  test('in the server itself: an init() that does not come back is named, and SIGTERM ends the start', { timeout: 60000 }, async (t) => {
    const place = placeOfStart(t, 'thread', 'hang');
    const child = spawn(antiphon, ['serve', '--port', '0', '--store', `sqlite:${place.home}/talks.db`, ...place.args],
      { cwd: place.home, env: environment(place.home, { GOOGLE_API_KEY: 'k' }), stdio: ['ignore', 'pipe', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    let out = '';
    let err = '';
    child.stdout.on('data', (data) => { out += data; });
    child.stderr.on('data', (data) => { err += data; });
    const ended = once(child, 'close');
    await until(() => reasons(err, 'bad_init').length > 0, () => err, 40000);
    assert.deepEqual(reasons(err, 'bad_init'), ['init: has not returned for 10 s, and the server waits for it']);
    child.kill('SIGTERM');
    const [code] = await ended;
    assert.equal(code, 0, err);
    assert.equal(out, '');
    assert.match(err, /warn {2}serve: stopped while plugins were started; in init\(\) of bad_init$/m);
  });

  test('a bad file that is dropped into the folder changes nothing and says why', { timeout: 120000 }, async (t) => {
    const sim = await simulate();
    t.after(() => sim.stop());
    const place = makePlace(t, {
      plugins: { versioned: path.join(fixtures, 'versioned/1/versioned.so'), bad_calls: path.join(fixtures, 'bad_calls.so') },
      settings: '  bad_calls: {}\n  versioned: {}\n',
      agents: { talk: agentWith('version') },
    });
    const server = await startServer({ sim, cwd: place.home, store: path.join(place.home, 'talks.db'), args: place.args });
    t.after(() => server.stop());
    const client = await server.client('v1');
    const bad = files(t, Object.keys(drops));
    for (const [name, reason] of Object.entries(drops)) {
      const from = server.err.length;
      const said = () => reasons(server.err.slice(from), 'versioned');
      drop(bad[name], place.dropped, 'versioned.so');
      await until(() => said().length > 0, () => `${name}: ${server.err.slice(from)}`, 40000);
      assert.equal(said().length, 1, `${name}: ${said().join('\n')}`);
      const [why, kept] = said()[0].split('; the version');
      assert.match(why, reason, name);
      assert.equal(kept, ' that runs stays');
      assert.deepEqual(await call(client, 'version'), { result: '1' }, name);
      assert.equal((await plugins(server)).versioned, `ok; a newer file was refused: ${why}`);
    }
    drop(path.join(fixtures, 'versioned/2/versioned.so'), place.dropped);
    await server.logged(/versioned: version 2 is offered/);
    assert.deepEqual(await call(await server.client('v1'), 'version'), { result: '2' });
  });
});
