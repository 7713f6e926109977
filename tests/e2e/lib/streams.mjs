// tools/load as the other users of a server: clients that speak and listen at the pace of speech, and the Live API behind them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { build, folder, startServer } from './faults.mjs';
import { drop, fixtures } from './isolation.mjs';

const FRAMES_A_SECOND = 25; // of each client and each way: 40 ms

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// A server with two kinds of agents: `listener` talks to the Live API of load and is the default; the others talk to echo_model,
// which calls tools on command. plugins: {name: file}; settings: lines below `plugins:`; agents: {name: YAML}.
export async function startServed(t, { plugins, settings, agents }) {
  const place = folder('streams-');
  const dropped = path.join(place, 'plugins');
  drop(path.join(fixtures, 'echo_model.so'), dropped);
  for (const [name, file] of Object.entries(plugins)) drop(file, dropped, `${name}.so`);
  const write = (name, text) => {
    mkdirSync(path.join(place, 'agents', name), { recursive: true });
    writeFileSync(path.join(place, 'agents', name, 'root_agent.yaml'), text);
  };
  write('listener', 'name: listener\nmodel: gemini-3.8-live\ninstruction: Listen.\n');
  for (const [name, lines] of Object.entries(agents)) write(name, `name: ${name}\nmodel: echo-1\ninstruction: Echo.\n${lines}`);
  const upstreamPort = await freePort();
  const server = await startServer({
    sim: `http://127.0.0.1:${upstreamPort}`,
    args: ['--plugins', dropped, '--agents', path.join(place, 'agents')],
    config: `default_agent: listener\nplugins:\n  echo_model: {isolation: thread}\n${settings}` +
      'models: [{provider: echo_model, backend: "*", match: "", modalities: [TEXT, AUDIO], text: realtime, history: client_content}]\n',
  });
  t.after(() => server.stop());
  return Object.assign(server, { dropped, upstreamPort, result: path.join(place, 'load.json') });
}

const metric = async (server, name) => Number(new RegExp(`^antiphon_${name}_total (\\d+)$`, 'm')
  .exec((await server.get('/metrics')).body.toString())[1]);

// So many sessions stream audio both ways until end(), which answers what load has measured. Resolves when they do.
export async function startStreams(t, server, sessions) {
  const clients = await metric(server, 'client_connections');
  const child = spawn(path.join(build, 'load'), ['--connect', `127.0.0.1:${server.port}`, '--upstream-port', String(server.upstreamPort),
    '--pid', String(server.child.pid), '--sessions', String(sessions), '--connects', '200', '--verify', '--warmup', '0',
    '--seconds', '600', '--leave', '0', '--json', server.result], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said += data; });
  const exited = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  const reached = async (name, wanted) => {
    for (const started = Date.now(); (await metric(server, name)) < wanted;) {
      if (child.exitCode !== null || Date.now() - started > 60000) throw new Error(`no streams: ${said}\n${server.err}`);
      await new Promise((resolve) => { setTimeout(resolve, 50); });
    }
  };
  await reached('client_connections', clients + sessions);
  await reached('audio_spliced', await metric(server, 'audio_spliced') + 2 * sessions * FRAMES_A_SECOND); // it measures from the last connection on
  const from = Date.now();
  return {
    async end() {
      const asked = (Date.now() - from) / 1000;
      child.kill('SIGTERM');
      const [code] = await exited;
      if (code !== 0) throw new Error(`load ended with ${code}: ${said}`);
      const result = JSON.parse(readFileSync(server.result, 'utf8'));
      // Nobody can tell who lost a frame if even the generator was not given the processor.
      result.starved = result.late_us.max > 250000;
      if (result.seconds < asked) throw new Error(`load measured ${result.seconds} s of ${asked} s`);
      return result;
    },
  };
}
