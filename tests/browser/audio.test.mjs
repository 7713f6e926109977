// The parts of the page's audio that need no browser: resampling, batching, the playout queue.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BATCH, CaptureCore, RATE } from '../../static/js/capture_core.js';
import { PlayerCore } from '../../static/js/player_core.js';
import { Resampler } from '../../static/js/resampler.js';

function sine(rate, hertz, seconds, amplitude = 0.8) {
  return Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => amplitude * Math.sin((2 * Math.PI * hertz * i) / rate));
}

// Amplitude of one frequency in the samples (their middle part, away from the edges).
function level(samples, rate, hertz) {
  const from = Math.floor(samples.length / 4);
  const to = Math.floor((samples.length * 3) / 4);
  let re = 0;
  let im = 0;
  for (let i = from; i < to; i++) {
    re += samples[i] * Math.cos((2 * Math.PI * hertz * i) / rate);
    im += samples[i] * Math.sin((2 * Math.PI * hertz * i) / rate);
  }
  return (2 * Math.hypot(re, im)) / (to - from);
}

function rms(samples) {
  const middle = samples.slice(Math.floor(samples.length / 4), Math.floor((samples.length * 3) / 4));
  return Math.sqrt(middle.reduce((sum, x) => sum + x * x, 0) / middle.length);
}

// In the pieces that a worklet gets.
function resample(from, to, input, piece = 128) {
  const resampler = new Resampler(from, to);
  const output = [];
  for (let i = 0; i < input.length; i += piece) output.push(...resampler.push(input.subarray(i, i + piece)));
  return Float32Array.from(output);
}

const RATES = [[48000, 16000], [44100, 16000], [16000, 16000], [96000, 16000], [8000, 16000], [24000, 48000], [24000, 44100], [24000, 24000], [44056, 16000]];

for (const [from, to] of RATES) {
  test(`${from} Hz to ${to} Hz keeps a tone, its level and its length`, () => {
    const output = resample(from, to, sine(from, 1000, 1));
    assert.ok(Math.abs(output.length - to) < to * 0.01, `${output.length} samples`);
    assert.ok(Math.abs(level(output, to, 1000) - 0.8) < 0.01, `level ${level(output, to, 1000)}`);
    assert.ok(Math.abs(rms(output) - 0.8 / Math.SQRT2) < 0.01, 'nothing but the tone');
  });
}

test('what the lower rate cannot hold is filtered away instead of folding back', () => {
  for (const [from, hertz] of [[48000, 9500], [48000, 15000], [44100, 12000], [48000, 20000]]) {
    const output = resample(from, 16000, sine(from, hertz, 0.5));
    assert.ok(rms(output) < 0.005, `${hertz} Hz at ${from} leaves ${rms(output)}`);
  }
});

test('speech passes: 6 kHz survives the way to 16 kHz', () => {
  assert.ok(Math.abs(level(resample(48000, 16000, sine(48000, 6000, 0.5)), 16000, 6000) - 0.8) < 0.05);
});

test('the size of the pieces does not matter', () => {
  const input = sine(44100, 700, 0.3);
  const whole = resample(44100, 16000, input, input.length);
  for (const piece of [1, 7, 128, 441]) assert.deepEqual(resample(44100, 16000, input, piece), whole);
});

test('capture gives batches of 40 ms, clamped, with their level', () => {
  const core = new CaptureCore(48000);
  const batches = [];
  core.push(sine(48000, 300, 1, 4), (pcm, loud) => batches.push({ pcm, loud }));
  assert.ok(batches.length >= 24 && batches.length <= 25);
  for (const { pcm } of batches) assert.equal(pcm.length, BATCH);
  assert.equal(BATCH, RATE / 25);
  const all = batches.flatMap(({ pcm }) => [...pcm]);
  assert.equal(Math.max(...all), 32767);
  assert.equal(Math.min(...all), -32768);
  assert.ok(batches[5].loud > 0.7 && batches[5].loud <= 1);
  const rest = [];
  core.flush((pcm) => rest.push(pcm));
  assert.ok(rest.length <= 1 && (rest.length === 0 || rest[0].length < BATCH));
});

const QUANTUM = 128;

class Listener {
  constructor(outRate = 48000) {
    this.told = [];
    this.core = new PlayerCore(24000, outRate, (message) => this.told.push(message));
  }

  render(quanta = 1) {
    const out = [];
    for (let i = 0; i < quanta; i++) {
      const quantum = new Float32Array(QUANTUM).fill(0.5); // an old buffer: must be overwritten
      this.core.render(quantum);
      out.push(...quantum);
    }
    return out;
  }

  of(type) {
    return this.told.filter((message) => message.type === type);
  }
}

const loud = (n, value = 16384) => new Int16Array(n).fill(value);

test('nothing queued is silence', () => {
  assert.ok(new Listener().render(10).every((x) => x === 0));
});

test('a turn is played whole, at the right level, then silence, never an old sample again', () => {
  const listener = new Listener();
  for (let i = 0; i < 10; i++) listener.core.push(1, loud(480));
  listener.core.end();
  const out = listener.render(200);
  const sounding = out.filter((x) => Math.abs(x) > 0.4).length;
  assert.ok(Math.abs(sounding - 9600) < 150, `${sounding} samples of 9600`);
  assert.ok(Math.abs(out[4000] - 0.5) < 0.01);
  assert.ok(out.slice(-5000).every((x) => x === 0));
  assert.equal(listener.of('idle').length, 1);
  const { ms, turn } = listener.of('played').at(-1);
  assert.equal(turn, 1);
  assert.ok(Math.abs(ms - 200) < 3, `${ms} ms`);
});

test('a short answer sounds when its turn ends, not before', () => {
  const listener = new Listener();
  listener.core.push(1, loud(240));
  assert.ok(listener.render(5).every((x) => x === 0));
  listener.core.end();
  assert.ok(listener.render(5).some((x) => x > 0.4));
});

test('a flush is silence after one quantum, reports what was heard, and drops what was queued', () => {
  const listener = new Listener();
  listener.core.push(4, loud(24000));
  listener.render(100);
  listener.core.flush();
  const fade = listener.render(1);
  assert.ok(fade[0] > 0.4 && Math.abs(fade[QUANTUM - 1]) < 0.01);
  assert.ok(listener.render(400).every((x) => x === 0));
  const { turn, ms } = listener.of('played').at(-1);
  assert.equal(turn, 4);
  assert.ok(Math.abs(ms - (100 * QUANTUM * 1000) / 48000) < 2);
  assert.equal(listener.of('idle').length, 1);
});

test('audio of an older turn is dropped; a newer turn waits for its place and counts anew', () => {
  const listener = new Listener();
  listener.core.push(2, loud(2400));
  listener.render(4);
  listener.core.push(1, loud(2400, -16384));
  listener.core.push(3, loud(2400, 8192));
  listener.core.push(2, loud(2400, -16384));
  listener.core.end();
  const out = listener.render(200);
  assert.ok(out.every((x) => x > -0.1), 'nothing of the late chunks');
  assert.ok(out.some((x) => Math.abs(x - 0.25) < 0.01), 'the newer turn sounds');
  const last = listener.of('played').at(-1);
  assert.equal(last.turn, 3);
  assert.ok(Math.abs(last.ms - 100) < 3);
  assert.ok(listener.of('played').some(({ turn, ms }) => turn === 2 && Math.abs(ms - 100) < 3));
});

test('progress is reported five times a second', () => {
  const listener = new Listener();
  listener.core.push(1, loud(24000));
  listener.render(Math.ceil(48000 / QUANTUM));
  assert.ok(listener.of('played').length >= 4 && listener.of('played').length <= 6);
});

test('the queue has an end', () => {
  const listener = new Listener();
  const minute = loud(24000 * 60, 0);
  for (let i = 0; i < 12; i++) listener.core.push(1, minute);
  assert.ok(listener.of('full').length > 0);
  assert.ok(listener.core.queued <= 24000 * 60 * 11);
});

test('a device at 44.1 kHz plays at the same pace', () => {
  const listener = new Listener(44100);
  for (let i = 0; i < 50; i++) listener.core.push(1, loud(480));
  listener.core.end();
  const sounding = listener.render(500).filter((x) => x > 0.4).length;
  assert.ok(Math.abs(sounding - 44100) < 200, `${sounding}`);
});
