// What the browser tests stand on: the real server with live-sim behind it, and Debian's Chromium with a microphone
// that plays a WAV file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { build, root, startLiveSim } from '../../e2e/lib/live_sim.mjs';

export { root };

export function temporaryFolder(t) {
  const folder = mkdtempSync(path.join(tmpdir(), 'antiphon-browser-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// Ends with the test. `url`, and stop() for tests that end it themselves.
export async function startServer(t, { sim, folder = temporaryFolder(t), port = 0, args = [], env = {} }) {
  const child = spawn(path.join(build, 'antiphon'), ['serve', '--port', String(port), '--store', `sqlite:${path.join(folder, 'a.db')}`, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: folder, GOOGLE_API_KEY: 'k', ...(sim && { GOOGLE_GEMINI_BASE_URL: sim.url }), ...env },
  });
  const exited = once(child, 'exit');
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const url = await new Promise((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (data) => {
      out += data;
      const found = /listening on (\S+)/.exec(out);
      if (found) resolve(found[1]);
    });
    exited.then(([code]) => reject(new Error(`antiphon exited with ${code}: ${log}`)));
  });
  let ended = false;
  const stop = async () => {
    if (ended) return;
    ended = true;
    child.kill('SIGTERM');
    const [code, signal] = await exited;
    if (code !== 0) throw new Error(`antiphon ended with ${code ?? signal}: ${log}`);
  };
  t.after(stop);
  return { url, stop, log: () => log };
}

export async function startSim(t, ...args) {
  const sim = await startLiveSim(...args);
  t.after(() => sim.stop());
  return sim;
}

// Something that noise suppression takes for a voice: a buzz with formants, in syllables. Seconds: quiet, voice,
// quiet.
export function writeSpeech(folder, { before = 0.3, voice = 1.5, after = 20, rate = 48000 } = {}) {
  const samples = Math.round((before + voice + after) * rate);
  const pcm = Buffer.alloc(samples * 2);
  const formants = [[700, 1], [1220, 0.5], [2600, 0.25]];
  const from = Math.round(before * rate);
  for (let i = from; i < from + Math.round(voice * rate); i++) {
    const t = (i - from) / rate;
    const pitch = 120 + 25 * Math.sin(2 * Math.PI * 0.9 * t);
    let value = 0;
    for (let harmonic = 1; harmonic * pitch < 4000; harmonic++) {
      const hertz = harmonic * pitch;
      let gain = 0.02;
      for (const [centre, weight] of formants) gain += weight / (1 + ((hertz - centre) / 120) ** 2);
      value += gain * Math.sin(2 * Math.PI * hertz * t);
    }
    const syllable = 0.55 + 0.45 * Math.sin(2 * Math.PI * 4 * t);
    pcm.writeInt16LE(Math.max(-32767, Math.min(32767, Math.round(value * syllable * 4500))), i * 2);
  }
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + pcm.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(pcm.length, 40);
  const file = path.join(folder, 'speech.wav');
  writeFileSync(file, Buffer.concat([head, pcm]));
  return file;
}

// loop: the file is played again and again.
export async function startBrowser(t, { wav, loop = false } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.ANTIPHON_CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      ...(wav ? [`--use-file-for-fake-audio-capture=${wav}${loop ? '' : '%noloop'}`] : []),
    ],
  });
  t.after(() => browser.close());
  return browser;
}

// A page in a profile of its own, which remembers what went over its sockets and fails the test on any error.
export async function openPage(t, browser, url, { context, ...options } = {}) {
  const profile = context ?? (await browser.newContext({ viewport: { width: 1000, height: 800 }, ...options }));
  if (!context) t.after(() => profile.close());
  const page = await profile.newPage();
  const seen = { sockets: [], sent: [], received: [], faults: [] };
  page.on('websocket', (socket) => {
    seen.sockets.push(socket);
    socket.on('framesent', ({ payload }) => seen.sent.push(payload));
    socket.on('framereceived', ({ payload }) => seen.received.push(payload));
  });
  page.on('pageerror', (error) => seen.faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') seen.faults.push(message.text());
  });
  page.on('requestfailed', (request) => {
    const { errorText } = request.failure();
    if (errorText !== 'net::ERR_ABORTED') seen.faults.push(`${errorText}: ${request.url()}`); // a reload aborts what loads
  });
  await page.goto(url);
  return { page, profile, ...seen, seen };
}
