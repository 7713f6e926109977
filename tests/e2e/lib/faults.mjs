// What the tests of faults need: the real server with everything of its own (folder, port, environment), clients
// of both protocols, and live-sim with a scenario written in the test.
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import WebSocket from 'ws';
import { build, root, startLiveSim } from './live_sim.mjs';
import { PATIENCE_MS, antiphon, end, environment, folder, launch, patience, run } from './process.mjs';

export { antiphon, build, environment, folder, root, run, startLiveSim };
// live-sim with a scenario given as text (its options and rules).
export async function simulate(scenario, ...args) {
  const at = folder('scenario-');
  if (scenario) {
    const file = path.join(at, 'scenario.yaml');
    writeFileSync(file, scenario);
    args = ['--scenario', file, ...args];
  }
  const sim = await startLiveSim(...args);
  const { stop } = sim;
  sim.stop = async () => {
    rmSync(at, { recursive: true, force: true });
    await stop();
  };
  // The upstream messages the server sent, parsed, in order.
  sim.sent = async (connection) => (await sim.frames())
    .filter((frame) => frame.dir === 'out' && frame.type === 'text' && (!connection || frame.conn === connection))
    .map((frame) => JSON.parse(frame.data));
  // Waits until the log has what `fits` wants, which gets all frames.
  sim.until = async (fits) => {
    const started = Date.now();
    for (;;) {
      const frames = await sim.frames().catch(() => []); // the last line may be half written
      if (fits(frames)) return frames;
      if (Date.now() - started > PATIENCE_MS)
        throw new Error(`live-sim never saw it: ${JSON.stringify(frames.filter((frame) => frame.data.length !== 0)
          .map((frame) => `${frame.conn} ${frame.dir} ${frame.type} ${JSON.stringify(frame.data).slice(0, 100)}`)).slice(-2000)}`);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
  };
  return sim;
}

// {sim, args, env, config, cwd, key}: sim is a live-sim or a base URL; config is the text of antiphon.yaml.
export async function startServer({ sim, args = [], env = {}, config, cwd, key = 'k', stdio, store, patienceMs } = {}) {
  const home = folder();
  const base = typeof sim === 'string' ? sim : sim?.url;
  const settings = { ...(key ? { GOOGLE_API_KEY: key } : {}), ...(base ? { GOOGLE_GEMINI_BASE_URL: base } : {}), ...env };
  if (config) writeFileSync(path.join(home, 'antiphon.yaml'), config);
  mkdirSync(path.join(home, 'data'));
  const database = store ?? path.join(home, 'data', 'antiphon.db');
  const server = await launch(['--shards', '2', '--store', `sqlite:${database}`, ...args], {
    cwd: cwd ?? home, env: environment(home, settings), stdio, patienceMs,
  }).catch((error) => {
    rmSync(home, { recursive: true, force: true });
    throw error;
  });
  const { child } = server;
  Object.assign(server, { home, database, clients: [] });
  server.port = Number(new URL(server.url).port);
  server.ws = server.url.replace('http', 'ws');
  server.client = (name, options) => {
    const client = new Client(server, name, options);
    server.clients.push(client);
    return client.ready();
  };
  server.get = (at, options) => request(server, at, options);
  // Until standard error has it.
  server.logged = (pattern) => patience(new Promise((resolve) => {
    const look = () => {
      const found = pattern.exec(server.err);
      if (!found) return;
      child.stderr.off('data', look);
      resolve(found);
    };
    child.stderr.on('data', look);
    look();
  }), () => `${pattern} in the log\n${server.err}`);
  // SIGTERM, a clean end, no report of a sanitizer.
  server.stop = async (signal = 'SIGTERM') => {
    try {
      await end(server, signal);
    } finally {
      for (const client of server.clients) client.socket.terminate();
      rmSync(home, { recursive: true, force: true });
    }
  };
  return server;
}

// Starts both, gives them to the test, ends both and fails if either ended badly.
export async function withServer(t, options, scenario, ...simArgs) {
  const sim = await simulate(scenario, ...simArgs);
  t.after(() => sim.stop());
  const server = await startServer({ sim, ...options });
  t.after(() => server.stop());
  return { sim, server };
}

export const protocols = ['sample', 'v1'];

let nextUser = 1;

export class Client {
  // name: 'sample' or 'v1'. options: user, audio (true: answers in audio), query, headers.
  constructor(server, name, { user = nextUser++, audio = false, query = '', headers = {} } = {}) {
    this.user = user;
    this.name = name;
    this.frames = []; // every JSON frame
    this.raw = []; // every message as text, for searches
    this.cursor = 0;
    this.waiting = new Set();
    const url = `${server.ws}/ws/${user}?is_audio=${audio}${query}`;
    this.socket = new WebSocket(url, name === 'v1' ? ['antiphon.v1'] : [], {
      perMessageDeflate: false, headers, maxPayload: 64 << 20,
    });
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => {
        this.close = { code, reason: reason.toString() };
        this.#wake();
        resolve(this.close);
      });
    });
    this.socket.on('message', (data, binary) => {
      this.raw.push(binary ? data.toString('latin1') : data.toString());
      if (!binary) this.frames.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.socket.on('error', () => {});
  }

  async ready() {
    await patience(once(this.socket, 'open'), () => 'the WebSocket to open');
    if (this.name === 'v1') await this.next((frame) => frame.hello);
    return this;
  }

  #wake() {
    for (const look of this.waiting) look();
  }

  // The next frame (after the last one that was waited for) that fits.
  next(fits, what = fits.toString()) {
    const from = this.cursor;
    return patience(new Promise((resolve, reject) => {
      const look = () => {
        while (this.cursor < this.frames.length) {
          const frame = this.frames[this.cursor++];
          if (!fits(frame)) continue;
          this.waiting.delete(look);
          resolve(frame);
          return;
        }
        if (!this.close) return;
        this.waiting.delete(look);
        reject(new Error(`closed (${this.close.code} ${this.close.reason}) before ${what}: ${this.tail(from)}`));
      };
      this.waiting.add(look);
      look();
    }), () => `${what}, got ${this.tail(from)}`);
  }

  tail(from) {
    return JSON.stringify(this.frames.slice(from).map((frame) =>
      frame.mime_type === 'audio/pcm' ? { audio: frame.data.length } : frame)).slice(-1500);
  }

  send(frame) {
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  text(data) {
    this.send({ mime_type: 'text/plain', data });
  }

  audio(pcm) {
    this.send({ mime_type: 'audio/pcm', data: pcm.toString('base64') });
  }

  error() {
    return this.next((frame) => frame.error).then((frame) => frame.error);
  }

  // Sends a text; what the model says up to turn_complete, transcripts and written text joined.
  async ask(data) {
    this.text(data);
    return this.answer();
  }

  async answer() {
    const from = this.cursor;
    await this.next((frame) => frame.turn_complete);
    return said(this.frames.slice(from, this.cursor));
  }

  async leave() {
    this.socket.close(1000);
    return this.closed;
  }
}

export function said(frames) {
  return frames.filter((frame) => frame.mime_type === 'text/plain' && frame.role !== 'user')
    .map((frame) => frame.data).join('');
}

// One HTTP request; header and body as they came.
export function request(server, at, { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const query = http.request({ host: '127.0.0.1', port: server.port, path: at, method, headers, agent: false }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
    });
    query.on('error', reject);
    query.on('upgrade', (answer, socket) => {
      socket.destroy();
      resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.alloc(0) });
    });
    query.end();
  });
}

// The answer to a WebSocket handshake.
export function handshake(server, at, headers = {}) {
  return request(server, at, {
    headers: {
      Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers,
    },
  });
}

// Bytes as they are over TCP; resolves with what came back when `enough` says so or the peer closed.
export function exchange(port, bytes, enough = () => false) {
  return patience(new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    let got = '';
    const done = (closed) => {
      socket.destroy();
      resolve({ text: got, closed });
    };
    socket.on('data', (data) => {
      got += data.toString('latin1');
      if (enough(got)) done(false);
    });
    socket.on('end', () => done(true));
    socket.on('close', () => done(true));
    socket.on('error', (error) => (error.code === 'ECONNRESET' ? done(true) : reject(error)));
  }), () => 'an answer over TCP');
}
