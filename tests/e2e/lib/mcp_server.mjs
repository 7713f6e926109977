// The protocol's own reference server, as a program and over HTTP.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { root } from './live_sim.mjs';
import { freePort } from './process.mjs';

export const everything = path.join(root, 'tests/node_modules/@modelcontextprotocol/server-everything/dist/index.js');

// Resolves with the process, listening at `url`. port: the one it had before.
export async function startEverything(t, port) {
  port ??= await freePort();
  const server = spawn(process.execPath, [everything, 'streamableHttp'], { env: { PATH: process.env.PATH, PORT: String(port) } });
  t.after(() => server.kill('SIGKILL'));
  let said = '';
  await new Promise((resolve) => {
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (data) => {
        said += data;
        if (/listening on port/i.test(said)) resolve();
      });
  });
  return Object.assign(server, { port, url: `http://127.0.0.1:${port}/mcp` });
}

// The protocol's SDK and a reference server for Python, put there by tools/setup --test.
const venv = path.join(root, 'build/mcp-venv/bin');
export const python = path.join(venv, 'python');
export const timeServer = path.join(venv, 'mcp-server-time');
export const board = path.join(root, 'tests/mcp/board.py'); // changes its tools, in the newer revision

export async function startBoard(t) {
  const port = await freePort();
  const server = spawn(python, [board, 'http', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => server.kill('SIGKILL'));
  let said = '';
  await new Promise((resolve, reject) => {
    server.once('exit', () => reject(new Error(`board.py ended: ${said}`)));
    for (const stream of [server.stdout, server.stderr])
      stream.on('data', (data) => {
        said += data;
        if (said.includes('running on')) resolve();
      });
  });
  return Object.assign(server, { url: `http://127.0.0.1:${port}/mcp` });
}

// Waits until fits() answers something, and answers that.
export async function until(fits, what) {
  const started = Date.now();
  for (;;) {
    const found = await fits();
    if (found) return found;
    if (Date.now() - started > 20000) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

// Waits for a line in the server's log.
export const told = (talk, line) => until(() => talk.server.err.includes(line), () => `${line} in ${talk.server.err}`);
