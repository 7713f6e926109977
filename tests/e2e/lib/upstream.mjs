// The model's side, driven by a test: it says nothing by itself. Each connection is an Inbox of open, text, close.
import http from 'node:http';
import https from 'node:https';
import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { Inbox, PATIENCE } from './inbox.mjs';

class Connection {
  inbox = new Inbox();
  open = true;

  constructor(socket, request, number) {
    this.socket = socket;
    this.number = number;
    this.tcp = request.socket;
    this.ended = once(socket, 'close').then(() => { this.open = false; this.endedAt = Date.now(); });
    this.inbox.push({ type: 'open', path: request.url, headers: request.headers });
    socket.on('message', (data, binary) => this.inbox.push({ type: binary ? 'binary' : 'text', data: data.toString() }));
    socket.on('close', (code, reason) => this.inbox.push({ type: 'close', code, reason: reason.toString() }));
    socket.on('error', () => {});
  }

  // The Live API sends its JSON in binary frames.
  say(message) {
    this.socket.send(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message, null, 2)));
  }

  close(code, reason) {
    this.socket.close(code, reason);
  }

  drop() {
    this.tcp.destroy();
  }

  reset() {
    this.tcp.resetAndDestroy();
  }

  // The next message from the server, parsed.
  async message(ms) {
    const event = await this.inbox.next(ms);
    if (event?.type !== 'text') throw new Error(`a message was expected upstream, got ${JSON.stringify(event)}`);
    return JSON.parse(event.data);
  }
}

export class Upstream {
  connections = [];
  #arrivals = new Inbox();

  // tls: {key, cert}, or nothing for plain HTTP. onConnection makes a model that talks by itself.
  static async start({ tls, onConnection } = {}) {
    const upstream = new Upstream();
    const server = tls ? https.createServer(tls) : http.createServer();
    const sockets = new WebSocketServer({ server, perMessageDeflate: true, maxPayload: 32 << 20 });
    sockets.on('connection', (socket, request) => {
      const connection = new Connection(socket, request, upstream.connections.length + 1);
      upstream.connections.push(connection);
      upstream.#arrivals.push(connection);
      onConnection?.(connection);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    upstream.url = `${tls ? 'https' : 'http'}://${tls ? 'localhost' : '127.0.0.1'}:${server.address().port}`;
    upstream.stop = async () => {
      for (const connection of upstream.connections) connection.socket.terminate();
      sockets.close();
      server.close();
      await once(server, 'close');
    };
    return upstream;
  }

  get env() {
    return { GOOGLE_GEMINI_BASE_URL: this.url, GOOGLE_API_KEY: 'k' };
  }

  get live() {
    return this.connections.filter((connection) => connection.open);
  }

  // The connection with this number, from 1; waits for it. undefined: it did not come.
  async connection(number, ms = PATIENCE) {
    while (this.connections.length < number) {
      if (!(await this.#arrivals.next(ms))) return undefined;
    }
    return this.connections[number - 1];
  }
}
