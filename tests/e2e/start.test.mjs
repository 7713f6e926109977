// What stops a start and what is said about it: one clear line a fault, all of them at once, the right exit code. And what
// must not stop it: odd folders, closed descriptors, pipes that nobody reads.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readlinkSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { antiphon, build, environment, folder, request, root, run, simulate, startServer } from './lib/faults.mjs';
import { freePort } from './lib/process.mjs';

const plugins = path.join(build, 'tests/plugins');
const key = { GOOGLE_API_KEY: 'k' };
let sim;
let server; // one that runs, for those that collide with it
before(async () => {
  sim = await simulate();
  server = await startServer({ sim });
});
after(async () => {
  await server.stop();
  await sim.stop();
});

// A place with these files, as working directory.
function place(t, files = {}) {
  const at = folder('start-');
  t.after(() => rmSync(at, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(at, name)), { recursive: true });
    writeFileSync(path.join(at, name), text);
  }
  return at;
}

const agent = (more = '') => `name: solo\nmodel: gemini-3.8-live\ninstruction: x\n${more}`;

// serve and check say the same about it.
function refused(name, { files, args = [], env = key, says, onlyServe = false, code = 1 }) {
  for (const command of onlyServe ? ['serve'] : ['check', 'serve'])
    test(`${command}: ${name}`, async (t) => {
      const cwd = place(t, files);
      const more = (typeof args === 'function' ? args(cwd) : args);
      const { code: got, out, err } = await run([command, ...(command === 'serve' ? ['--port', '0'] : []), ...more], { cwd, env });
      assert.equal(got, code, err);
      assert.equal(out, '');
      for (const line of Array.isArray(says) ? says : [says]) assert.match(err, line);
      assert.ok(!/Sanitizer|runtime error/.test(err), err);
    });
}

// ---- settings ----

refused('several faults of the settings, each with its place', {
  files: { 'antiphon.yaml': 'listen:\n  hots: 127.0.0.1\n  port: nope\nlog: {level: loud}\nshard: 2\nlimits:\n  connections: 0\n' },
  says: [
    /^antiphon\.yaml:2:3: listen\.hots: is not known; did you mean "host"\?$/m,
    /^antiphon\.yaml:3:\d+: listen\.port: must be a whole number$/m,
    /^antiphon\.yaml:4:7: log\.level: must be one of "debug", "info", "warn", "error"$/m,
    /^antiphon\.yaml:5:1: shard: is not known; did you mean "shards"\?$/m,
    /^antiphon\.yaml:7:\d+: limits\.connections: must be at least 1$/m,
  ],
});
refused('settings that are not YAML', { files: { 'antiphon.yaml': 'listen: [a\nx: y\n' }, says: /^antiphon\.yaml:\d+:\d+: /m });
refused('settings that are no object', { files: { 'antiphon.yaml': '- a\n- b\n' }, says: /^antiphon\.yaml:1:\d+: /m });
refused('settings with a directive', { files: { 'antiphon.yaml': '%YAML 1.2\n---\nshards: 1\n' }, says: /^antiphon\.yaml:1/m });
refused('settings that are not UTF-8', { files: { 'antiphon.yaml': Buffer.from([0x61, 0x3a, 0xff, 0x0a]) }, says: /^antiphon\.yaml:1/m });
refused('--config of a file that is not there', { args: ['--config', 'nowhere.yaml'], says: /^nowhere\.yaml: cannot read the file/m });
refused('a variable of the environment with a bad value', { env: { ...key, ANTIPHON_SHARDS: 'x' }, says: /ANTIPHON_SHARDS/ });
refused('a .env that is none', { files: { '.env': 'GOOGLE_API_KEY=k\nwhat is this\n' }, says: /\.env:2/ });
refused('a setting of a plugin that it does not know', {
  files: { 'antiphon.yaml': 'plugins:\n  gemini_live:\n    api_kye: x\n' },
  says: /^antiphon\.yaml:3:\d+: plugins\.gemini_live\.api_kye: is not known; did you mean "api_key"\?$/m,
});
refused('no key and no --demo', { env: {}, says: /GOOGLE_API_KEY.*--demo/s });
refused('faults of settings and agents, told together', {
  files: { 'antiphon.yaml': 'listen:\n  port: 70000\n', 'agents/solo/root_agent.yaml': agent('modle: y\n') },
  args: ['--agents', 'agents'],
  says: [/^antiphon\.yaml:2:\d+: listen\.port: must be at most 65535$/m,
    /^agents\/solo\/root_agent\.yaml:4:1: modle: is not known; did you mean "model"\?$/m],
});
refused('faults of settings that name the agents, and of those', {
  files: { 'antiphon.yaml': 'agents_dir: mine\nshard: 1\n', 'mine/solo/root_agent.yaml': agent('modle: y\n') },
  says: [/^antiphon\.yaml:2:1: shard: /m, /mine\/solo\/root_agent\.yaml:4:1: modle: /m],
});

// ---- agents ----

refused('every fault of every agent', {
  args: ['--agents', path.join(root, 'tests/fixtures/config/bad')],
  says: [
    /broken\/root_agent\.yaml:2:1: modle: is not known; did you mean "model"\?/,
    /broken\/root_agent\.yaml:13:3: live\.voise: is not known; did you mean "voice"\?/,
    /broken\/root_agent\.yaml:3:\d+: instruction: .*CONFIG_TEST_UNSET/,
    /refused\/root_agent\.yaml:6:1: sub_agents: is not supported yet/,
    /syntax\/root_agent\.yaml:\d+:\d+: /,
  ],
});
refused('a folder of agents that is not there', { args: ['--agents', 'nowhere'], says: /nowhere: cannot read the folder of agents/ });
refused('a folder without an agent', { files: { 'agents/x/readme': '' }, args: ['--agents', 'agents'], says: /no agent/ });
refused('two agents and no default', {
  files: { 'agents/a/root_agent.yaml': agent(), 'agents/b/root_agent.yaml': agent() }, args: ['--agents', 'agents'],
  says: /default_agent[^]*\ba\b[^]*\bb\b/,
});
refused('a default that is none of them', {
  files: { 'agents/solo/root_agent.yaml': agent() }, env: { ...key, ANTIPHON_DEFAULT_AGENT: 'sole' }, args: ['--agents', 'agents'],
  says: /sole[^]*solo/,
});
refused('a tool that there is not', {
  files: { 'agents/solo/root_agent.yaml': agent('tools:\n  - name: google_serach\n') }, args: ['--agents', 'agents'],
  says: /^agents\/solo\/root_agent\.yaml:5:\d+: tools\[0\]\.name: unknown tool 'google_serach'/m,
});

// ---- plugins: file, step, reason ----

for (const [name, says] of [
  ['missing', /^plugin missing: find: there is no missing\.so in /m],
  ['not_elf', /^plugin not_elf: elf: .*not_elf\.so is not a shared object/m],
  ['undefined_symbol', /^plugin undefined_symbol: open: .*undefined symbol/m],
  ['no_symbol', /^plugin no_symbol: symbol: .*antiphon_plugin_v1/m],
  ['short_struct', /^plugin short_struct: struct: .*struct_size/m],
  ['wrong_name', /^plugin wrong_name: name: /m],
  ['bad_schema', /^plugin bad_schema: register: tool /m],
  ['bad_config_schema', /^plugin bad_config_schema: config: /m],
  ['bad_config', /^antiphon\.yaml:2:\d+: plugins\.bad_config: "place" is missing$/m],
  ['init_fails', /^plugin init_fails: init: there is no route to the sea$/m],
])
  refused(`the plugin ${name}`, { files: { 'antiphon.yaml': `plugins:\n  ${name}: {isolation: thread}\n` }, args: ['--plugins', plugins], says });

for (const at of ['nowhere/plugins', 'antiphon.yaml']) // one that is not there, and a file
  refused(`a folder of plugins that is ${at}`, {
    files: { 'antiphon.yaml': 'log: {level: info}\n' }, args: ['--plugins', plugins, '--plugins', at],
    says: new RegExp(`^the plugins folder ${at} cannot be read: `, 'm'),
  });
refused('a folder of plugins in the settings that is not there', {
  files: { 'antiphon.yaml': 'plugins_dir: [more]\n' }, says: /^the plugins folder more cannot be read: No such file/m,
});

// ---- tools by the manifest of the plugin that has them ----

const tools = (...names) => ({ 'agents/solo/root_agent.yaml': agent(`tools: [${names.map((name) => `{name: ${name}}`).join(', ')}]\n`) });

refused('a tool that two plugins have', {
  files: tools('say_hello'), args: ['--agents', 'agents', '--plugins', plugins],
  says: /^agents\/solo\/root_agent\.yaml:4:\d+: tools\[0\]\.name: the plugins also_hello and hello both have a tool 'say_hello': name the one that is meant/m,
});
refused('a tool nearly as a plugin has it', {
  files: tools('set_reminer'), args: ['--agents', 'agents'], says: /unknown tool 'set_reminer' \(did you mean 'set_reminder'\?\)/,
});

refused('a tool that the plugin of that name does not have', {
  files: tools('guard'), args: ['--agents', 'agents'], says: /^agents\/solo\/root_agent\.yaml:4:\d+: tools\[0\]\.name: unknown tool 'guard'/m,
});

test('whatever the order of agents: what a name tells goes before what manifests tell', async (t) => {
  const file = (name) => agent(`tools: [{name: ${name}}]\n`).replace('solo', 'x');
  // say_goodbye brings also_hello, and so say_hello, which two have otherwise.
  for (const [first, second] of [['say_hello', 'say_goodbye'], ['say_goodbye', 'say_hello']]) {
    const cwd = place(t, {
      'agents/a/root_agent.yaml': file(first), 'agents/b/root_agent.yaml': file(second), 'antiphon.yaml': 'default_agent: a\n',
    });
    const { code, out, err } = await run(['check', '--agents', 'agents', '--plugins', plugins], { cwd, env: key });
    assert.equal(code, 0, err);
    assert.match(out, /^ok: 2 agents, 2 plugins$/m);
  }
});

test('a tool whose plugin cannot be loaded: its reason is told, once', async (t) => {
  const cwd = place(t, tools('harmless'));
  const { code, err } = await run(['check', '--agents', 'agents', '--plugins', plugins], { cwd, env: key });
  assert.equal(code, 1);
  assert.match(err, /^[^\n]*plugin manifest_lies: manifest: [^\n]*harmful[^\n]*\n1 fault found\n$/);
});

test('a tool is found by the manifest of the plugin that has it', async (t) => {
  const cwd = place(t, tools('set_reminder', 'recall', 'say_goodbye'));
  const check = (...more) => run(['check', '--agents', 'agents', '--plugins', plugins, ...more], { cwd, env: key });
  const found = await check();
  assert.equal(found.code, 0, found.err);
  assert.match(found.out, /^ok: 1 agents, 4 plugins$/m); // gemini_live, clock, notes, also_hello
  const safe = await check('--safe-mode');
  assert.match(safe.err, /also_hello is not loaded: safe mode/);
  assert.doesNotMatch(safe.err, /(clock|notes) is not loaded/);
});

test('two plugins have the tool: the settings say which one', async (t) => {
  const cwd = place(t, { ...tools('say_hello'), 'antiphon.yaml': 'plugins: {hello: {}}\n' });
  const { code, err } = await run(['check', '--agents', 'agents', '--plugins', plugins], { cwd, env: key });
  assert.equal(code, 0, err);
});

test('check: two broken plugins are both told, and a good one does not hide them', async (t) => {
  const cwd = place(t, { 'antiphon.yaml': 'plugins: {init_fails: {}, hello: {}, not_elf: {}, missing: {}}\n' });
  const { code, err } = await run(['check', '--plugins', plugins], { cwd, env: key });
  assert.equal(code, 1);
  for (const name of ['init_fails', 'not_elf', 'missing']) assert.match(err, new RegExp(`^plugin ${name}: `, 'm'));
  assert.match(err, /^3 faults found$/m);
});

test('check: a plugin, an agent and the page, all broken, are all told', async (t) => {
  const cwd = place(t, {
    'antiphon.yaml': 'plugins: {init_fails: {}}\nstatic_dir: nowhere\n', 'agents/solo/root_agent.yaml': agent('modle: y\n'),
  });
  const { code, err } = await run(['check', '--plugins', plugins, '--agents', 'agents'], { cwd, env: key });
  assert.equal(code, 1);
  assert.match(err, /^plugin init_fails: init: /m);
  assert.match(err, /modle: is not known/);
  assert.match(err, /nowhere, is missing/);
  assert.match(err, /^3 faults found$/m);
});

test('check: all is well', async (t) => {
  const { code, out, err } = await run(['check'], { cwd: place(t), env: key });
  assert.equal(code, 0, err);
  assert.match(out, /^ok: [1-9]\d* agents, [1-9]\d* plugins$/m);
  const demo = await run(['check', '--demo'], { cwd: place(t) });
  assert.equal(demo.code, 0, demo.err);
});

// ---- the network ----

refused('an address that others can reach', { onlyServe: true, args: ['--host', '0.0.0.0'], says: /--insecure-no-auth/ });
refused('all addresses of version 6', { onlyServe: true, args: ['--host', '::'], says: /--insecure-no-auth/ });
refused('an address that is not ours', { onlyServe: true, args: ['--host', '192.0.2.1', '--insecure-no-auth'],
  says: /cannot listen on 192\.0\.2\.1/ });

test('--insecure-no-auth allows it', async (t) => {
  const open = await startServer({ sim, args: ['--host', '0.0.0.0', '--insecure-no-auth'] });
  t.after(() => open.stop());
  assert.equal((await open.get('/livez', { headers: { Host: 'talk.example.org' } })).status, 200, 'any host then');
  assert.equal((await open.get('/livez')).status, 200);
});

test('a port that is in use', async () => {
  const { code, err } = await run(['serve', '--port', String(server.port)], { env: key });
  assert.equal(code, 1);
  assert.match(err, new RegExp(`^port ${server.port} is in use$`, 'm'));
  assert.equal((await server.get('/livez')).status, 200);
});

// ---- the database ----

const store = (file) => ['--store', `sqlite:${file}`];

test('a database that another server has open', async () => {
  const { code, err } = await run(['serve', '--port', '0', ...store(server.database)], { env: key });
  assert.equal(code, 1);
  assert.ok(err.includes(server.database), err);
  assert.match(err, /another|server|in use/);
  const client = await server.client('v1');
  assert.equal(await client.ask('hello'), 'You said: hello', 'the first one goes on');
  await client.leave();
});

refused('a database in a folder that is not there', { onlyServe: true, args: store('nowhere/a.db'), says: /folder of the database nowhere\/a\.db does not exist/ });
refused('a database that cannot be written', { onlyServe: true, args: store('/sys/antiphon.db'), says: /\/sys\/antiphon\.db cannot be written/ });
refused('a database that is a folder', { onlyServe: true, files: { 'db/x': '' }, args: store('db'), says: /db/ });
refused('a database that is none', { onlyServe: true, files: { 'a.db': 'this is a letter, not a database\n'.repeat(100) }, args: store('a.db'), says: /a\.db/ });
refused('a store of another kind', { onlyServe: true, args: ['--store', 'mysql:x'], says: /sqlite:PATH/ });

test('a database of a newer antiphon', async (t) => {
  const cwd = place(t);
  const file = path.join(cwd, 'antiphon.db');
  const first = await startServer({ sim, store: file });
  await first.stop();
  const database = new DatabaseSync(file);
  const { name } = database.prepare(`SELECT name FROM sqlite_master WHERE name LIKE 'antiphon_migr%'`).get();
  const row = database.prepare(`SELECT * FROM ${name} ORDER BY 1 DESC LIMIT 1`).get();
  const columns = Object.keys(row);
  const number = columns.find((column) => typeof row[column] === 'number' && Number.isInteger(row[column]));
  database.prepare(`INSERT INTO ${name} (${columns}) VALUES (${columns.map(() => '?')})`)
    .run(...columns.map((column) => (column === number ? 9999 : row[column])));
  database.close();
  const before = readFileSync(file);
  const { code, err } = await run(['serve', '--port', '0', ...store(file)], { env: key });
  assert.equal(code, 1);
  assert.match(err, /newer antiphon/);
  assert.deepEqual(readFileSync(file), before, 'it is left as it was');
});

test('a database of an older ADK', async (t) => {
  const cwd = place(t);
  const file = path.join(cwd, 'old.db');
  copyFileSync(path.join(root, 'tests/fixtures/wire/db/sqlite-aiosqlite-v0.db'), file);
  const before = readFileSync(file);
  const { code, err } = await run(['serve', '--port', '0', ...store(file)], { env: key });
  assert.equal(code, 1);
  assert.match(err, /ADK/);
  assert.deepEqual(readFileSync(file), before);
});

// ---- the page ----

refused('a page that is not there', { args: ['--static', 'nowhere'], says: /folder of the web client, \S*nowhere, is missing/ });
refused('a page without index.html', { files: { 'static/a.js': '' }, args: ['--static', 'static'], says: /index\.html/ });

// ---- the command line ----

for (const [args, code, says] of [
  [[], 2, /usage: antiphon COMMAND/],
  [['--help'], 0, /usage: antiphon COMMAND/],
  [['-h'], 0, /usage: antiphon COMMAND/],
  [['help'], 0, /usage: antiphon COMMAND/],
  [['--version'], 0, /^antiphon \d+\.\d+\.\d+/],
  [['version'], 0, /^antiphon \d+\.\d+\.\d+/],
  [['version', '--help'], 0, /usage: antiphon version/],
  [['serve', '--help'], 0, /usage: antiphon serve[^]*--insecure-no-auth/],
  [['check', '--help'], 0, /usage: antiphon check[^]*--config/],
  [['serv'], 2, /unknown command 'serv' \(did you mean 'serve'\?\)/],
  [['version', 'x'], 2, /unexpected 'x'/],
  [['serve', '--prot', '1'], 2, /--prot/],
  [['serve', '--port'], 2, /--port/],
  [['serve', '--port', 'x'], 2, /--port takes 0 to 65535/],
  [['serve', '--port', '65536'], 2, /--port takes 0 to 65535/],
  [['serve', '--shards', '-1'], 2, /--shards takes 0 to 64/],
  [['check', 'extra'], 2, /unexpected 'extra'/],
  [['serve', '--log-level', 'loud'], 1, /--log-level/],
])
  test(`antiphon ${args.join(' ')}: ${code}`, async () => {
    const { code: got, out, err } = await run(args);
    assert.equal(got, code);
    assert.match(code === 0 ? out : err, says);
    assert.equal(code === 0 ? err : out, '', 'help goes to standard output, faults to standard error');
  });

// ---- what must not matter ----

test('flags beat the environment, the environment beats .env, .env beats the file', async (t) => {
  const cwd = place(t, { 'antiphon.yaml': 'agents_dir: from_file\n', '.env': 'ANTIPHON_AGENTS=from_dotenv\n' });
  const says = async (args, env) => (await run(['check', ...args], { cwd, env: { ...key, ...env } })).err;
  assert.match(await says(['--agents', 'from_flag'], { ANTIPHON_AGENTS: 'from_environment' }), /from_flag: cannot read/);
  assert.match(await says([], { ANTIPHON_AGENTS: 'from_environment' }), /from_environment: cannot read/);
  assert.match(await says([], {}), /from_dotenv: cannot read/);
  rmSync(path.join(cwd, '.env'));
  assert.match(await says([], {}), /from_file: cannot read/);
});

for (const cwd of ['/', '/proc/self', '/tmp'])
  test(`from the working directory ${cwd}`, async (t) => {
    const here = await startServer({ sim, cwd });
    t.after(() => here.stop());
    assert.equal((await here.get('/')).status, 200);
    const client = await here.client('v1');
    assert.equal(await client.ask('hello'), 'You said: hello');
  });

test('from a working directory that was removed', async (t) => {
  const gone = folder();
  const store = path.join(place(t), 'a.db');
  const child = spawn('/bin/sh', ['-c', `cd ${gone} && rmdir ${gone} && exec ${antiphon} serve --port 0 --store sqlite:${store}`],
    { env: environment('/tmp', { ...key, GOOGLE_GEMINI_BASE_URL: sim.url }), stdio: ['ignore', 'pipe', 'pipe'] });
  const [line] = await once(child.stdout, 'data');
  assert.match(line.toString(), /listening on/);
  child.kill('SIGTERM');
  assert.equal((await once(child, 'exit'))[0], 0);
});

test('--demo: the stand-in runs beside it, is named, and ends with it', async (t) => {
  const demo = await startServer({ args: ['--demo'], key: '' });
  assert.match(demo.out, /GOOGLE_API_KEY/, 'the terminal says what would change it');
  const client = await demo.client('v1');
  assert.equal(client.frames[0].hello.demo, true);
  assert.match(client.frames[0].hello.demo_hint, /GOOGLE_API_KEY/);
  assert.match(await client.ask('hello'), /You said: hello/);
  const children = () => readdirSync(`/proc/${demo.child.pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${demo.child.pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean));
  const [pid, ...others] = children();
  assert.deepEqual(others, []);
  assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /live-sim/);
  await demo.stop();
  assert.ok(!existsSync(`/proc/${pid}`), 'the stand-in has ended');
});

test('--demo: the stand-in ends with a server that is killed', async () => {
  const demo = await startServer({ args: ['--demo'], key: '' });
  const [pid] = readdirSync(`/proc/${demo.child.pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${demo.child.pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean));
  demo.child.kill('SIGKILL');
  await demo.exited;
  // A process that ended may wait for init to take it; it runs no more then.
  const runs = () => existsSync(`/proc/${pid}/stat`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  while (runs()) await new Promise((resolve) => { setImmediate(resolve); });
  rmSync(demo.home, { recursive: true, force: true });
});

async function answers(port) {
  for (;;) {
    try {
      return await request({ port }, '/livez');
    } catch (error) {
      if (error.code !== 'ECONNREFUSED') throw error;
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
  }
}

test('descriptors 0 to 2 are closed', async (t) => {
  const at = place(t);
  const port = await freePort();
  const child = spawn('/bin/sh', ['-c',
    `exec ${antiphon} serve --port ${port} --log-level debug --store sqlite:${at}/a.db <&- >&- 2>&-`],
    { cwd: at, env: environment(at, { ...key, GOOGLE_GEMINI_BASE_URL: sim.url }), stdio: 'ignore' });
  const exited = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  assert.equal((await Promise.race([answers(port), exited.then(() => ({ status: 'ended' }))])).status, 200);
  for (const fd of [0, 1, 2]) assert.equal(readlinkSync(`/proc/${child.pid}/fd/${fd}`), '/dev/null');
  const { Client } = await import('./lib/faults.mjs');
  const client = await new Client({ ws: `ws://127.0.0.1:${port}` }, 'v1').ready();
  assert.equal(await client.ask('hello'), 'You said: hello');
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null]);
  const database = new DatabaseSync(`${at}/a.db`);
  assert.equal(database.prepare('PRAGMA integrity_check').get().integrity_check, 'ok', 'no log line went into it');
  assert.ok(database.prepare('SELECT count(*) AS n FROM events').get().n >= 2, 'and what was said did');
  database.close();
});

test('nobody reads what it prints: SIGPIPE does not end it', async (t) => {
  const alone = await startServer({ sim, args: ['--log-level', 'debug'], stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => alone.stop());
  alone.child.stdin.destroy();
  alone.child.stdout.destroy();
  alone.child.stderr.destroy();
  for (let i = 0; i < 3; i++) {
    const client = await alone.client('v1');
    assert.equal(await client.ask('hello'), 'You said: hello');
    await client.leave();
  }
});

test('a client that resets its connection while it is written to', async (t) => {
  const alone = await startServer({ sim });
  t.after(() => alone.stop());
  for (let i = 0; i < 5; i++) {
    const client = await alone.client('sample');
    client.text('long');
    await client.next((frame) => frame.mime_type === 'audio/pcm');
    client.socket._socket.resetAndDestroy();
  }
  const client = await alone.client('sample');
  assert.equal(await client.ask('hello'), 'You said: hello');
});

test('a database without write permission for who runs it', { skip: process.getuid() === 0 && 'root may write everywhere' }, async (t) => {
  const at = place(t);
  chmodSync(at, 0o500);
  const { code, err } = await run(['serve', '--port', '0', ...store(path.join(at, 'a.db'))], { env: key });
  chmodSync(at, 0o700);
  assert.equal(code, 1);
  assert.match(err, /cannot be written: Permission denied/);
});
