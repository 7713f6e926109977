// Changes the sample rate of a stream of samples with a windowed-sinc low-pass filter, so that nothing above the
// lower of the two Nyquist frequencies folds back. Used in both audio worklets. No platform calls.

const ZEROS = 16; // zero crossings of the filter on each side
const MAX_PHASES = 1024;

function gcd(a, b) {
  while (b) [a, b] = [b, a % b];
  return a;
}

function blackman(x) {
  // x in -1 .. 1
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

// One row of coefficients for every place that an output sample can have between two input samples.
function makeRows(phases, half, cutoff) {
  const taps = 2 * half;
  const rows = [];
  for (let phase = 0; phase < phases; phase++) {
    const row = new Float32Array(taps);
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const t = tap - half + 1 - phase / phases;
      const x = Math.PI * cutoff * t;
      row[tap] = Math.abs(t) >= half ? 0 : (x === 0 ? 1 : Math.sin(x) / x) * blackman(t / half);
      sum += row[tap];
    }
    for (let tap = 0; tap < taps; tap++) row[tap] /= sum;
    rows.push(row);
  }
  return rows;
}

export class Resampler {
  constructor(from, to) {
    const common = gcd(from, to);
    const lower = Math.min(1, to / from);
    this.same = from === to;
    this.step = from / to;
    this.phases = Math.min(to / common, MAX_PHASES);
    this.half = Math.ceil(ZEROS / lower);
    this.rows = this.same ? [] : makeRows(this.phases, this.half, lower * 0.92);
    this.reset();
  }

  reset() {
    this.kept = new Float32Array(this.half - 1); // what the next output still looks at
    this.count = 0; // outputs since the last whole number of input samples
    this.at = 0; // place of the next output, counted from the beginning of `kept` + half - 1
  }

  // All outputs that the input makes possible.
  push(input) {
    if (this.same) return input;
    const data = new Float32Array(this.kept.length + input.length);
    data.set(this.kept);
    data.set(input, this.kept.length);
    const last = data.length - 2 * this.half; // the last place where a whole row fits
    const output = new Float32Array(Math.max(0, Math.ceil((last + 1 - this.at) / this.step)) + 1);
    let n = 0;
    while (true) {
      let base = Math.floor(this.at);
      let phase = Math.round((this.at - base) * this.phases);
      if (phase === this.phases) {
        phase = 0;
        base++;
      }
      if (base > last) break;
      const row = this.rows[phase];
      let sum = 0;
      for (let tap = 0; tap < row.length; tap++) sum += data[base + tap] * row[tap];
      output[n++] = sum;
      this.at += this.step;
    }
    const drop = Math.min(Math.floor(this.at), data.length);
    this.at -= drop;
    this.kept = data.slice(drop);
    return output.subarray(0, n);
  }
}
