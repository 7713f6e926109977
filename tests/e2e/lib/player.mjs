// Plays a list of events (scenario.mjs, changed by mended.mjs) against a server. What the recording says came in is sent;
// what it says went out is waited for and compared, in the order of the recording. That order is the causality: nothing
// is sent before what was there before it has arrived, and no clock is read but for bounds.
import { once } from 'node:events';
import net from 'node:net';
import { Browser } from './browser.mjs';
import { equal, normalise, show } from './compare.mjs';

export class Difference extends Error {}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

class Replay {
  browsers = new Map();
  answers = new Map(); // of plain HTTP
  etags = new Map(); // recorded one -> this server's

  constructor(scenario, server, upstream, setup) {
    Object.assign(this, { scenario, server, upstream, setup });
  }

  fail(event, what, got) {
    const place = `${this.scenario.file}:${event.line}`;
    const by = event.recorded ? ` (mended: ${event.recorded}, ${event.why})` : '';
    throw new Difference(`${place}: ${event.link} ${event.conn} ${event.dir} ${event.type}${by}: ${what}\n` +
      `  expected ${show(typeof event.data === 'string' ? parse(event.data) : event.data)}\n  got      ${show(got)}`);
  }

  // Where the server listens instead of the recorder's address.
  local(text) {
    return text.replaceAll('localhost:8101', this.server.host);
  }

  same(event, got, normal = (value) => value) {
    const expected = typeof event.data === 'string' ? parse(event.data) : event.data;
    if (typeof expected === 'function') {
      const wrong = expected(got);
      if (wrong) this.fail(event, wrong, got);
    } else if (!equal(normal(expected), normal(got))) {
      this.fail(event, 'is different', got);
    }
  }

  async take(event, inbox, type) {
    const got = await inbox.next(event.within);
    if (!got) this.fail(event, 'did not come', undefined);
    if (got.type !== type) this.fail(event, `a ${type} was expected`, got.data ? parse(got.data) : got);
    return got;
  }

  async play() {
    for (const event of this.scenario.events) await this[`${event.link}_${event.dir}_${event.type}`](event);
    for (const [number, { inbox }] of this.browsers) this.nothing(inbox, `client ${number}`);
    for (const { inbox, number } of this.upstream.connections) this.nothing(inbox, `upstream ${number}`);
  }

  nothing(inbox, who) {
    const [left] = inbox.pending;
    if (left)
      throw new Difference(`${this.scenario.file}: ${who}: more than expected: ${show(parse(left.data) ?? left)}`);
  }

  // ---- the client's side

  client_in_note(event) {
    if (!event.data.startsWith('SIGTERM')) this.fail(event, 'an unknown note', event.data);
    this.server.signal('SIGTERM');
  }

  client_in_open(event) {
    const headers = {};
    for (const line of event.data.request?.slice(1) ?? []) {
      const [, name, value] = /^([^:]+): (.*)$/.exec(line);
      if (/^(Origin|User-Agent)$/.test(name)) headers[name] = this.local(value);
    }
    Object.assign(headers, event.data.headers);
    this.browsers.set(event.conn, new Browser(this.server, event.data.path, { headers }));
  }

  async client_out_open(event) {
    const got = await this.take(event, this.browsers.get(event.conn).inbox, 'open');
    const recorded = Object.fromEntries(event.data.headers.map(([name, value]) => [name.toLowerCase(), value]));
    for (const name of ['upgrade', 'sec-websocket-extensions', 'sec-websocket-protocol'])
      if (got.headers[name]?.toLowerCase() !== recorded[name]) this.fail(event, `${name} differs`, got.headers);
  }

  client_in_text(event) {
    this.browsers.get(event.conn).send(event.data);
  }

  client_in_binary(event) {
    this.browsers.get(event.conn).send(event.data, true);
  }

  client_in_close(event) {
    if (event.data.answer) return; // by the library
    this.browsers.get(event.conn).close(event.data.code, event.data.reason);
  }

  async client_in_tcp(event) {
    const browser = this.browsers.get(event.conn);
    browser.drop();
    await browser.inbox.next(); // its own end
  }

  async client_out_text(event) {
    const got = await this.take(event, this.browsers.get(event.conn).inbox, 'text');
    this.same(event, parse(got.data));
    event.after?.(this);
  }

  async client_out_close(event) {
    const got = await this.take(event, this.browsers.get(event.conn).inbox, 'close');
    if (got.code !== event.data.code) this.fail(event, 'the code differs', got);
  }

  client_out_tcp() {} // the library reports the close when the socket has ended too

  async client_in_http(event) {
    const { method, path, headers = [], upgrade } = event.data;
    const key = event.conn || 'http';
    if (upgrade) {
      this.browsers.set(key, new Browser(this.server, path));
      return;
    }
    const own = headers.map(([name, value]) => [name, this.etags.get(value) ?? value]);
    this.answers.set(key, await request(this.server.host, method, path, own));
  }

  fits(name, is, value) {
    if (name === 'etag') return /^(W\/)?"[^"]+"$/.test(is);
    if (name === 'location') return new URL(is ?? '', this.server.url).href === value;
    return is === value;
  }

  async client_out_http(event) {
    const key = event.conn || 'http';
    const got = this.answers.get(key) ?? (await this.take(event, this.browsers.get(key).inbox, 'http'));
    const { status, headers, body } = event.data;
    this.answers.delete(key);
    if (got.status !== status) this.fail(event, 'the status differs', got);
    for (const [name, value] of headers) {
      if (!['content-type', 'allow', 'accept-ranges', 'content-range', 'etag', 'location'].includes(name)) continue;
      const is = got.headers[name];
      if (!this.fits(name, is, this.local(value))) this.fail(event, `${name} differs`, got);
      if (name === 'etag') this.etags.set(value, is);
    }
    if (body?.bytes !== undefined && Buffer.byteLength(got.body) !== body.bytes) this.fail(event, 'the length differs', got);
    if (body === '' && got.body !== '') this.fail(event, 'no body was expected', got);
    if (event.conn) await this.browsers.get(key).closed();
  }

  // Every 20 s of silence, which only the long tests wait for.
  async client_out_ping(event) {
    if (!process.env.ANTIPHON_LONG) return;
    const ping = once(this.browsers.get(event.conn).socket, 'ping', { signal: AbortSignal.timeout(25000) });
    await ping.catch(() => this.fail(event, 'did not come', undefined));
  }

  // ---- the model's side

  async upstreamConnection(event) {
    const connection = await this.upstream.connection(event.conn, event.within);
    if (!connection) this.fail(event, 'there is no such connection', undefined);
    return connection;
  }

  async upstream_out_open(event) {
    const { inbox } = await this.upstreamConnection(event);
    const got = await this.take(event, inbox, 'open');
    const recorded = Object.fromEntries(event.data.headers.map(([name, value]) => [name.toLowerCase(), value]));
    if (got.path !== event.data.path) this.fail(event, 'the path differs', got.path);
    if (got.headers['x-goog-api-key'] !== recorded['x-goog-api-key']) this.fail(event, 'the key differs', got.headers);
    for (const name of ['sec-websocket-extensions', 'origin'])
      if (got.headers[name] !== recorded[name]) this.fail(event, `${name} differs`, got.headers);
    if (this.upstream.live.length > (event.together ?? 1)) this.fail(event, 'the older connection is still open', got);
  }

  async upstream_out_text(event) {
    const { inbox } = await this.upstreamConnection(event);
    const got = parse((await this.take(event, inbox, 'text')).data);
    if (got.setup) this.setup(event, got);
    else this.same(event, got, normalise);
  }

  async upstream_out_close(event) {
    const connection = await this.upstreamConnection(event);
    const got = await this.take(event, connection.inbox, 'close');
    if (got.code !== event.data.code) this.fail(event, 'the code differs', got);
  }

  upstream_out_tcp() {}
  upstream_out_ping() {}

  // Whatever connections there are end soon; what they said is of no interest.
  async upstream_out_gone(event) {
    const late = new Promise((resolve) => setTimeout(resolve, event.within, 'late').unref());
    const ends = Promise.all(this.upstream.connections.map((connection) => connection.ended));
    if ((await Promise.race([ends, late])) === 'late') this.fail(event, 'still open', this.upstream.live.length);
    for (const { inbox } of this.upstream.connections) while (inbox.pending.length) await inbox.next();
  }

  // Nothing has come that the recording has only later.
  upstream_out_silence(event) {
    const [got] = this.upstream.connections[event.conn - 1].inbox.pending;
    if (got) this.fail(event, 'nothing was expected yet', parse(got.data));
  }

  async upstream_in_binary(event) {
    (await this.upstreamConnection(event)).say(event.data);
  }

  async upstream_in_close(event) {
    if (event.data.answer) return;
    (await this.upstreamConnection(event)).close(event.data.code, event.data.reason);
  }

  async upstream_in_tcp(event) {
    const connection = await this.upstreamConnection(event);
    if (event.data === 'rst') connection.reset();
    else connection.drop();
    await connection.ended;
    await connection.inbox.next(); // its own end
  }
}

// A request with the path exactly as given: no client library that knows better.
function request(host, method, path, headers) {
  const { hostname, port } = new URL(`http://${host}`);
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, hostname, () => {
      const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close'];
      for (const [name, value] of headers) lines.push(`${name}: ${value}`);
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    });
    let text = '';
    socket.setTimeout(5000, () => socket.destroy(new Error(`${method} ${path}: no answer`)));
    socket.on('data', (data) => { text += data.toString('latin1'); });
    socket.on('error', reject);
    socket.on('end', () => {
      socket.end();
      const at = text.indexOf('\r\n\r\n');
      const [first, ...rest] = text.slice(0, at).split('\r\n');
      const fields = rest.map((line) => /^([^:]+): *(.*)$/.exec(line)).map(([, name, value]) => [name.toLowerCase(), value]);
      resolve({ status: Number(first.split(' ')[1]), headers: Object.fromEntries(fields), body: text.slice(at + 4) });
    });
  });
}

export const replay = (scenario, server, upstream, setup) => new Replay(scenario, server, upstream, setup).play();
