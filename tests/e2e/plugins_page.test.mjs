// The ten-minute page of docs/plugins.md, done as it says: its commands, in an empty folder, against what its own
// installation command installs; what it says is typed, and what it says is answered.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { build, Client, environment, folder, root } from './lib/faults.mjs';

const page = /^## A tool in ten minutes\n(.*?)^## /ms.exec(readFileSync(path.join(root, 'docs/plugins.md'), 'utf8'))[1];
const blocks = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, kind, text]) => ({ kind, text }));

test('the ten-minute page', { timeout: 120000 }, async (t) => {
  const home = folder('page-');
  const at = path.join(home, 'empty');
  mkdirSync(at);
  // The fake host of a build with sanitizers links with those alone.
  const [, sanitize] = /^ANTIPHON_SANITIZE:\w+=(.*)$/m.exec(readFileSync(path.join(build, 'CMakeCache.txt'), 'utf8'));
  const env = environment(home, sanitize ? { CFLAGS: `-fsanitize=${sanitize}` } : {});
  const shell = async (commands) => {
    const child = spawn('sh', ['-euc', commands], { cwd: at, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said += data; });
    const [code] = await once(child, 'close');
    assert.equal(code, 0, `${commands}\n${said}`);
    return said;
  };

  // Installing: the tree is built already, so that its last command alone is run.
  const [install] = blocks.filter(({ kind }) => kind === '');
  const lines = install.text.trim().split('\n');
  assert.equal(lines.shift(), 'tools/setup');
  const presets = JSON.parse(readFileSync(path.join(root, 'CMakePresets.json'), 'utf8'));
  for (const [, kind, name] of lines[0].matchAll(/(--build )?--preset (\w+)/g))
    assert.ok(presets[kind ? 'buildPresets' : 'configurePresets'].some((preset) => preset.name === name), name);
  assert.match(lines[1], /^cmake --install build\/release --prefix /);
  await shell(lines[1].replace('build/release', `"${build}"`));

  const steps = blocks.filter(({ kind }) => kind === 'sh').map(({ text }) => text);
  const serving = steps.findIndex((step) => step.startsWith('antiphon serve '));
  assert.ok(serving >= 4 && steps.length === serving + 2, 'steps, the server, and one more while it runs');
  // One shell for a person is many here; what it remembers is the path.
  const remembered = steps[0].split('\n').filter((line) => line.startsWith('export ')).join('\n');
  const said = [];
  for (const step of steps.slice(0, serving)) said.push(await shell(`${remembered}\n${step}`));
  assert.match(said.join(''), /100% tests passed/);
  assert.match(said.join(''), /^result +\{"text":"hello"\}$/m);
  assert.match(said.join(''), /^ok: 1 agents, 2 plugins$/m);

  const child = spawn('sh', ['-euc', `${remembered}\nexec ${steps[serving].trim()} --port 0`],
    { cwd: at, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'close');
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  const until = (pattern) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`waited in vain for ${pattern}: ${log}`)), 20000);
    const look = () => {
      if (!pattern.test(log)) return;
      clearTimeout(late);
      resolve(pattern.exec(log));
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
    look();
    ended.then(() => reject(new Error(`the server ended: ${log}`)));
  });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { log += data; });
  const [, url] = await until(/listening on (\S+)\n/);
  const [typed] = [...page.matchAll(/type `(.+?)`/g)].map(([, text]) => text);
  const answers = [...page.matchAll(/`(Tool said: .+?)`/g)].map(([, text]) => text);
  assert.equal(answers.length, 2);
  const talk = async () => {
    const client = await new Client({ ws: url.replace('http', 'ws') }, 'sample').ready();
    const answer = await client.ask(typed);
    await client.leave();
    return answer.trim();
  };
  assert.equal(await talk(), answers[0]);
  log = '';
  await shell(`${remembered}\n${steps[serving + 1]}`);
  await until(/parrot: version \S+ is offered to new conversations/);
  assert.equal(await talk(), answers[1]);
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null], log);
});
