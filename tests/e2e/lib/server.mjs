// Starts build/<preset>/antiphon serve in a folder of its own. ANTIPHON_BUILD names the build folder.
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, root } from './live_sim.mjs';
import { checkReports, end, environment, folder as newFolder, launch } from './process.mjs';

// A folder with agents, settings and room for the database. agents: {folder: text of root_agent.yaml}.
export function makePlace({ agents = {}, settings, files = {} } = {}) {
  const folder = newFolder();
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
  const server = await launch(
    ['--agents', path.join(place.folder, 'agents'), '--store', `sqlite:${place.database}`, ...args],
    { cwd: place.folder, env: environment('/nonexistent', env) },
  );
  let ordered = false;
  t.after(() => {
    server.child.kill('SIGKILL');
    if (!ordered) t.diagnostic(server.err);
  });
  return Object.assign(server, {
    signal: (name) => server.child.kill(name),
    // The power goes out; a sanitizer report before that is a failure.
    async kill() {
      ordered = true;
      server.child.kill('SIGKILL');
      await server.exited;
      checkReports(server);
    },
    async stop() {
      ordered = true;
      await end(server);
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
