// Starts build/<preset>/antiphon serve in a folder of its own. ANTIPHON_BUILD names the build folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build, root } from './live_sim.mjs';

const sanitizer = /AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:/;

// What the tests set counts, not what the machine has set.
function environment(extra) {
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', TSAN_OPTIONS: process.env.TSAN_OPTIONS ?? '' };
  return { ...env, ...extra };
}

// A folder with agents, settings and room for the database. agents: {folder: text of root_agent.yaml}.
export function makePlace({ agents = {}, settings, files = {} } = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'antiphon-'));
  for (const [name, text] of Object.entries(agents)) {
    mkdirSync(path.join(folder, 'agents', name), { recursive: true });
    writeFileSync(path.join(folder, 'agents', name, 'root_agent.yaml'), text);
  }
  if (settings) writeFileSync(path.join(folder, 'antiphon.yaml'), settings);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), content);
  }
  return {
    folder,
    database: path.join(folder, 'talks.db'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export const searchAgent = (extra = '') => `agent_class: LlmAgent
name: google_search_agent
description: Agent to answer questions using Google Search.
model: \${env:DEMO_AGENT_MODEL:-gemini-3.8-live}
instruction: Answer the question using the Google Search tool.
tools:
  - name: google_search
live:
  app_name: adk-streaming-ws
${extra}`;

// Resolves once it listens. place: of makePlace(), kept by the caller; args and env as given to the program. t: the test; a
// server that it leaves behind, because it failed, is ended with it.
export async function startServer(t, { place, env = {}, args = [] }) {
  const child = spawn(
    path.join(build, 'antiphon'),
    ['serve', '--port', '0', '--agents', path.join(place.folder, 'agents'), '--store', `sqlite:${place.database}`,
      ...args],
    { cwd: place.folder, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const exited = once(child, 'exit');
  const server = { pid: child.pid, err: '', out: '' };
  let ordered = false;
  t.after(() => {
    child.kill('SIGKILL');
    if (!ordered) t.diagnostic(server.err);
  });
  child.stderr.on('data', (data) => { server.err += data; });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => {
      server.out += data;
      const found = /listening on (\S+)\n/.exec(server.out);
      if (found) resolve(found[1]);
    });
    exited.then(([code]) => reject(new Error(`antiphon exited with ${code}: ${server.err}`)));
  });
  return Object.assign(server, {
    url,
    host: new URL(url).host,
    exited,
    signal: (name) => child.kill(name),
    // The power goes out. What the process said is returned; a sanitizer report in it is a failure.
    async kill() {
      ordered = true;
      child.kill('SIGKILL');
      await exited;
      if (sanitizer.test(server.err)) throw new Error(`antiphon reported:\n${server.err}`);
    },
    // Orderly; exit 0 within 5 s and no report of a sanitizer.
    async stop() {
      ordered = true;
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 10000);
      const [code, signal] = await exited;
      clearTimeout(late);
      if (code !== 0 || sanitizer.test(server.err))
        throw new Error(`antiphon ended with ${code ?? signal}:\n${server.err}`);
    },
  });
}

export const shippedStatic = path.join(root, 'static');
export const fixturePlugins = path.join(build, 'tests/plugins');

// A folder with one fixture plugin alone; the others there are broken on purpose.
export function pluginFolder(place, name) {
  const folder = path.join(place.folder, 'plugins');
  mkdirSync(folder, { recursive: true });
  copyFileSync(path.join(fixturePlugins, `${name}.so`), path.join(folder, `${name}.so`));
  return folder;
}
