// What tests/fixtures/plugins/bad_calls can do wrong, what the model is told, and the one line that is said. docs/plugins.md has
// the same table for people.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, folder, simulate, startServer } from './faults.mjs';

export const fixtures = path.join(build, 'tests/plugins');
export const SOON_MS = 500; // the deadline of what is to run past it
export const NEVER_MS = 60000;

const died = (how) => ({ told: { error: new RegExp(`^the plugin bad_calls failed: its process ${how}`) }, line: new RegExp(`error plugin: bad_calls: call misbehave: its process ${how}`) });
const tooLate = { error: /^the tool did not finish in time/ };
const overdue = { told: tooLate, line: /error plugin: bad_calls: call misbehave: its process did not finish a call by its deadline$/ };
const late = { told: tooLate, line: /warn {2}plugin: bad_calls: call misbehave: ended \d+ ms after its deadline$/ };
const twice = { told: { result: 1 }, line: /error bad_calls: finished a call twice; the second result was ignored$/ };
const unread = (why) => ({
  told: { error: new RegExp(`^the tool's result cannot be read: ${why}`) },
  line: new RegExp(`warn {2}tool: session=\\S+ plugin=bad_calls tool=misbehave call=\\S+ its result was refused: .*${why}`),
});
const huge = {
  told: { error: /^the result has 52428800 bytes, at most 1048576 are allowed$/ },
  line: /warn {2}bad_calls: call misbehave: its result was replaced by an error: the result has 52428800 bytes/,
};
const quiet = (told) => ({ told, line: null });
const errno = (name) => quiet({ errno: name });

// In a process of its own. Those that end it:
export const deadly = {
  segfault: died('was killed by signal 11 \\(Segmentation fault\\)'),
  abort: died('was killed by signal 6 \\(Aborted\\)'),
  exit: died('called exit\\(0\\)'),
  quit: died('called exit\\(3\\)'),
  close_all: died('lost its connection to the server'),
  babble: died('broke the protocol: a packet of 10 bytes'),
  flood: died('floods its output'),
  progress: died('floods the server with messages'),
  memory: died('(uses more than 768 MiB of memory|was killed by signal 6 \\(Aborted\\))'),
  loop: overdue,
  hang: overdue,
  never: overdue,
  stop: overdue,
};
// Those that it survives:
export const harmless = {
  late,
  after_cancel: late,
  twice,
  twice_later: twice,
  and_error: twice,
  other_thread: quiet({ result: true }),
  from_signal: quiet({ result: true }),
  not_json: unread('invalid JSON'),
  not_utf8: unread('invalid JSON at byte 1: not UTF-8'),
  huge,
  write_closed: errno('EBADF'),
  write_pipe: errno('EPIPE'),
  change: errno('none'),
  outlive: quiet({ result: true }),
  page: quiet({ few: true }),
  fork: errno('EPERM'),
  exec: errno('EPERM'),
  socket: errno('EPERM'),
  kill_server: errno('EPERM'),
  trace: errno('EPERM'),
  raise_limit: errno('EPERM'),
};

// In the server's own process. Those that it survives:
const overdueHere = { told: tooLate, line: /warn {2}tool: session=\S+ plugin=bad_calls tool=misbehave call=\S+ ran past its deadline$/ };
const twiceHere = { told: { result: 1 }, line: /error tool: plugin=bad_calls tool=misbehave finished a call twice$/ };
export const survived = {
  late: overdueHere,
  after_cancel: overdueHere,
  never: overdueHere,
  hang: overdueHere, // a worker waits for ever
  twice: twiceHere,
  twice_later: twiceHere,
  and_error: twiceHere,
  other_thread: quiet({ result: true }),
  from_signal: quiet({ result: true }),
  not_json: harmless.not_json,
  not_utf8: harmless.not_utf8,
  huge,
  write_closed: errno('EBADF'),
  write_pipe: errno('EPIPE'),
  outlive: quiet({ result: true }),
  fork: errno('none'),
  page: { told: { few: true }, line: /warn {2}tool: plugin=bad_calls tool=misbehave call=\S+ shows more than 20 things in a second/ },
  change: errno('none'), // of the whole server
};
// Those that end it: exit code or signal, and what is said. A sanitizer has a status of its own for a fault.
export const fatal = {
  segfault: { end: /^(SIGSEGV|1|66)$/, line: /^antiphon: plugin bad_calls: call misbehave: it ended the server \(Segmentation fault\)$/ },
  abort: { end: /^SIGABRT$/, line: /^antiphon: plugin bad_calls: call misbehave: it ended the server \(Aborted\)$/ },
  quit: { end: /^1$/, line: /error plugin: bad_calls: call misbehave: it ended the server \(called exit\(\)\)$/ },
  exit: { end: /^0$/, line: null }, // _exit() leaves nobody who could say it
  exec: { end: /^0$/, line: null },
};

// Plugins of their own for every server: {name under which it is found: file}. settings: lines below `plugins:`. agents: {name:
// lines of YAML below the instruction}.
export function makePlace(t, { plugins, settings, agents, more = '' }) {
  const home = folder('bad-plugins-');
  const dropped = path.join(home, 'plugins');
  mkdirSync(dropped);
  for (const [name, file] of Object.entries(plugins)) copyFileSync(file, path.join(dropped, `${name}.so`));
  for (const [name, lines] of Object.entries(agents)) {
    mkdirSync(path.join(home, 'agents', name), { recursive: true });
    writeFileSync(path.join(home, 'agents', name, 'root_agent.yaml'), `name: ${name}\nmodel: gemini-3.8-live\ninstruction: Help.\n${lines}`);
  }
  writeFileSync(path.join(home, 'antiphon.yaml'), `plugins:\n${settings}${more}`);
  t.after(() => { if (existsSync(home)) rmSync(home, { recursive: true, force: true }); });
  return { home, dropped, args: ['--agents', path.join(home, 'agents'), '--plugins', dropped] };
}

const helper = (deadlineMs) => `tools: [{name: misbehave}, {name: behave}]
live: {tools: {misbehave: {deadline_ms: ${deadlineMs}}, behave: {deadline_ms: ${NEVER_MS}}}}
`;

// Rows by whether they are to run past a deadline.
export const isLate = ([, { told }]) => told === tooLate;

// A server with bad_calls and a model that calls it.
export async function withBadCalls(t, isolation, deadlineMs) {
  const sim = await simulate();
  t.after(() => sim.stop());
  const place = makePlace(t, {
    plugins: { bad_calls: path.join(fixtures, 'bad_calls.so') },
    settings: `  bad_calls: {isolation: ${isolation}${isolation === 'process' ? ', memory_mb: 768' : ''}}\n`,
    agents: { helper: helper(deadlineMs) },
  });
  const server = await startServer({ sim, cwd: place.home, store: path.join(place.home, 'talks.db'), args: place.args });
  return Object.assign(server, { place });
}

// Calls the tool; what the model was told.
export async function call(client, tool, args = {}) {
  return JSON.parse(/^Tool said: (.*)$/s.exec(await client.ask(`tool ${tool} ${JSON.stringify(args)}`))[1]);
}

// Whether the model was told that.
export function check(how, told, response) {
  for (const [key, value] of Object.entries(told)) {
    if (value instanceof RegExp) assert.match(response[key], value, how);
    else assert.deepEqual(response[key], value, `${how}: ${JSON.stringify(response)}`);
  }
}

export const complaints = (text, name) => text.split('\n').filter((line) => line.includes(name) && / (warn |error) |^antiphon: /.test(line));

export async function until(holds, what, ms = 20000) {
  for (const started = Date.now(); !(await holds());) {
    if (Date.now() - started > ms) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

// What cannot be loaded: {file, and "STEP: REASON" that is said}. In the fixtures each lies under its own name.
const own = (name) => path.join(fixtures, `${name}.so`);
export const unloadable = {
  not_elf: /^elf: \S+ is not a shared object \(no ELF header\)/,
  other_machine: /^elf: \S+ is built for arm64 \(64 bit\), this program for /,
  no_symbol: /^symbol: \S+ does not export antiphon_plugin_v1\(\)/,
  other_abi: /^manifest: it is built for version 2\.0 of the plugin ABI, this program has 1\.0/,
  bad_manifest: /^manifest: tool: is not known; did you mean "tools"\?/,
  short_struct: /^struct: struct_size is 8, at least \d+ is needed/,
  undefined_symbol: /^open: \S+: undefined symbol: the_function_that_is_nowhere/,
  wrong_name: /^name: the file is \w+\.so, but the plugin calls itself other/,
  name_clash: /^register: tool get_time: plugin time_tools has one of that name/,
  bad_schema: /^register: tool odd: params_schema.*\$ref/,
  bad_config_schema: /^config: .*oneOf/,
  manifest_lies: /^manifest: it does not have the tool harmful, which the plugin registers/,
  init_fails: /^init: there is no route to the sea/, // after it has registered two tools
};

// Where the file of each lies. other_machine is hello with another number in its header.
export function files(t, names) {
  const made = folder('other-machine-');
  t.after(() => rmSync(made, { recursive: true, force: true }));
  const whole = readFileSync(own('hello'));
  whole.writeUInt16LE(183, 18); // e_machine: AArch64
  writeFileSync(path.join(made, 'hello.so'), whole);
  return Object.fromEntries(names.map((name) => [name, name === 'other_machine' ? path.join(made, 'hello.so') : own(name)]));
}
