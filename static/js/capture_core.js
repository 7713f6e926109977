// What the microphone's worklet does with samples: any rate in, batches of 16-bit samples at 16 kHz out. No platform
// calls.
import { Resampler } from './resampler.js';

export const RATE = 16000;
export const BATCH = (RATE * 40) / 1000; // 40 ms

export class CaptureCore {
  constructor(rate) {
    this.resampler = new Resampler(rate, RATE);
    this.batch = new Int16Array(BATCH);
    this.n = 0;
    this.energy = 0;
  }

  // Calls emit(Int16Array, level) for every full batch; level is the root mean square, 0 to 1.
  push(samples, emit) {
    for (const sample of this.resampler.push(samples)) {
      const value = Math.max(-1, Math.min(1, sample));
      this.energy += value * value;
      this.batch[this.n++] = Math.round(value < 0 ? value * 32768 : value * 32767);
      if (this.n === BATCH) this.flush(emit);
    }
  }

  flush(emit) {
    if (this.n === 0) return;
    emit(this.batch.slice(0, this.n), Math.sqrt(this.energy / this.n));
    this.n = 0;
    this.energy = 0;
  }
}
