// Connections to the model come and go; the browser's socket does not notice, and the next turn is answered with what
// was said before. The old connection is closed before the new one is opened.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protocols, said, withServer } from './lib/faults.mjs';

const goAway = (left) => `{send: {goAway: {timeLeft: "${left}"}}}`;
const after = (doing) => `rules:\n  - {on: turn_complete, connection: 1, do: [${doing}]}\n`;

// Never two connections at a time, from the point of view of the model's service.
function checkOneAtATime(frames) {
  let open;
  for (const frame of frames) {
    if (frame.type === 'open' && frame.dir === 'out') {
      assert.equal(open, undefined, `connection ${frame.conn} is opened while ${open} is open`);
      open = frame.conn;
    }
    if ((frame.type === 'close' || frame.type === 'tcp') && frame.conn === open) open = undefined;
  }
}

const opened = (frames) => frames.filter((frame) => frame.type === 'open' && frame.dir === 'out').length;
const setups = async (sim) => (await sim.sent()).filter((message) => message.setup).map((message) => message.setup);

// Waits until the model's side has accepted connection n.
const accepted = (sim, n) => sim.until((frames) =>
  frames.some((frame) => frame.conn === n && frame.dir === 'in' && /setupComplete/.test(frame.data)));

for (const protocol of protocols) {
  for (const [name, doing] of [
    ['goAway', goAway('5s')],
    ['goAway with almost no time left', goAway('0.001s')],
    ['goAway without a time', '{send: {goAway: {}}}'],
    ['a reset', 'reset'],
    ['an end without a close frame', 'die'],
    ['close 1011', '{close: {code: 1011, reason: "Internal error encountered."}}'],
    ['close 1011 deadline', '{close: {code: 1011, reason: "Deadline expired before operation could complete."}}'],
    ['close 1000', '{close: {code: 1000}}'],
    ['close 1001', '{close: {code: 1001}}'],
    ['close without a code', '{close: {code: 1005}}'],
    ['goAway and then a reset', `${goAway('0.2s')}, reset`],
    ['rubbish', '{raw: "{"}'],
    ['close 1008 session not found', '{close: {code: 1008, reason: "BidiGenerateContent session not found"}}'],
  ]) {
    test(`${protocol}: ${name} while nobody speaks`, async (t) => {
      const { sim, server } = await withServer(t, {}, after(doing));
      const client = await server.client(protocol);
      await client.ask('my name is Ada');
      await accepted(sim, 2);
      assert.equal(await client.ask('history'), 'History: u:my name is Ada | m:You said: my name is Ada | u:history');
      assert.ok(!client.frames.some((frame) => frame.error || frame.interrupted), client.tail(0));
      assert.equal(client.close, undefined);
      const frames = await sim.frames();
      checkOneAtATime(frames);
      assert.equal(opened(frames), 2);
      const [first, second] = await setups(sim);
      assert.deepEqual(first.sessionResumption, {}, 'handles are asked for');
      if (name.includes('1008')) assert.equal(second.sessionResumption.handle, undefined, 'the dead handle is dropped');
      else assert.match(second.sessionResumption.handle, /^handle-/);
    });
  }

  test(`${protocol}: goAway in the middle of an answer: the answer ends first`, async (t) => {
    const { sim, server } = await withServer(t, {}, `
rules:
  - on: text
    match: "^story$"
    do: [${goAway('30s')}, default]
`);
    const client = await server.client(protocol);
    await client.ask('my name is Ada');
    assert.equal(await client.ask('story'), 'You said: story');
    await accepted(sim, 2);
    assert.equal(await client.ask('history'),
      'History: u:my name is Ada | m:You said: my name is Ada | u:story | m:You said: story | u:history');
    assert.ok(!client.frames.some((frame) => frame.error || frame.interrupted));
    checkOneAtATime(await sim.frames());
  });

  test(`${protocol}: goAway in an answer that lasts longer than the time left`, async (t) => {
    const { sim, server } = await withServer(t, {}, `
rules:
  - on: text
    match: "^story$"
    do:
      - send: {serverContent: {outputTranscription: {text: "Once upon "}}}
      - ${goAway('0.6s')}
`);
    const client = await server.client(protocol);
    await client.ask('my name is Ada');
    const from = client.frames.length;
    client.text('story');
    await client.next((frame) => frame.turn_complete);
    const frames = client.frames.slice(from);
    assert.ok(frames.some((frame) => frame.interrupted), 'it is told that the answer was cut');
    assert.equal(said(frames), 'Once upon ');
    const answer = await client.ask('history');
    assert.match(answer, /u:my name is Ada/);
    assert.match(answer, /story.*Once upon/, 'what was heard of the cut answer is known');
    const log = await sim.frames();
    checkOneAtATime(log);
    assert.equal(opened(log), 2);
  });

  for (const [name, doing] of [['a reset', 'reset'], ['close 1011', '{close: {code: 1011, reason: "Internal error occurred."}}']]) {
    test(`${protocol}: ${name} in the middle of an answer`, async (t) => {
      const { sim, server } = await withServer(t, {}, `
rules:
  - on: text
    match: "^story$"
    do:
      - send: {serverContent: {outputTranscription: {text: "Once upon "}}}
      - wait: 20
      - ${doing}
`);
      const client = await server.client(protocol);
      await client.ask('my name is Ada');
      client.text('story');
      await client.next((frame) => frame.interrupted);
      await client.next((frame) => frame.turn_complete);
      const answer = await client.ask('history');
      assert.match(answer, /u:my name is Ada/);
      assert.match(answer, /story.*Once upon/);
      assert.ok(!client.frames.some((frame) => frame.error));
      checkOneAtATime(await sim.frames());
    });
  }

  test(`${protocol}: a handle that is refused: a fresh connection that is told the talk`, async (t) => {
    const { sim, server } = await withServer(t, {}, 'options: {refuse_handles: true}\n' + after('reset'));
    const client = await server.client(protocol);
    await client.ask('my name is Ada');
    await accepted(sim, 3);
    const answer = await client.ask('history');
    assert.match(answer, /u:my name is Ada \| m:You said: my name is Ada/);
    assert.ok(!client.frames.some((frame) => frame.error));
    const [, second, third] = await setups(sim);
    assert.match(second.sessionResumption.handle, /^handle-/);
    assert.equal(third.sessionResumption.handle, undefined);
    checkOneAtATime(await sim.frames());
  });

  test(`${protocol}: refused with the handle and without it: told, and the next text tries again`, async (t) => {
    const { server } = await withServer(t, {}, `
options: {refuse_handles: true}
rules:
  - {on: turn_complete, connection: 1, do: [reset]}
  - {on: setup, connection: 3, do: [{close: {code: 1008, reason: "no"}}]}
`);
    const client = await server.client(protocol);
    await client.ask('my name is Ada');
    const error = await client.error();
    assert.equal(error.code, 'refused');
    if (protocol === 'sample') await client.next((frame) => frame.turn_complete);
    assert.match(await client.ask('history'), /u:my name is Ada \| m:You said: my name is Ada/);
  });

  test(`${protocol}: what is typed while there is no connection is answered by the next one, in order`, async (t) => {
    const { sim, server } = await withServer(t, {}, `
rules:
  - {on: turn_complete, connection: 1, do: [reset]}
  - {on: setup, connection: 2, do: [{wait: 300}, default]}
`);
    const client = await server.client(protocol);
    await client.ask('hello');
    await sim.until((frames) => frames.some((frame) => frame.conn === 2));
    client.text('one');
    client.text('two');
    client.text('three');
    const heard = () => said(client.frames);
    while (!heard().includes('You said: three')) await client.next((frame) => frame.turn_complete);
    assert.deepEqual((await sim.sent(2)).map((message) => message.realtimeInput?.text).filter(Boolean), ['one', 'two', 'three']);
    assert.ok(!client.frames.some((frame) => frame.error));
  });
}

test('antiphon.v1 is told of the reconnection', async (t) => {
  const { server } = await withServer(t, {}, after('reset'));
  const client = await server.client('v1');
  await client.ask('hello');
  await client.next((frame) => frame.state === 'reconnecting');
  await client.next((frame) => frame.state === 'live');
  const states = client.frames.filter((frame) => frame.state).map((frame) => frame.state);
  assert.deepEqual(states, ['connecting', 'live', 'reconnecting', 'live']);
});

test('the handle outlives the process', async (t) => {
  const { sim, server } = await withServer(t);
  const client = await server.client('v1', { user: 5 });
  await client.ask('my name is Ada');
  await client.leave();
  await sim.until((frames) => frames.some((frame) => frame.type === 'close' || frame.type === 'tcp'));
  const { startServer } = await import('./lib/faults.mjs');
  const { copyFileSync } = await import('node:fs');
  // As a kill would leave it: the database with its log, copied while the first server runs.
  const store = `${server.home}/copy.db`;
  for (const end of ['', '-wal']) copyFileSync(server.database + end, store + end);
  const next = await startServer({ sim, store });
  t.after(() => next.stop());
  const back = await next.client('v1', { user: 5 });
  assert.equal(await back.ask('history'), 'History: u:my name is Ada | m:You said: my name is Ada | u:history');
  const [, second] = await setups(sim);
  assert.match(second.sessionResumption.handle, /^handle-/);
});

test('a client that leaves: the connection to the model ends within a second', async (t) => {
  const { sim, server } = await withServer(t);
  for (const protocol of protocols) {
    const client = await server.client(protocol);
    await client.ask('hello');
    const n = opened(await sim.frames());
    const since = Date.now();
    await client.leave();
    await sim.until((frames) => frames.some((frame) => frame.conn === n && frame.dir === 'out' && frame.type === 'close'));
    assert.ok(Date.now() - since < 1000);
  }
});
