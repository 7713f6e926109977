// Starts build/<preset>/live-sim on a free port and reads its address. ANTIPHON_BUILD names the build folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const build = path.resolve(root, process.env.ANTIPHON_BUILD ?? 'build/dev');
export const fixtures = path.join(root, 'tests/fixtures');

// Resolves once it listens. stop() ends it and fails when it ended badly (a sanitizer report, a crash).
export async function startLiveSim(...args) {
  const folder = mkdtempSync(path.join(tmpdir(), 'live-sim-'));
  const log = path.join(folder, 'frames.jsonl');
  const child = spawn(path.join(build, 'live-sim'), ['--port', '0', '--exit-with-parent', '--log', log, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let out = '';
  let err = '';
  child.stderr.on('data', (data) => { err += data; });
  const url = await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => {
      out += data;
      const found = /listening on (\S+)\n/.exec(out);
      if (found) resolve(found[1]);
    });
    exited.then(([code]) => reject(new Error(`live-sim exited with ${code}: ${err}`)));
  });
  return {
    url,
    ws: url.replace('http', 'ws'),
    pid: child.pid,
    async frames() {
      const text = await readFile(log, 'utf8');
      return text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
    },
    async stop() {
      child.kill('SIGTERM');
      const [code, signal] = await exited;
      rmSync(folder, { recursive: true, force: true });
      if (code !== 0 || err) throw new Error(`live-sim ended with ${code ?? signal}: ${err}`);
    },
  };
}

export const developerPath =
  '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k';

// Where a quarter second of a tone, or of silence, is needed as 16 kHz PCM.
export function tone(ms, rate = 16000, amplitude = 8000) {
  const samples = Math.round((ms * rate) / 1000);
  const pcm = Buffer.alloc(samples * 2);
  for (let i = 0; i < samples; i++)
    pcm.writeInt16LE(Math.round(amplitude * Math.sin((2 * Math.PI * 220 * i) / rate)), i * 2);
  return pcm;
}
export const silence = (ms, rate = 16000) => Buffer.alloc(Math.round((ms * rate) / 1000) * 2);
