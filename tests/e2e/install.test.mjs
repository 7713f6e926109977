// `cmake --install` with a prefix: the installed program finds its plugins, agents and page, from any folder.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

const root = new URL('../..', import.meta.url).pathname;
const build = process.env.ANTIPHON_BUILD ?? join(root, 'build/dev');

test('an installed antiphon finds its parts and passes its own check', () => {
  const prefix = mkdtempSync(join(tmpdir(), 'antiphon-install-'));
  try {
    execFileSync('cmake', ['--install', build, '--prefix', prefix], { stdio: 'ignore' });
    const out = execFileSync(join(prefix, 'bin/antiphon'), ['check', '--demo'], { cwd: '/', encoding: 'utf8' });
    assert.match(out, /^ok: [1-9]\d* agents, [1-9]\d* plugins/);
    const text = execFileSync(join(prefix, 'bin/antiphon'), ['version'], { encoding: 'utf8' });
    assert.match(text, /^antiphon \d+\.\d+\.\d+$/m);
  } finally {
    rmSync(prefix, { recursive: true, force: true });
  }
});
