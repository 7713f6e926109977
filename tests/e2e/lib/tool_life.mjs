// A server with the fixture tools of life_tools and time_tools, and ways to see what they did.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, folder, simulate, startServer } from './faults.mjs';

process.removeAllListeners('warning'); // node:sqlite is new, and says so
const { DatabaseSync } = await import('node:sqlite');

export const waits = 'gemini-2.5-flash-native-audio-preview-12-2025'; // for its tools
export const goesOn = 'gemini-3.8-live'; // while they run

const names = ['book', 'nap', 'keep', 'background', 'pay', 'transfer', 'tally', 'stuck', 'get_time', 'boom', 'huge', 'not_json'];

// policies: text under live.tools.
const agent = (model, policies) => `name: helper
model: ${model}
instruction: Help.
tools:
${names.map((name) => `  - name: ${name}`).join('\n')}
live:
  app_name: tools
  tools: ${policies}
`;

// A folder with agent, plugins and settings.
// isolation: of the plugins; in a process of their own they cannot write what they do to a file.
export function makeHome(t, { model = goesOn, policies = '{}', settings = '', isolation = 'thread' } = {}) {
  const home = folder('antiphon-tools-');
  const write = (name, text) => {
    mkdirSync(path.dirname(path.join(home, name)), { recursive: true });
    writeFileSync(path.join(home, name), text);
  };
  write('agents/helper/root_agent.yaml', agent(model, policies));
  write('antiphon.yaml', `plugins:\n  life_tools: {isolation: ${isolation}, log: ${home}/log}\n  time_tools: {isolation: ${isolation}, slow_ms: 50}\n${settings}`);
  mkdirSync(path.join(home, 'plugins'));
  for (const name of ['life_tools', 'time_tools'])
    copyFileSync(path.join(build, 'tests/plugins', `${name}.so`), path.join(home, 'plugins', `${name}.so`));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

export async function startTools(t, home, sim) {
  const store = path.join(home, 'talks.db');
  const server = await startServer({ sim, store, cwd: home, args: ['--agents', path.join(home, 'agents'), '--plugins', path.join(home, 'plugins')] });
  server.log = () => (existsSync(path.join(home, 'log')) ? readFileSync(path.join(home, 'log'), 'utf8').split('\n').filter(Boolean) : []);
  // Rows of the journal, in the order of the calls.
  server.journal = () => {
    const database = new DatabaseSync(store, { readOnly: true });
    try {
      return database.prepare('SELECT * FROM antiphon_tool_calls ORDER BY requested_time, rowid').all();
    } finally {
      database.close();
    }
  };
  // A call with that gate goes on, now or as soon as it is there.
  server.open = (gate) => writeFileSync(path.join(home, `log.${gate}`), '');
  server.untilJournal = (fits) => until(() => fits(server.journal()), () => JSON.stringify(server.journal()));
  server.untilLog = (line) => until(() => server.log().includes(line), () => server.log().join('\n'));
  return server;
}

export async function withTools(t, options = {}, scenario = undefined) {
  const sim = await simulate(scenario);
  t.after(() => sim.stop());
  const server = await startTools(t, makeHome(t, options), sim);
  t.after(() => server.stop());
  return { sim, server };
}

export async function until(holds, what, ms = 20000) {
  for (const started = Date.now(); !holds();) {
    if (Date.now() - started > ms) throw new Error(`waited in vain: ${what()}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

// What the model was told: the functionResponses of each message.
export const responses = async (sim, connection) => (await sim.sent(connection))
  .filter((message) => message.toolResponse).map((message) => message.toolResponse.functionResponses);

export const answered = (sim, n) => sim.until((frames) =>
  frames.filter((frame) => frame.dir === 'out' && frame.type === 'text' && frame.data.startsWith('{"toolResponse"')).length >= n);
