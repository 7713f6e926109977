// Plays the client's half of a recording to live-sim and compares the other half with the recording.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LiveClient } from './live_client.mjs';
import { tone } from './live_sim.mjs';

const zeros = new Map();
const hashOfZeros = (bytes) => {
  if (!zeros.has(bytes)) zeros.set(bytes, createHash('sha256').update(Buffer.alloc(bytes)).digest('hex'));
  return zeros.get(bytes);
};

// Recordings hold long base64 as {"$b64":{...}}: put silence where it was silence, a tone elsewhere. urlSafe keeps
// the alphabet that the Python clients use.
function restoreAudio(text, urlSafe) {
  return text.replace(/\{"\$b64":\{"sha256":"([0-9a-f]+)","bytes":(\d+),"head":"[^"]*"\}\}/g, (_, sha, size) => {
    const bytes = Number(size);
    const pcm = sha === hashOfZeros(bytes) ? Buffer.alloc(bytes) : tone(bytes / 32).subarray(0, bytes);
    const data = pcm.toString('base64');
    return JSON.stringify(urlSafe ? data.replaceAll('+', '-').replaceAll('/', '_') : data);
  });
}

export function readRecording(file) {
  return readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))
    .filter((frame) => frame.link === 'upstream');
}

// One short word for each server message; what may differ from run to run is left out of it.
export function signature(message) {
  const copy = structuredClone(message);
  const turn = copy.serverContent?.modelTurn;
  for (const part of turn?.parts ?? [])
    if (part.inlineData?.data !== undefined) {
      const data = part.inlineData.data;
      part.inlineData.data = typeof data === 'string' ? Buffer.from(data, 'base64').length : data.$b64.bytes;
    }
  const update = copy.sessionResumptionUpdate; // the second number counts the handles of the whole process
  if (update?.newHandle) update.newHandle = update.newHandle.replace(/\d+$/, 'N');
  const grounding = copy.serverContent?.groundingMetadata;
  if (grounding) grounding.searchEntryPoint = Object.keys(grounding.searchEntryPoint);
  for (const transcription of [copy.serverContent?.inputTranscription, copy.serverContent?.outputTranscription])
    if (transcription?.text)
      transcription.text = transcription.text.replace(/\d+ ms/, 'N ms').replace(/^[\d.]+ $/, 'N ');
  // A long answer is cut at a moment nobody controls: its chunks count as one.
  if (turn && !turn.role && (turn.parts[0].text?.startsWith('la') || turn.parts[0].inlineData)) return 'chunk';
  return JSON.stringify(copy);
}

export function collapse(signatures) {
  return signatures.filter((s, i) => s !== 'chunk' || signatures[i - 1] !== 'chunk');
}

// An interruption lands between two words of the answer; which two is a matter of milliseconds.
export function dropInterrupted(signatures) {
  const interrupted = '{"serverContent":{"interrupted":true}}';
  const kept = [];
  for (const s of signatures) {
    if (s === interrupted)
      while (kept.length && (kept.at(-1) === 'chunk' || /modelTurn|outputTranscription/.test(kept.at(-1)))) kept.pop();
    kept.push(s);
  }
  return kept;
}

// How many messages of a list are sure to come back in every run.
const settled = (signatures) => dropInterrupted(collapse(signatures)).length;

const isAudio = (text) => /"(audio|mediaChunks|media_chunks)"/.test(text);
const isSilence = (text) => /"data": ?"A*=*"/.test(text);

class Connection {
  constructor(sim, frames, urlSafe) {
    const open = frames[0].data;
    const headers = Object.fromEntries(open.headers.filter(([name]) =>
      !/^(host|upgrade|connection|sec-websocket-.*)$/i.test(name)));
    this.number = frames[0].conn;
    this.urlSafe = urlSafe;
    this.expected = frames.filter((f) => f.dir === 'in' && f.type === 'binary').map((f) => JSON.parse(f.data));
    this.expectedClose = frames.find((f) => f.dir === 'in' && f.type === 'close' && !f.data.answer)?.data ?? null;
    this.serverEnds = frames.some((f) => /close|tcp/.test(f.type) && f.dir === 'in' && !f.data.answer);
    this.leaves = frames.some((f) => f.type === 'close' && f.dir === 'out' && !f.data.answer);
    this.client = new LiveClient(sim.ws + open.path, { headers });
    this.signatures = [];
    this.seen = []; // what the recorded client had received so far
    this.turns = 0; // of that, up to the end of the last turn
  }

  soFar() {
    const { messages } = this.client;
    while (this.signatures.length < messages.length) this.signatures.push(signature(messages[this.signatures.length]));
    return this.signatures;
  }

  count() {
    return settled(this.seen);
  }

  async play(frame) {
    if (frame.dir === 'in' && frame.type === 'binary') {
      this.seen.push(signature(JSON.parse(frame.data)));
      if (/setupComplete|turnComplete|sessionResumptionUpdate/.test(frame.data)) this.turns = this.count();
    } else if (frame.dir === 'out' && frame.type === 'text') {
      await this.send(frame);
    } else if (frame.dir === 'out' && frame.type === 'close' && !frame.data.answer) {
      await this.received(this.count());
      const { code, reason } = frame.data;
      this.client.socket.close(code === 1005 ? undefined : code, reason);
      await this.client.closed;
    } else if (frame.dir === 'in' && frame.type === 'close' && !frame.data.answer) {
      await this.client.closed;
    } else if (frame.dir === 'in' && frame.type === 'tcp' && !/"(reset|die)"/.test(this.lastText)) {
      // The recorder cut this one by hand, in the middle of an answer.
      await this.received(this.count());
      this.client.socket.terminate();
      await this.client.closed;
    }
  }

  // The recorder cut some connections by hand and left no frame of it.
  async leaveIfOver(later) {
    if (later.some((f) => f.conn === this.number) || this.client.socket.readyState !== 1) return;
    await this.received(this.count());
    this.client.socket.terminate();
    await this.client.closed;
  }

  // Sends one recorded client frame, once as much had come back as when it was recorded. Voice waits for the end of the
  // turn before it only, since it may be what ends the answer; silence changes nothing and waits for nothing.
  async send(frame) {
    const text = restoreAudio(frame.data, this.urlSafe);
    this.lastText = frame.data;
    if (!isAudio(text)) await this.received(this.count());
    else if (!isSilence(text)) await this.received(this.turns);
    if (this.client.socket.readyState === 1) this.client.socket.send(text);
  }

  async finish() {
    await this.received(this.count());
    if (!this.serverEnds && this.client.socket.readyState === 1) this.client.socket.close(1000);
    await this.client.closed;
    const expected = dropInterrupted(collapse(this.expected.map(signature)));
    const actual = dropInterrupted(collapse(this.soFar()));
    // A client that left in the middle of an answer may have been sent a little more of it by then.
    const left = this.leaves && !/turnComplete|sessionResumptionUpdate|setupComplete/.test(expected.at(-1) ?? '');
    return {
      number: this.number,
      expected,
      actual: left ? actual.slice(0, expected.length) : actual,
      expectedClose: this.expectedClose,
      actualClose: this.client.close,
    };
  }

  // Waits for so many (collapsed) messages, or for the end of the connection.
  received(count) {
    return new Promise((resolve) => {
      const look = () => {
        const have = settled(this.soFar());
        if (have >= count || this.client.close) { resolve(); return true; }
        return false;
      };
      if (look()) return;
      const onMessage = () => { if (look()) off(); };
      const off = () => {
        this.client.socket.off('message', onMessage);
        this.client.socket.off('close', onMessage);
      };
      this.client.socket.on('message', onMessage);
      this.client.socket.on('close', onMessage);
      this.client.closed.then(look);
    });
  }
}

// Returns, per connection, {expected, actual, expectedClose, actualClose}; the lists are signatures.
export async function replay(sim, frames, { urlSafe = true } = {}) {
  const connections = [];
  for (const frame of frames) {
    if (frame.type === 'note') continue;
    if (frame.type === 'open') {
      for (const older of connections) await older.leaveIfOver(frames.slice(frames.indexOf(frame)));
      const own = frames.slice(frames.indexOf(frame)).filter((f) => f.conn === frame.conn && f.type !== 'note');
      const next = own.findIndex((f, i) => i > 0 && f.type === 'open');
      const connection = new Connection(sim, next < 0 ? own : own.slice(0, next), urlSafe);
      connections.push(connection);
      await connection.client.opened;
      continue;
    }
    await connections.findLast((c) => c.number === frame.conn)?.play(frame);
  }
  const results = [];
  for (const connection of connections) results.push(await connection.finish());
  return results;
}
