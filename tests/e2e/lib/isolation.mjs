// A server whose agents talk to echo_model (tests/fixtures/plugins), which calls tools on command, so that plugins of any
// kind can be put to use without a network. The other plugins live in processes of their own, unless settings say
// otherwise.
import { copyFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, folder, startServer } from './faults.mjs';

export const fixtures = path.join(build, 'tests/plugins');

// Puts a file there as a whole, as a careful person does.
export function drop(from, into, name = path.basename(from)) {
  mkdirSync(into, { recursive: true });
  copyFileSync(from, path.join(into, `.${name}.new`));
  renameSync(path.join(into, `.${name}.new`), path.join(into, name));
}

// agents: {name: tools}. plugins: names of fixtures, or paths of other plugins. settings: lines of antiphon.yaml below `plugins:`.
export async function startIsolated(t, { agents, plugins = [], settings = '', args = [], more = '', ...rest }) {
  const place = folder('isolated-');
  const dropped = path.join(place, 'plugins');
  for (const name of ['echo_model', ...plugins]) drop(path.resolve(fixtures, `${name}.so`), dropped);
  for (const [name, tools] of Object.entries(agents)) {
    mkdirSync(path.join(place, 'agents', name), { recursive: true });
    writeFileSync(path.join(place, 'agents', name, 'root_agent.yaml'), `name: ${name}\nmodel: echo-1\ninstruction: Echo.\n` +
      `tools: [${tools.map((tool) => `{name: ${tool}}`).join(', ')}]\nlive: {provider: echo_model}\n`);
  }
  const server = await startServer({
    ...rest,
    args: ['--plugins', dropped, '--agents', path.join(place, 'agents'), ...args],
    config: `plugins:\n  echo_model: {isolation: thread}\n${settings}` +
      'models: [{provider: echo_model, backend: "*", match: "", modalities: [TEXT, AUDIO], text: realtime, ' +
      `history: client_content}]\n${more}`,
  });
  let stopped = false;
  const { stop } = server;
  server.stop = async () => { stopped = true; await stop(); };
  t.after(() => (stopped ? null : server.stop()));
  return Object.assign(server, { place, dropped });
}

// Calls the tool; what the model was told.
export async function call(client, tool, args = {}) {
  const said = await client.ask(`!call ${tool} ${JSON.stringify(args)}`);
  return JSON.parse(/results: (.*)$/s.exec(said)[1])[0].response;
}

export async function plugins(server) {
  const { body } = await server.get('/readyz');
  return Object.fromEntries(body.toString().split('\n').filter((line) => line.startsWith('plugin '))
    .map((line) => /^plugin (\w+): (.*)$/.exec(line).slice(1)));
}
