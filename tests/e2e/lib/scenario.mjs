// Reads a recording of tests/fixtures/wire (its README says what is in a line) as a list of events.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fixtures } from './live_sim.mjs';

const seed = path.join(fixtures, 'wire/seed');
const shortened = /\{"\$b64":\{"sha256":"([0-9a-f]{64})","bytes":(\d+),"head":"[^"]*"\}\}/g;

// Sound of the length that was recorded. What it was is not in the recording, but the same stays the same.
function pcm(sha256, bytes) {
  const blocks = [];
  for (let i = 0; i * 32 < bytes; i++) blocks.push(createHash('sha256').update(`${sha256} ${i}`).digest());
  return Buffer.concat(blocks).subarray(0, bytes);
}

const sounds = new Map();
function sound(sha256, bytes) {
  const key = `${sha256} ${bytes}`;
  if (!sounds.has(key)) sounds.set(key, pcm(sha256, Number(bytes)).toString('base64'));
  return sounds.get(key);
}

const expand = (text) => text.replace(shortened, (_, sha256, bytes) => JSON.stringify(sound(sha256, bytes)));

export function scenarioNames() {
  const list = (folder) => readdirSync(path.join(seed, folder)).filter((name) => name.endsWith('.jsonl'));
  return [...list('.'), ...list('tools').map((name) => `tools/${name}`)].map((name) => name.slice(0, -6)).sort();
}

export function readScenario(name) {
  const lines = readFileSync(path.join(seed, `${name}.jsonl`), 'utf8').split('\n').filter(Boolean);
  const events = lines.map((line, i) => {
    const event = JSON.parse(line);
    if (typeof event.data === 'string') event.data = expand(event.data);
    return { ...event, line: i + 1 };
  });
  const [first] = events;
  return {
    name,
    file: `tests/fixtures/wire/seed/${name}.jsonl`,
    model: /DEMO_AGENT_MODEL=([^;]+);/.exec(first.data)[1],
    tools: name.startsWith('tools/'),
    events: events.slice(1),
  };
}
