// The browser's side of a WebSocket, as events: open or http (refused), text, binary, close, error.
import WebSocket from 'ws';
import { Inbox } from './inbox.mjs';

export class Browser {
  inbox = new Inbox();

  constructor(server, path, { headers = {}, protocols = [] } = {}) {
    const origin = { Origin: server.url };
    this.socket = new WebSocket(`ws://${server.host}${path}`, protocols, { headers: { ...origin, ...headers } });
    this.socket.on('upgrade', (response) => { this.headers = response.headers; });
    this.socket.on('open', () => this.inbox.push({ type: 'open', status: 101, headers: this.headers }));
    this.socket.on('unexpected-response', (request, response) => {
      let body = '';
      response.on('data', (data) => { body += data; });
      response.on('end', () => {
        this.inbox.push({ type: 'http', status: response.statusCode, headers: response.headers, body });
        request.destroy();
      });
    });
    this.socket.on('message', (data, binary) =>
      this.inbox.push({ type: binary ? 'binary' : 'text', data: data.toString(), at: Date.now() }));
    this.socket.on('close', (code, reason) => this.inbox.push({ type: 'close', code, reason: reason.toString() }));
    this.socket.on('error', () => {});
  }

  static async open(server, path, options) {
    const browser = new Browser(server, path, options);
    const event = await browser.inbox.next();
    if (event?.type !== 'open') throw new Error(`${path} was not opened: ${JSON.stringify(event)}`);
    return browser;
  }

  send(data, binary = false) {
    this.socket.send(data, { binary });
  }

  text(text) {
    this.send(JSON.stringify({ mime_type: 'text/plain', data: text }));
  }

  // The next message, parsed.
  async frame(ms) {
    const event = await this.inbox.next(ms);
    if (event?.type !== 'text') throw new Error(`a text frame was expected, got ${JSON.stringify(event)}`);
    return JSON.parse(event.data);
  }

  // Frames up to and including the one that fits. Fails if nothing comes for ms.
  async until(fits, ms) {
    const frames = [];
    for (;;) {
      const frame = await this.frame(ms);
      frames.push(frame);
      if (fits(frame)) return frames;
    }
  }

  // One typed turn of the sample's protocol: what was said, as one text.
  async ask(text, ms) {
    this.text(text);
    return said(await this.until((frame) => frame.turn_complete, ms));
  }

  // null: a close frame without a code.
  close(code = 1000, reason = '') {
    if (code === null) this.socket.close();
    else this.socket.close(code, reason);
  }

  async closed(ms) {
    for (;;) {
      const event = await this.inbox.next(ms);
      if (!event || event.type === 'close') return event;
    }
  }

  drop() {
    this.socket.terminate();
  }
}

export const said = (frames) =>
  frames.filter((frame) => frame.mime_type === 'text/plain').map((frame) => frame.data).join('');
