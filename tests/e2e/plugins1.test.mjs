// The shipped agent `assistant` with its tools, as the model calls them: calculator, clock and notes in the real server.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { folder, simulate, startServer } from './lib/faults.mjs';

const env = { DEMO_AGENT_MODEL: 'gemini-2.0-flash-live-001' }; // answers in text
const query = '&agent=assistant';

async function start(t, options = {}) {
  const sim = await simulate(options.scenario);
  t.after(() => sim.stop());
  const server = await startServer({ sim, env, ...options });
  t.after(() => server.child.exitCode ?? server.stop());
  return { sim, server };
}

// What the tool answered the model. live-sim repeats it.
async function call(client, name, args = {}) {
  const said = await client.ask(`tool ${name} ${JSON.stringify(args)}`);
  const found = /^Tool said: (\{.*\})$/s.exec(said);
  assert.ok(found, said);
  return JSON.parse(found[1]);
}

test('the assistant calculates and converts', async (t) => {
  const { server } = await start(t);
  const client = await server.client('v1', { query });
  assert.deepEqual(await call(client, 'calculator', { expression: '12.99*3' }), { result: '38.97' });
  assert.deepEqual(await call(client, 'calculator', { expression: '2^100' }),
    { result: '1267650600228229401496703205376' });
  assert.deepEqual(await call(client, 'calculator', { expression: '1/0' }), { error: 'a division by zero has no result' });
  assert.deepEqual(await call(client, 'convert_unit', { value: 34, from: '평', to: 'm2' }),
    { result: '112.396694215', unit: 'm2' });
});

test('the assistant knows the time, in the zone that is asked for', async (t) => {
  const { server } = await start(t, { config: 'plugins:\n  clock:\n    time_zone: Asia/Seoul\n' });
  const client = await server.client('v1', { query });
  const before = Date.now();
  const now = await call(client, 'clock');
  const told = Date.parse(`${now.date}T${now.time}${now.utc_offset}`);
  assert.equal(now.time_zone, 'Asia/Seoul');
  assert.ok(told >= before - 1000 && told <= Date.now(), now.time);
  const paris = await call(client, 'convert_time', { time: '2026-07-01T18:30', to: 'Paris' });
  assert.equal(paris.to.time, '11:30:00');
  const days = await call(client, 'date_difference', { from: '2026-03-01', to: '2026-12-25' });
  assert.equal(days.days, 299);
  assert.equal(days.to.weekday, 'Friday');
  const unknown = await call(client, 'clock', { time_zone: 'Atlantis' });
  assert.match(unknown.error, /there is no time zone 'Atlantis'/);
});

test('notes are found again in any language, by their user alone, after a restart', async (t) => {
  const place = folder();
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const store = path.join(place, 'kept.db');
  const { sim, server } = await start(t, { store });
  const ann = await server.client('v1', { query, user: 7 });
  const { id } = await call(ann, 'remember', { text: '내 차는 지하 3층 주차장 B구역에 있다' });
  await call(ann, 'remember', { text: 'The spare key is under the blue pot' });
  assert.equal((await call(ann, 'recall', { query: '주차장에서' })).notes[0].id, id);
  const bob = await server.client('v1', { query, user: 8 });
  assert.deepEqual(await call(bob, 'notes'), { notes: [] });
  await server.stop();

  const again = await startServer({ sim, env, store });
  t.after(() => again.stop());
  const later = await again.client('v1', { query, user: 7 });
  assert.deepEqual((await call(later, 'notes')).notes.map((note) => note.text),
    ['The spare key is under the blue pot', '내 차는 지하 3층 주차장 B구역에 있다']);
  assert.equal((await call(later, 'recall', { query: 'where is my spare key' })).notes.length, 1);
  assert.deepEqual(await call(later, 'forget', { id }), { forgotten: '내 차는 지하 3층 주차장 B구역에 있다' });
  assert.equal((await call(later, 'recall', { query: '주차장' })).notes.length, 0);
});

test('notes are found by Korean words of one and two syllables', async (t) => {
  const { server } = await start(t);
  const client = await server.client('v1', { query });
  const notes = { 집: '집 열쇠는 화분 밑에 있다', 우산: '파란 우산은 현관에 두었다', 약: '약은 하루에 두 번' };
  for (const text of Object.values(notes)) await call(client, 'remember', { text });
  for (const [word, text] of [['집', notes.집], ['집에', notes.집], ['우산', notes.우산], ['우산을', notes.우산], ['약', notes.약], ['약이', notes.약],
    ['열쇠가 어디', notes.집]])
    assert.deepEqual((await call(client, 'recall', { query: word })).notes.map((note) => note.text), [text], word);
});

const taken = (id) => `{send: ${JSON.stringify({ toolCallCancellation: { ids: [id] } })}}`;
const called = (name, id, args) => `{send: ${JSON.stringify({ toolCall: { functionCalls: [{ id, name, args }] } })}}`;
const on = (match, ...doing) => `  - on: text\n    match: "^${match}$"\n    do: [${doing.join(', ')}]\n`;
const state = (name, wanted) => (frame) => frame.tool?.name === name && frame.tool.state === wanted;

for (const [name, args] of [['remember', () => ({ text: 'a slip' })], ['set_reminder', () => ({ text: 'a slip', in_seconds: 3600 })],
  ['forget', (id) => ({ id })]])
  test(`what is taken back is undone: ${name}`, async (t) => {
    const place = folder();
    t.after(() => rmSync(place, { recursive: true, force: true }));
    const store = path.join(place, 'kept.db');
    const first = await start(t, { store });
    const before = await first.server.client('v1', { query, user: 7 });
    const { id } = await call(before, 'remember', { text: '오래된 메모' });
    await first.server.stop();

    const scenario = `rules:\n${on('do', called(name, 'x', args(id)))}${on('undo', taken('x'), '{wait: 50}', '{say: Taken back.}')}`;
    const { sim, server } = await start(t, { store, scenario });
    const client = await server.client('v1', { query, user: 7 });
    const kept = async () => [(await call(client, 'notes')).notes.map((note) => [note.id, note.text]), (await call(client, 'list_reminders')).reminders];
    client.text('do');
    await client.next(state(name, 'done'));
    await sim.until((frames) => frames.some((frame) => frame.dir === 'out' && frame.type === 'text' && frame.data.startsWith('{"toolResponse"')));
    client.text('undo');
    await client.next(state(name, 'undone'));
    await client.next((frame) => frame.turn_complete);
    assert.deepEqual(await kept(), [[[id, '오래된 메모']], []]);
  });

test('summer time, and a reminder in Korean', async (t) => {
  const { server } = await start(t, { config: 'plugins:\n  clock:\n    time_zone: Europe/Berlin\n' });
  const client = await server.client('v1', { query });
  const night = await call(client, 'date_difference', { from: '2026-03-28T12:00', to: '2026-03-29T12:00' });
  assert.equal(night.seconds, 23 * 3600);
  assert.equal((await call(client, 'date_add', { from: '2026-10-24T12:00', days: 1 })).utc_offset, '+01:00');
  assert.equal((await call(client, 'date_add', { from: '2026-10-24T12:00', days: 0 })).utc_offset, '+02:00');
  await call(client, 'set_reminder', { text: '가스 불 끄기', in_seconds: 1 });
  assert.match(await client.answer(), /is due now: "가스 불 끄기"/);
});

test('reminders are listed and cancelled', async (t) => {
  const { server } = await start(t);
  const client = await server.client('v1', { query });
  const { id, due } = await call(client, 'set_reminder', { text: 'call Mum', in_seconds: 3600 });
  assert.equal(due.time_zone, 'UTC');
  assert.deepEqual((await call(client, 'list_reminders')).reminders.map((item) => item.text), ['call Mum']);
  assert.equal((await call(client, 'cancel_reminder', { id })).cancelled.text, 'call Mum');
  assert.deepEqual(await call(client, 'list_reminders'), { reminders: [] });
});

test('a reminder that is due is spoken in its conversation', async (t) => {
  const { server } = await start(t);
  const client = await server.client('v1', { query });
  await call(client, 'set_reminder', { text: 'turn off the oven', in_seconds: 1 });
  assert.match(await client.answer(), /is due now: "turn off the oven"/);
  assert.deepEqual(await call(client, 'list_reminders'), { reminders: [] });
});

test('a reminder outlives the server, and waits for its conversation', async (t) => {
  const place = folder();
  t.after(() => rmSync(place, { recursive: true, force: true }));
  const store = path.join(place, 'kept.db');
  const { sim, server } = await start(t, { store });
  const client = await server.client('v1', { query, user: 7 });
  await call(client, 'set_reminder', { text: 'water the plants', in_seconds: 1 });
  await server.stop();

  const again = await startServer({ sim, env, store });
  t.after(() => again.stop());
  // It may be due before anybody is there, or while somebody is.
  const later = await again.client('v1', { query, user: 7 });
  assert.match(await later.answer(), /"water the plants"/);
  assert.deepEqual(await call(later, 'list_reminders'), { reminders: [] });
});

test('the time zone that a user told holds in later conversations', async (t) => {
  const { server } = await start(t);
  const client = await server.client('v1', { query, user: 7 });
  assert.equal((await call(client, 'set_time_zone', { time_zone: 'Tokyo' })).time_zone, 'Asia/Tokyo');
  assert.equal((await call(client, 'clock')).time_zone, 'Asia/Tokyo');
  await client.leave();
  const later = await server.client('v1', { query, user: 7 });
  assert.equal((await call(later, 'clock')).time_zone, 'Asia/Tokyo');
  const other = await server.client('v1', { query, user: 8 });
  assert.equal((await call(other, 'clock')).time_zone, 'UTC');
});

test('the demonstration shows the assistant without a key', async (t) => {
  const server = await startServer({ key: null, args: ['--demo'] });
  t.after(() => server.stop());
  const client = await server.client('v1', { query });
  client.text('tool calculator {"expression": "1250*1.05^10"}');
  await client.next((frame) => frame.turn_complete);
  assert.match(client.raw.join(''), /2036\.11828347/);
});

const rules = `plugins:
  guard:
    rules:
      - {name: dragons, at: [user_text], pattern: dragon, ignore_case: true, action: refuse, reason: No dragons here.}
      - {name: cards, at: [user_text], pattern: '\\b[0-9]{12}([0-9]{4})\\b', action: rewrite, replacement: '[card $1]'}
      - {name: keep, at: [before_tool], tools: [forget], action: refuse, reason: Notes are kept here.}
      - {name: still, at: [before_tool], tools: [clock], pattern: Berlin, action: answer, answer: {time: 'noon'}}
      - {name: hide, at: [after_tool], tools: [calc*], argument: result, pattern: '38[.]97', action: rewrite, replacement: much}
      - {name: feet, at: [before_tool], tools: [convert_unit], pattern: feet, action: watch}
`;

test('the guard refuses, rewrites, answers and watches', async (t) => {
  const { sim, server } = await start(t, { config: rules });
  const client = await server.client('v1', { query });
  assert.match(await client.ask('my card is 1234567890123456'), /^You said: my card is \[card 3456\]/);
  client.text('a Dragon, please');
  await client.next((frame) => JSON.stringify(frame).includes('No dragons here.'));
  assert.deepEqual(await call(client, 'forget', { id: 'x' }), { error: 'Notes are kept here.' });
  assert.deepEqual(await call(client, 'clock', { time_zone: 'Berlin' }), { time: 'noon' });
  assert.deepEqual(await call(client, 'calculator', { expression: '12.99*3' }), { result: 'much' });
  assert.deepEqual(await call(client, 'convert_unit', { value: 1, from: 'feet', to: 'cm' }), { result: '30.48', unit: 'cm' });
  await server.logged(/rule feet saw a match at before_tool of convert_unit/);
  assert.ok(!JSON.stringify(await sim.sent()).includes('Dragon'));
  assert.ok(!server.err.includes('1234567890123456'));
});

test('the same in processes of their own', async (t) => {
  const isolated = ['calculator', 'clock', 'notes'].map((name) => `  ${name}:\n    isolation: process\n`).join('');
  const { server } = await start(t, { config: `${rules}    isolation: process\n${isolated}` });
  const client = await server.client('v1', { query });
  assert.deepEqual(await call(client, 'calculator', { expression: '2^0.5', digits: 20 }), { result: '1.4142135623730950488' });
  assert.deepEqual(await call(client, 'convert_unit', { value: 100, from: 'celsius', to: 'fahrenheit' }),
    { result: '212', unit: 'fahrenheit' });
  assert.deepEqual(await call(client, 'clock', { time_zone: 'Berlin' }), { time: 'noon' });
  assert.equal((await call(client, 'clock', { time_zone: 'America/New_York' })).time_zone, 'America/New_York');
  await call(client, 'remember', { text: '우산은 현관에 있다' });
  assert.equal((await call(client, 'recall', { query: '우산이' })).notes[0].text, '우산은 현관에 있다');
  await call(client, 'set_reminder', { text: 'turn off the oven', in_seconds: 1 });
  assert.match(await client.answer(), /is due now: "turn off the oven"/);
});
