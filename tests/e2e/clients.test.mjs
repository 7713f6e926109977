// Two sockets of one user, as the sample's page has when its audio starts: the newest one counts, the older one waits, and
// there is never more than one connection to the model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { EchoModel } from './lib/echo_model.mjs';
import { makePlace, searchAgent, startServer } from './lib/server.mjs';
import { Upstream } from './lib/upstream.mjs';

const native = 'gemini-2.5-flash-native-audio-preview-12-2025';
const either = 'gemini-2.0-flash-live-001'; // answers in text or in audio, as asked

async function makeScene(t, { model = native, settings } = {}) {
  const talks = new EchoModel();
  const upstream = await Upstream.start({ onConnection: talks.onConnection });
  t.after(() => upstream.stop());
  const place = makePlace({ agents: { google_search_agent: searchAgent() }, settings });
  t.after(() => place.remove());
  const server = await startServer(t, {
    place, args: ['--shards', '2'], env: { ...upstream.env, DEMO_AGENT_MODEL: model },
  });
  return { talks, upstream, server };
}

// What was sent before on this socket has been looked at: the answer to a bad frame comes after it.
async function settled(browser) {
  browser.send('this is no JSON');
  assert.equal((await browser.frame()).error.code, 'bad_json');
}

const sound = (byte) => JSON.stringify({ mime_type: 'audio/pcm', data: Buffer.alloc(320, byte).toString('base64') });
// Short frames may have been joined on their way: the bytes count, not the message.
const isSound = (byte) => (message) => (JSON.stringify(message).match(/"[A-Za-z0-9+/]{100,}={0,2}"/g) ?? [])
  .some((text) => Buffer.from(text.slice(1, -1), 'base64').includes(Buffer.alloc(320, byte)));

// Waits for what a test can only see from outside; fails after 5 s.
async function until(what, fits) {
  const end = Date.now() + 5000;
  while (!fits()) {
    assert.ok(Date.now() < end, `${what} did not happen in time`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function ended(upstream, number) {
  const left = Date.now();
  const connection = await upstream.connection(number);
  await connection.ended;
  assert.ok(connection.endedAt - left < 1000, `connection ${number} ended ${connection.endedAt - left} ms later`);
}

// 16 users: the kernel spreads sockets over the two shards, so that pairs on one shard and pairs across both are met.
test('the newest socket takes over, the older one waits and comes back', async (t) => {
  const { talks, upstream, server } = await makeScene(t);
  for (let user = 1; user <= 16; user++) {
    const first = await Browser.open(server, `/ws/${user}?is_audio=false`);
    assert.equal(await first.ask('one'), 'You said: one');
    const second = await Browser.open(server, `/ws/${user}?is_audio=true`);
    assert.equal(await second.ask('two'), 'You said: two');

    first.send(sound(user));
    await settled(first);
    assert.equal(await second.ask('three'), 'You said: three');
    assert.ok(!talks.heard.some(isSound(user)), 'a socket that was left behind is not listened to');
    assert.deepEqual(first.inbox.pending, [], 'nor is it told anything');

    second.close();
    assert.equal((await second.closed()).code, 1000);
    assert.equal(await first.ask('four'), 'You said: four');
    first.send(sound(user));
    await until('the older socket is heard again', () => talks.heard.some(isSound(user)));

    assert.equal(upstream.connections.length, user, 'one connection for the whole of it');
    first.close();
    await ended(upstream, user);
  }
  await server.stop();
});

test('who types is answered, whichever socket it is', async (t) => {
  const { upstream, server } = await makeScene(t);
  for (let user = 1; user <= 8; user++) {
    const first = await Browser.open(server, `/ws/${user}?is_audio=false`);
    await first.ask('hello');
    const second = await Browser.open(server, `/ws/${user}?is_audio=true`);
    for (const [browser, other, text] of [[second, first, 'a'], [first, second, 'b'], [second, first, 'c']]) {
      assert.equal(await browser.ask(text), `You said: ${text}`);
      assert.deepEqual(other.inbox.pending, []);
    }
    // The older socket may leave first: nothing changes for the other one.
    first.close();
    await first.closed();
    assert.equal(await second.ask('d'), 'You said: d');
    second.drop();
    await ended(upstream, user);
    assert.equal(upstream.connections.length, user);
  }
  await server.stop();
});

test('a socket that waits comes back by itself when the newer one leaves', async (t) => {
  const { talks, upstream, server } = await makeScene(t);
  for (let user = 1; user <= 8; user++) {
    const first = await Browser.open(server, `/ws/${user}?is_audio=true`);
    await first.ask('hello');
    const second = await Browser.open(server, `/ws/${user}?is_audio=true`);
    await second.ask('hello again');
    second.drop();
    await second.closed();
    // It does not type, it only goes on listening and sending sound.
    await until('the older socket is heard', () => {
      first.send(sound(100 + user));
      return talks.heard.some(isSound(100 + user));
    });
    first.close();
    await ended(upstream, user);
  }
  await server.stop();
});

test('a take-over that needs another modality goes on with the handle, one connection at a time', async (t) => {
  const { talks, upstream, server } = await makeScene(t, { model: either });
  for (let user = 1; user <= 8; user++) {
    const before = talks.setups.length;
    const first = await Browser.open(server, `/ws/${user}?is_audio=false`);
    assert.equal(await first.ask('one'), 'You said: one');
    const second = await Browser.open(server, `/ws/${user}?is_audio=true`);
    assert.equal(await second.ask('two'), 'You said: two');
    second.close();
    await second.closed();
    assert.equal(await first.ask('three'), 'You said: three');
    first.close();
    await first.closed();
    const setups = talks.setups.slice(before);
    assert.deepEqual(setups.map((setup) => setup.generationConfig.responseModalities[0]), ['TEXT', 'AUDIO', 'TEXT']);
    assert.deepEqual(setups.map((setup) => setup.sessionResumption), [
      {}, { handle: `handle-${before + 1}` }, { handle: `handle-${before + 2}` },
    ]);
    await ended(upstream, before + 3);
    assert.equal(upstream.live.length, 0);
  }
  await server.stop();
});

test('the connection lingers when that is set, and is used again', async (t) => {
  const { upstream, server } = await makeScene(t, { settings: 'linger_ms: 1500\n' });
  const first = await Browser.open(server, '/ws/7?is_audio=true');
  await first.ask('hello');
  first.close();
  await first.closed();
  const again = await Browser.open(server, '/ws/7?is_audio=true');
  assert.equal(await again.ask('still there?'), 'You said: still there?');
  assert.equal(upstream.connections.length, 1);
  again.close();
  await again.closed();
  const left = Date.now();
  await upstream.connections[0].ended;
  const took = upstream.connections[0].endedAt - left;
  assert.ok(took > 1200 && took < 2500, `it ended ${took} ms later`);
  await server.stop();
});

test('a server that stops tells every socket and lets go of every connection', async (t) => {
  const { upstream, server } = await makeScene(t);
  const browsers = [];
  for (let user = 1; user <= 6; user++) {
    for (let i = 0; i < 2; i++) browsers.push(await Browser.open(server, `/ws/${user}?is_audio=true`));
    await browsers.at(-1).ask('hello');
  }
  const begun = Date.now();
  await server.stop();
  assert.ok(Date.now() - begun < 5000);
  for (const browser of browsers) assert.equal((await browser.closed()).code, 1001);
  await Promise.all(upstream.connections.map((connection) => connection.ended));
  assert.equal(upstream.connections.length, 6);
});
