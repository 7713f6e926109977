// What the loudspeaker's worklet does: a queue of 16-bit chunks, each of a turn, played at the rate of the audio
// context. Silence when nothing is there, never an old sample again. No platform calls.
import { Resampler } from './resampler.js';

const MAX_SECONDS = 600; // queued at most; beyond it the newest is refused
const START_SECONDS = 0.06; // gathered before a turn starts to sound, against gaps

export class PlayerCore {
  // tell({type: 'played'|'idle'|'full', turn, ms}) is called from within the other functions.
  constructor(inRate, outRate, tell) {
    this.inRate = inRate;
    this.outRate = outRate;
    this.tell = tell;
    this.resampler = new Resampler(inRate, outRate);
    this.reportEvery = Math.round(outRate * 0.2);
    this.fade = 0;
    this.last = 0;
    this.turn = -1;
    this.samples = 0; // of this turn that have sounded
    this.unreported = 0;
    this.empty();
  }

  empty() {
    this.chunks = [];
    this.queued = 0; // input samples in chunks
    this.ready = new Float32Array(0); // resampled, to be played next
    this.at = 0;
    this.sounding = false;
    this.ended = false;
  }

  push(turn, chunk) {
    if (turn < this.newest()) return; // a late chunk of an older turn
    if (this.queued > MAX_SECONDS * this.inRate) {
      this.tell({ type: 'full', turn, ms: 0 });
      return;
    }
    this.ended = false;
    this.chunks.push({ turn, chunk });
    this.queued += chunk.length;
  }

  newest() {
    return this.chunks.length ? this.chunks[this.chunks.length - 1].turn : this.turn;
  }

  // No more will come for now: play what is there, however short.
  end() {
    this.ended = true;
    if (!this.sounding && this.queued === 0 && this.at >= this.ready.length) this.tell({ type: 'idle', turn: this.turn, ms: this.ms() });
  }

  // Silence from the next quantum on (faded over it, so that it does not click).
  flush() {
    const busy = this.sounding || this.queued > 0;
    this.empty();
    this.resampler.reset();
    this.fade = this.last;
    if (busy) this.finish();
  }

  ms() {
    return Math.floor((this.samples * 1000) / this.outRate);
  }

  report() {
    this.unreported = 0;
    if (this.turn >= 0) this.tell({ type: 'played', turn: this.turn, ms: this.ms() });
  }

  finish() {
    this.report();
    this.tell({ type: 'idle', turn: this.turn, ms: this.ms() });
  }

  // The next chunk becomes `ready`; false if there is none.
  refill() {
    const next = this.chunks.shift();
    if (!next) return false;
    if (next.turn !== this.turn) {
      if (this.unreported > 0) this.report();
      this.turn = next.turn;
      this.samples = 0;
      this.resampler.reset();
    }
    this.queued -= next.chunk.length;
    const floats = new Float32Array(next.chunk.length);
    for (let i = 0; i < floats.length; i++) floats[i] = next.chunk[i] / 32768;
    this.ready = this.resampler.push(floats);
    this.at = 0;
    return true;
  }

  start() {
    this.sounding = this.ended ? this.queued > 0 : this.queued >= START_SECONDS * this.inRate;
    return this.sounding;
  }

  // Fills out; returns whether anything sounds.
  render(out) {
    out.fill(0);
    if (this.fade !== 0) {
      for (let i = 0; i < out.length; i++) out[i] = this.fade * (1 - (i + 1) / out.length);
      this.fade = 0;
    }
    if (!this.sounding && !this.start()) {
      this.last = 0;
      return false;
    }
    let n = 0;
    while (n < out.length) {
      if (this.at >= this.ready.length && !this.refill()) break;
      const take = Math.min(out.length - n, this.ready.length - this.at);
      for (let i = 0; i < take; i++) out[n + i] += this.ready[this.at + i];
      this.at += take;
      n += take;
      this.samples += take;
      this.unreported += take;
    }
    this.last = n === out.length ? out[n - 1] : 0;
    if (n < out.length) {
      this.sounding = false; // gather anew before the next sound
      this.finish();
    } else if (this.unreported >= this.reportEvery) {
      this.report();
    }
    return true;
  }
}
