// The WebSocket to the server: subprotocol antiphon.v1 (docs/protocol.md), reconnecting for as long as the page is
// open.

const FIRST_DELAY = 500; // ms
const MAX_DELAY = 15000;
const STEADY = 5000; // so long a connection must live for the delay to start small again
const MAX_BUFFERED = 256 * 1024; // bytes that wait in the browser; beyond it audio is left out
const HEADER = 8; // of a binary frame: version, kind, u16, u32 turn

// A random whole number of 53 bits names the user of this browser; whoever knows it reads the conversation.
export function userId() {
  const key = 'antiphon.user';
  const stored = localStorage.getItem(key);
  if (stored && /^[0-9]{1,16}$/.test(stored)) return stored;
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  const made = String((high & 0x1fffff) * 0x100000000 + low);
  localStorage.setItem(key, made);
  return made;
}

// Events: "status" {state: "connecting"|"open"|"waiting", seconds}, "frame" (an object), "audio" {turn, pcm}.
export class Connection extends EventTarget {
  constructor({ user, agent }) {
    super();
    this.user = user;
    this.agent = agent;
    this.socket = null;
    this.failures = 0;
    this.timer = 0;
    addEventListener('online', () => this.retry());
  }

  url() {
    const url = new URL(`/ws/${encodeURIComponent(this.user)}`, location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('audio', 'binary');
    if (this.agent) url.searchParams.set('agent', this.agent);
    return url.href;
  }

  get open() {
    return this.socket !== null && this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    clearTimeout(this.timer);
    this.timer = 0;
    const socket = new WebSocket(this.url(), ['antiphon.v1']);
    socket.binaryType = 'arraybuffer';
    const before = this.socket;
    this.socket = socket;
    if (before) before.close(1000);
    let opened = 0;
    this.status('connecting');
    socket.onopen = () => {
      opened = Date.now();
      if (socket === this.socket) this.status('open');
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.onMessage(data);
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.failures = opened && Date.now() - opened > STEADY ? 0 : this.failures + 1;
      this.wait();
    };
  }

  wait() {
    const most = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** Math.min(this.failures, 10));
    const delay = most / 2 + (Math.random() * most) / 2;
    this.timer = setTimeout(() => this.connect(), delay);
    this.status('waiting', Math.ceil(delay / 1000));
  }

  // Now instead of later; nothing if the connection stands.
  retry() {
    if (this.timer) this.connect();
  }

  status(state, seconds = 0) {
    this.dispatchEvent(new CustomEvent('status', { detail: { state, seconds, failures: this.failures } }));
  }

  onMessage(data) {
    if (typeof data !== 'string') {
      const head = new DataView(data);
      if (data.byteLength <= HEADER || head.getUint8(0) !== 1 || head.getUint8(1) !== 1) return;
      const detail = { turn: head.getUint32(4, true), pcm: data.slice(HEADER) };
      this.dispatchEvent(new CustomEvent('audio', { detail }));
      return;
    }
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.dispatchEvent(new CustomEvent('frame', { detail: frame }));
  }

  // False: not connected.
  send(message) {
    if (!this.open) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  sendAudio(pcm) {
    if (this.open && this.socket.bufferedAmount < MAX_BUFFERED) this.socket.send(pcm);
  }
}
