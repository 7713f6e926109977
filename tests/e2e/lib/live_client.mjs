// A bare Live client over ws: JSON out, JSON in, and a way to wait for the next message that fits.
import WebSocket from 'ws';
import { developerPath } from './live_sim.mjs';

export class LiveClient {
  constructor(url, options = {}) {
    this.messages = []; // every server message, parsed
    this.raw = []; // {data, binary}
    this.waiting = [];
    this.socket = new WebSocket(url, { perMessageDeflate: false, ...options });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve);
      this.socket.once('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.closed.then((close) => { this.close = close; this.#wake(); });
    this.socket.on('error', () => {});
    this.socket.on('message', (data, binary) => {
      this.raw.push({ data, binary });
      this.messages.push(JSON.parse(data.toString()));
      this.#wake();
    });
    this.cursor = 0;
  }

  static async open(sim, setup, path = developerPath, options = {}) {
    const client = new LiveClient(sim.ws + path, options);
    await client.opened;
    if (setup) {
      client.send({ setup });
      await client.next((m) => m.setupComplete);
    }
    return client;
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  text(text) {
    this.send({ clientContent: { turns: [{ role: 'user', parts: [{ text }] }], turnComplete: true } });
  }

  audio(pcm, chunk = 3200, mimeType = 'audio/pcm;rate=16000') {
    for (let at = 0; at < pcm.length; at += chunk)
      this.send({ realtimeInput: { audio: { mimeType, data: pcm.subarray(at, at + chunk).toString('base64') } } });
  }

  #wake() {
    this.waiting = this.waiting.filter((wait) => !wait());
  }

  // The next message (after the last one returned) for which fits() is true. Fails when the socket ends first.
  next(fits = () => true) {
    return new Promise((resolve, reject) => {
      const look = () => {
        while (this.cursor < this.messages.length) {
          const message = this.messages[this.cursor++];
          if (fits(message)) { resolve(message); return true; }
        }
        if (this.close) reject(new Error(`closed ${this.close.code} ${this.close.reason}`));
        return Boolean(this.close);
      };
      if (!look()) this.waiting.push(look);
    });
  }

  // Everything up to and including the next turnComplete.
  async turn() {
    const start = this.cursor;
    await this.next((m) => m.serverContent?.turnComplete);
    return this.messages.slice(start, this.cursor);
  }

  end() {
    this.socket.close(1000);
    return this.closed;
  }
}

export const parts = (messages) => messages.flatMap((m) => m.serverContent?.modelTurn?.parts ?? []);
export const textOf = (messages) =>
  parts(messages).filter((p) => p.text && !p.thought).map((p) => p.text).join('');
export const transcriptOf = (messages) =>
  messages.map((m) => m.serverContent?.outputTranscription?.text ?? '').join('');
export const audioOf = (messages) =>
  Buffer.concat(parts(messages).filter((p) => p.inlineData).map((p) => Buffer.from(p.inlineData.data, 'base64')));
export const wireKeys = (message) => Object.keys(message.serverContent ?? {});
export const models = {
  text: 'models/gemini-2.0-flash-live-001',
  native: 'models/gemini-2.5-flash-native-audio-preview-12-2025',
  three: 'models/gemini-3.1-flash-live-preview',
  latest: 'models/gemini-3.8-live',
};
export const textSetup = { model: models.text, generationConfig: { responseModalities: ['TEXT'] }, sessionResumption: {} };
export const audioSetup = {
  model: models.native,
  generationConfig: { responseModalities: ['AUDIO'] },
  inputAudioTranscription: {},
  outputAudioTranscription: {},
  sessionResumption: {},
};
