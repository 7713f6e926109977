// Processes of antiphon, in an environment that counts nothing but what a test sets.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from './live_sim.mjs';

export const antiphon = path.join(build, 'antiphon');
export const PATIENCE_MS = 20000; // until a test gives up; nothing is ever measured by it

const sanitizer = /Sanitizer|runtime error:/;

export function folder(prefix = 'antiphon-') {
  return mkdtempSync(path.join(tmpdir(), prefix));
}

// Nothing of the caller's environment but what programs need to run.
export function environment(home, more = {}) {
  const env = { PATH: process.env.PATH, HOME: home, LANG: 'C.UTF-8', ...more };
  for (const name of ['ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LSAN_OPTIONS'])
    if (process.env[name] && !(name in more)) env[name] = process.env[name];
  for (const name of Object.keys(env)) if (env[name] === undefined) delete env[name];
  return env;
}

export function patience(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain: ${what()}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Runs a command to its end.
export async function run(args, { env = {}, cwd, stdin = 'ignore', program = antiphon } = {}) {
  const home = folder();
  const child = spawn(program, args, { cwd: cwd ?? home, env: environment(home, env), stdio: [stdin, 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { err += data; });
  try {
    const [code, signal] = await patience(once(child, 'close'), () => `${args.join(' ')} to end\n${err}`);
    return { code, signal, out, err };
  } finally {
    child.kill('SIGKILL');
    rmSync(home, { recursive: true, force: true });
  }
}

// Starts `antiphon serve ...`. Resolves once it listens, with {child, pid, url, host, out, err, exited}: what it has written so
// far, and a promise of {code, signal}.
export async function launch(args, { cwd, env, stdio = ['ignore', 'pipe', 'pipe'], patienceMs }) {
  const child = spawn(antiphon, ['serve', '--port', '0', ...args], { cwd, env, stdio });
  const server = { child, pid: child.pid, out: '', err: '' };
  server.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  child.stderr?.on('data', (data) => { server.err += data; });
  try {
    server.url = await patience(new Promise((resolve, reject) => {
      child.stdout.on('data', (data) => {
        server.out += data;
        const found = /listening on (\S+)\n/.exec(server.out);
        if (found) resolve(found[1]);
      });
      server.exited.then(({ code, signal }) => reject(new Error(`serve ended with ${code ?? signal}: ${server.err}`)));
    }), () => `serve to listen\n${server.err}`, patienceMs);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  server.host = new URL(server.url).host;
  return server;
}

// Fails if a sanitizer has reported anything.
export function checkReports(server) {
  if (sanitizer.test(server.err)) throw new Error(`serve reported:\n${server.err}`);
}

// An orderly end: exit 0 and no report of a sanitizer.
export async function end(server, signal = 'SIGTERM') {
  server.child.kill(signal);
  const how = await patience(server.exited, () => `serve to end\n${server.err}`).finally(() => server.child.kill('SIGKILL'));
  if (how.code !== 0) throw new Error(`serve ended with ${how.code ?? how.signal}: ${server.err}`);
  checkReports(server);
}

// One that nobody listens on, for a moment at least.
export async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}
