// What was said is still there after the process is killed, at whatever moment. ANTIPHON_LONG: 50 kills instead of 10.
// ANTIPHON_SEED repeats a run: the moments come from it.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Browser } from './lib/browser.mjs';
import { startLiveSim } from './lib/live_sim.mjs';
import { makePlace, searchAgent, startServer } from './lib/server.mjs';

process.removeAllListeners('warning'); // node:sqlite is new, and says so
const { DatabaseSync } = await import('node:sqlite');

const rounds = process.env.ANTIPHON_LONG ? 50 : 10;
const seed = Number(process.env.ANTIPHON_SEED ?? Math.floor(Math.random() * 2 ** 32));
const model = 'gemini-2.0-flash-live-001';
const talkers = 4;

function makeRandom(state) {
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

// Looks at a copy, so that the server has to recover the file by itself.
function inspect(place, round) {
  const folder = path.join(place.folder, `after-${round}`);
  mkdirSync(folder);
  for (const end of ['', '-wal']) {
    if (existsSync(place.database + end)) copyFileSync(place.database + end, path.join(folder, `talks.db${end}`));
  }
  const database = new DatabaseSync(path.join(folder, 'talks.db'));
  try {
    assert.deepEqual(database.prepare('PRAGMA integrity_check').all().map((row) => row.integrity_check), ['ok']);
    assert.deepEqual(database.prepare('PRAGMA foreign_key_check').all(), []);
    const rows = database.prepare('SELECT user_id, session_id, event_data FROM events ORDER BY timestamp, rowid').all();
    const said = new Map();
    for (const row of rows) {
      const { content, interrupted } = JSON.parse(row.event_data);
      const text = content?.parts?.map((part) => part.text ?? '').join('') ?? '';
      const list = said.get(row.user_id) ?? [];
      said.set(row.user_id, list);
      assert.equal(row.session_id, `adk-streaming-ws_${row.user_id}`);
      if (text) list.push({ role: content.role, text, interrupted: Boolean(interrupted) }); // others count tokens
    }
    return said;
  } finally {
    database.close();
  }
}

// Types until the server is gone. saved: the texts whose turn_complete was seen.
async function talk(server, user, round, saved) {
  const browser = await Browser.open(server, `/ws/${user}?is_audio=false`);
  for (let turn = 1; ; turn++) {
    const text = `round ${round} user ${user} turn ${turn}`;
    browser.text(text);
    for (;;) {
      const event = await browser.inbox.next();
      if (event?.type !== 'text') return;
      if (JSON.parse(event.data).turn_complete) break;
    }
    saved.push(text);
  }
}

async function startModel(t) {
  const sim = await startLiveSim();
  t.after(() => {
    try {
      process.kill(sim.pid, 'SIGKILL'); // where the test failed before sim.stop()
    } catch {}
  });
  return sim;
}

const serve = (t, place, sim, args = []) => startServer(t, {
  place, args: ['--shards', '2', ...args],
  env: { GOOGLE_GEMINI_BASE_URL: sim.url, GOOGLE_API_KEY: 'k', DEMO_AGENT_MODEL: model },
});

test(`${rounds} kills in the middle of turns lose nothing that was acknowledged (seed ${seed})`, async (t) => {
  const random = makeRandom(seed);
  const place = makePlace({ agents: { google_search_agent: searchAgent() } });
  t.after(() => place.remove());
  let before = new Map(); // user -> texts acknowledged in the last round
  let turns = 0;

  for (let round = 1; round <= rounds; round++) {
    const sim = await startModel(t); // it knows no handle of an earlier one: the history is ours to tell
    const server = await serve(t, place, sim);
    for (const [user, texts] of before) {
      const browser = await Browser.open(server, `/ws/${user}?is_audio=false`);
      const told = await browser.ask('history');
      const expected = texts.map((text) => `u:${text} | m:You said: ${text} | `).join('');
      assert.ok(told.startsWith(`History: ${expected}u:`), `user ${user} in round ${round}: ${told}\n${server.err}`);
      browser.close();
      await browser.closed();
    }
    before = new Map();
    const talks = [];
    for (let i = 0; i < talkers; i++) {
      const user = round * 10 + i;
      before.set(String(user), []);
      talks.push(talk(server, user, round, before.get(String(user))));
    }
    await delay(50 + 400 * random());
    await server.kill();
    await Promise.all(talks);
    await sim.stop();

    const stored = inspect(place, round);
    for (const [user, texts] of before) {
      turns += texts.length;
      const list = stored.get(user) ?? [];
      for (const text of texts) {
        const at = list.findIndex((event) => event.role === 'user' && event.text === text);
        assert.ok(at >= 0, `round ${round}: what user ${user} said is not stored: ${text}`);
        assert.deepEqual(list[at + 1], { role: 'model', text: `You said: ${text}`, interrupted: false });
      }
      assert.equal(new Set(list.map((event) => event.text)).size, list.length, `something is stored twice for ${user}`);
    }
  }
  t.diagnostic(`${turns} turns acknowledged`);
  assert.ok(turns > rounds, 'hardly anything was said');
});

test('a conversation goes on with its handle when only the server is new', async (t) => {
  const place = makePlace({ agents: { google_search_agent: searchAgent() } });
  t.after(() => place.remove());
  const sim = await startModel(t);
  let server = await serve(t, place, sim);
  let browser = await Browser.open(server, '/ws/7?is_audio=false');
  assert.equal(await browser.ask('hello'), 'You said: hello');
  await server.kill();
  server = await serve(t, place, sim);
  browser = await Browser.open(server, '/ws/7?is_audio=false');
  assert.equal(await browser.ask('history'), 'History: u:hello | m:You said: hello | u:history');
  await server.stop();
  await sim.stop();
});

test('an orderly stop keeps everything, and the file is whole', async (t) => {
  const place = makePlace({ agents: { google_search_agent: searchAgent() } });
  t.after(() => place.remove());
  const sim = await startModel(t);
  const server = await serve(t, place, sim);
  const browser = await Browser.open(server, '/ws/7?is_audio=false');
  await browser.ask('hello');
  browser.text('slow');
  await browser.until((frame) => frame.data === 'two ');
  await server.stop();
  const stored = inspect(place, 1).get('7');
  assert.deepEqual(stored.slice(0, 3).map((event) => event.text), ['hello', 'You said: hello', 'slow']);
  assert.match(stored[3].text, /^one two /);
  assert.equal(stored[3].interrupted, true);
  assert.ok(!existsSync(`${place.database}-wal`), 'a clean end leaves no write-ahead log');
  await sim.stop();
});
