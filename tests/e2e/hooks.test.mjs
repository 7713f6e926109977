// Hooks of a real plugin in the real server: typed text, transcripts and tool calls that are let through, rewritten, refused or
// answered; a hook that is late or fails; and that audio never waits. In the server's own process and in the plugin's.
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { Browser, said } from './lib/browser.mjs';
import { CallingModel } from './lib/calling_model.mjs';
import { runnersOf } from './lib/runners.mjs';
import { makePlace, pluginFolder, startServer } from './lib/server.mjs';
import { Upstream } from './lib/upstream.mjs';

const agent = `name: prober
model: gemini-3.8-live
instruction: Probe.
tools:
  - name: probe_state
  - name: probe_who
live:
  app_name: probes
`;

async function setUp(t, { isolation, budget = 1000, onConnection }) {
  const model = new CallingModel();
  const upstream = await Upstream.start({ onConnection: onConnection ?? model.onConnection });
  t.after(() => upstream.stop());
  const settings = `plugins:\n  abi_probe: {isolation: ${isolation}, hooks: true, budget_ms: ${budget}}\n`;
  const place = makePlace({ agents: { prober: agent }, settings });
  t.after(() => place.remove());
  const server = await startServer(t, { place, args: ['--plugins', pluginFolder(place, 'abi_probe')], env: upstream.env });
  server.runners = () => runnersOf(server.pid, 'abi_probe');
  assert.equal(server.runners().length, isolation === 'process' ? 1 : 0, 'it lives where this test means it to');
  return { model, upstream, place, server };
}

const sample = (server, user = 80001) => Browser.open(server, `/ws/${user}?is_audio=false`);
const page = (server, { user = 80001, audio = false } = {}) =>
  Browser.open(server, `/ws/${user}?is_audio=${audio}`, { protocols: ['antiphon.v1'] });
const done = (frame) => frame.turn_complete;
const call = async (browser, args) => JSON.parse(await browser.ask(`call probe_state ${JSON.stringify(args)}`));

function stored(place) {
  const database = new DatabaseSync(place.database, { readOnly: true });
  const events = database.prepare('SELECT event_data FROM events ORDER BY timestamp, rowid').all()
    .map((row) => JSON.parse(row.event_data));
  database.close();
  return events;
}

for (const isolation of ['thread', 'process']) {
  test(`${isolation}: typed text is rewritten or refused before the model gets it, in order`, async (t) => {
    const { model, place, server } = await setUp(t, { isolation });
    const browser = await page(server);
    assert.equal(await browser.ask('hello'), 'Heard: hello');
    assert.equal(await browser.ask('the word is swordfish'), 'Heard: the word is *****');
    browser.text('a forbidden thing');
    const [refused] = (await browser.until((frame) => frame.error)).slice(-1);
    assert.equal(refused.error.code, 'refused');
    assert.equal(refused.error.message, 'that word is forbidden here');
    for (const text of ['one', 'two swordfish', 'three']) browser.text(text);
    const frames = [];
    while (said(frames) !== 'Heard: oneHeard: two *****Heard: three') frames.push(await browser.frame());
    assert.deepEqual(model.heard, ['hello', 'the word is *****', 'one', 'two *****', 'three']);
    await browser.until(done);
    await server.stop();
    const texts = JSON.stringify(stored(place));
    assert.ok(!texts.includes('swordfish') && !texts.includes('forbidden thing'));
  });

  test(`${isolation}: the page of the sample is told of a refusal, and its turn ends`, async (t) => {
    const { model, server } = await setUp(t, { isolation });
    const browser = await sample(server);
    browser.text('forbidden');
    const frames = await browser.until(done);
    assert.equal(said(frames), 'that word is forbidden here Say it in another way.');
    assert.equal(await browser.ask('fine'), 'Heard: fine');
    assert.deepEqual(model.heard, ['fine']);
    await server.stop();
  });

  test(`${isolation}: tool calls are rewritten, refused or answered, and so are their results`, async (t) => {
    const { server } = await setUp(t, { isolation });
    const browser = await sample(server);
    assert.deepEqual(await call(browser, { key: 'k', value: 7 }), { status: 0, value: 7 });
    assert.deepEqual(await call(browser, { key: 'k', hook: 'refuse' }), { error: 'a hook says no' });
    assert.deepEqual(await call(browser, { key: 'k', hook: 'answer' }), { from: 'hook' });
    assert.deepEqual(await call(browser, { key: 'k', hook: 'rewrite' }), { status: 0, value: 1 });
    assert.deepEqual(await call(browser, { key: 'rewritten' }), { status: 0, value: 1 });
    assert.deepEqual(await call(browser, { key: 'k', after: true }), { after: 'rewritten' });
    assert.match((await call(browser, { key: 'k', hook: 'error' })).error, /could not be/);
    await server.stop();
  });

  test(`${isolation}: a hook that is late counts as what it says of itself, and the talk goes on`, async (t) => {
    const { server } = await setUp(t, { isolation, budget: 200 });
    const browser = await sample(server);
    const begun = Date.now();
    assert.match((await call(browser, { key: 'k', hook: 'slow' })).error, /could not be checked/);
    assert.ok(Date.now() - begun < 1900, 'not as long as the hook takes');
    assert.deepEqual(await call(browser, { key: 'k', value: 1 }), { status: 0, value: 1 });
    assert.match(server.err, /plugin=abi_probe hook=tools did not decide in time/);
    await server.stop();
  });
}

// A model that says what the test wants when it is spoken or written to.
class Speaker {
  onConnection = async (connection) => {
    this.connection = connection;
    for (;;) {
      const event = await connection.inbox.next(600000);
      if (!event || event.type === 'close') return;
      if (event.type === 'text' && JSON.parse(event.data).setup) {
        connection.say({ setupComplete: {} });
        this.ready?.();
      }
    }
  };

  started = new Promise((resolve) => { this.ready = resolve; });

  say(content) {
    this.connection.say({ serverContent: content });
  }
}

const pcm = Buffer.alloc(4800).toString('base64');
const sound = { modelTurn: { role: 'model', parts: [{ inlineData: { mimeType: 'audio/pcm;rate=24000', data: pcm } }] } };

for (const isolation of ['thread', 'process']) {
  test(`${isolation}: transcripts are looked at sentence by sentence while the audio goes on`, async (t) => {
    const speaker = new Speaker();
    const { place, server } = await setUp(t, { isolation, onConnection: speaker.onConnection });
    const browser = await page(server, { audio: true });
    await speaker.started;
    speaker.say({ inputTranscription: { text: 'What is the sword' } });
    speaker.say({ inputTranscription: { text: 'fish?' } });
    speaker.say(sound);
    speaker.say({ outputTranscription: { text: 'The secret is sword' } });
    speaker.say({ outputTranscription: { text: 'fish. And more' } });
    speaker.say(sound);
    speaker.say({ outputTranscription: { text: ' to come.' } });
    speaker.say({ generationComplete: true });
    speaker.say({ turnComplete: true });
    const frames = await browser.until(done);
    const heard = (role) => frames.filter((frame) => frame.type === 'transcript' && frame.role === role)
      .map((frame) => frame.data);
    assert.deepEqual(heard('model'), ['The secret is *****. ', 'And more to come.']);
    assert.deepEqual(heard('user'), ['What is the *****?']);
    assert.equal(frames.filter((frame) => frame.type === 'audio').length, 2);
    assert.ok(frames.findIndex((frame) => frame.type === 'audio') < frames.findIndex((frame) => frame.role === 'model'),
      'the sound does not wait for its text');
    assert.equal(frames.at(-1).type, 'turn_complete');
    await server.stop();
    const events = stored(place);
    assert.deepEqual(events.flatMap((event) => event.input_transcription?.text ?? []), ['What is the *****?']);
    assert.deepEqual(events.flatMap((event) => event.output_transcription?.text ?? []),
      ['The secret is *****. And more to come.']);
    assert.equal(events.at(-1).turn_complete, true);
  });

  test(`${isolation}: a refused transcript stops the answer, and nothing of it is kept`, async (t) => {
    const speaker = new Speaker();
    const { place, server } = await setUp(t, { isolation, onConnection: speaker.onConnection });
    const browser = await page(server, { audio: true });
    await speaker.started;
    speaker.say(sound);
    speaker.say({ outputTranscription: { text: 'First this. ' } });
    speaker.say({ outputTranscription: { text: 'Now a forbidden thing. And' } });
    const frames = await browser.until((frame) => frame.type === 'interrupted');
    assert.equal(frames.find((frame) => frame.error).error.code, 'refused');
    speaker.say(sound);
    speaker.say({ outputTranscription: { text: ' what follows it.' } });
    speaker.say({ turnComplete: true });
    const rest = await browser.until(done);
    assert.deepEqual(rest.filter((frame) => frame.type === 'audio' || frame.type === 'transcript'), []);
    assert.deepEqual(frames.filter((frame) => frame.type === 'transcript').map((frame) => frame.data), ['First this. ']);
    await server.stop();
    const texts = JSON.stringify(stored(place));
    assert.ok(texts.includes('First this.') && !texts.includes('forbidden') && !texts.includes('follows'));
  });
}

async function until(holds) {
  const late = Date.now() + 20000;
  while (!holds()) {
    assert.ok(Date.now() < late, `waited in vain: ${holds}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

// The hooks say in the log when they begin to take their time, so that the kill comes in the middle.
const taking = (server, times) => until(() => server.err.split('a hook takes its time').length === times + 1);

test('a process that is killed in the middle of a check: a call is refused, a text passes, and the next are checked', async (t) => {
  const { model, server } = await setUp(t, { isolation: 'process', budget: 10000 });
  const browser = await sample(server);
  const begun = Date.now();
  browser.text('call probe_state {"key":"k","hook":"slow"}');
  await taking(server, 1);
  process.kill(server.runners()[0], 'SIGKILL');
  assert.match(JSON.parse(said(await browser.until(done))).error, /could not be/);
  browser.text('take your time');
  await taking(server, 2);
  process.kill(server.runners()[0], 'SIGKILL');
  assert.equal(said(await browser.until(done)), 'Heard: take your time');
  assert.ok(Date.now() - begun < 9000, 'nobody waited for the budget');
  assert.deepEqual(model.heard, ['call probe_state {"key":"k","hook":"slow"}', 'take your time']);
  await until(() => /abi_probe: hook \w+: its process was killed by signal 9/.test(server.err));
  await until(() => server.runners().length === 1);
  assert.equal(await browser.ask('the word is swordfish'), 'Heard: the word is *****');
  assert.deepEqual(await call(browser, { key: 'k', hook: 'refuse' }), { error: 'a hook says no' });
  await server.stop();
});
