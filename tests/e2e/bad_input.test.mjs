// Rubbish from a client: an error frame each time, and the talk goes on as if it had never come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protocols, said, withServer } from './lib/faults.mjs';

const deep = '['.repeat(5000) + ']'.repeat(5000);
const odd = Buffer.alloc(3).toString('base64');
const good = { mime_type: 'text/plain', data: 'hello' };

// [name, frame, code]; a frame that is not a string is sent as JSON.
const common = [
  ['not JSON', 'hello', 'bad_json'],
  ['nothing at all', '', 'bad_json'],
  ['half of a frame', '{"mime_type":"text/plain","data":"hel', 'bad_json'],
  ['rubbish behind the frame', JSON.stringify(good) + 'x', 'bad_json'],
  ['a list', [good], 'bad_frame'],
  ['a number', '7', 'bad_frame'],
  ['null', 'null', 'bad_frame'],
  ['a string', '"text/plain"', 'bad_frame'],
  ['an empty object', {}, 'bad_frame'],
  ['data alone', { data: 'hello' }, 'bad_frame'],
  ['a mime type that is a number', { mime_type: 7, data: 'hello' }, 'bad_frame'],
  ['an unknown mime type', { mime_type: 'text/html', data: 'hello' }, 'bad_mime'],
  ['audio at another rate', { mime_type: 'audio/pcm;rate=44100', data: 'AAA=' }, 'bad_mime'],
  ['an empty mime type', { mime_type: '', data: 'hello' }, 'bad_mime'],
  ['no data', { mime_type: 'text/plain' }, 'bad_data'],
  ['audio without data', { mime_type: 'audio/pcm' }, 'bad_data'],
  ['data that is a number', { mime_type: 'text/plain', data: 7 }, 'bad_data'],
  ['data that is null', { mime_type: 'text/plain', data: null }, 'bad_data'],
  ['data that is an object', { mime_type: 'audio/pcm', data: { a: 1 } }, 'bad_data'],
  ['data that is a list', { mime_type: 'audio/pcm', data: ['AAA='] }, 'bad_data'],
  ['base64 with a foreign character', { mime_type: 'audio/pcm', data: 'AA*A' }, 'bad_data'],
  ['base64 with a blank', { mime_type: 'audio/pcm', data: 'AA AA' }, 'bad_data'],
  ['base64 of an impossible length', { mime_type: 'audio/pcm', data: 'AAAAA' }, 'bad_data'],
  ['base64 with padding inside', { mime_type: 'audio/pcm', data: 'AA==AAAA' }, 'bad_data'],
  ['half a sample', { mime_type: 'audio/pcm', data: odd }, 'bad_audio'],
  ['half a sample, spelt as Python does', `{"mime_type": "audio/pcm", "data": "${odd}"}`, 'bad_audio'],
  ['5,000 lists in each other', deep, 'too_deep'],
  ['5,000 lists as data', `{"mime_type":"text/plain","data":${deep}}`, 'too_deep'],
  ['5,000 objects in each other', '{"a":'.repeat(5000) + '1' + '}'.repeat(5000), 'too_deep'],
  ['5,000 values', `{"mime_type":"text/plain","data":"x","more":[${'1,'.repeat(4999)}1]}`, 'too_large'],
  ['a NUL inside', '{"mime_type":"text/plain","data":"a\u0000b"}', 'bad_json'],
];
const own = {
  sample: [
    ['a binary frame', Buffer.from([1, 2, 3, 4]), 'bad_frame'],
    ['an image', { mime_type: 'image/png', data: 'AAAA' }, 'bad_mime'],
  ],
  v1: [
    ['an unknown type', { type: 'sing' }, 'bad_frame'],
    ['a type that is a list', { type: ['stop'] }, 'bad_frame'],
    ['played without numbers', { type: 'played', turn: 'one' }, 'bad_frame'],
    ['played below nothing', { type: 'played', turn: 1, ms: -1 }, 'bad_frame'],
    ['a binary frame with half a sample', Buffer.from([1, 2, 3]), 'bad_audio'],
    ['an image that is not base64', { mime_type: 'image/png', data: '%' }, 'bad_data'],
  ],
};

function checkError(error, code) {
  assert.equal(error.code, code);
  assert.deepEqual(Object.keys(error).sort(), ['code', 'hint', 'message', 'retryable']);
  assert.ok(error.message.length > 5, 'it says what is wrong');
  assert.ok(error.hint.length > 5, 'it says what to do');
  assert.equal(error.retryable, false);
}

for (const protocol of protocols) {
  test(`${protocol}: one bad frame after the other in a talk that goes on`, async (t) => {
    const { sim, server } = await withServer(t);
    const client = await server.client(protocol);
    await client.ask('hello');
    for (const [name, frame, code] of [...common, ...own[protocol]]) {
      await t.test(name, async () => {
        const from = client.frames.length;
        client.send(frame);
        checkError(await client.error(), code);
        assert.equal(await client.ask('ping'), 'You said: ping');
        const more = client.frames.slice(from).filter((frame) => frame.error);
        assert.equal(more.length, 1, 'one error, and nothing else of it');
      });
    }
    const n = common.length + own[protocol].length;
    const told = (await sim.sent()).filter((message) => message.realtimeInput?.text ?? message.clientContent);
    assert.equal(told.length, n + 1, 'the model got the good texts only');
    assert.equal((await sim.frames()).filter((frame) => frame.type === 'open' && frame.dir === 'out').length, 1);
    const metrics = (await server.get('/metrics')).body.toString();
    assert.equal(Number(/^antiphon_client_bad_messages\S* (\d+)$/m.exec(metrics)[1]), n, metrics);
  });

  test(`${protocol}: bad frames in the middle of an answer`, async (t) => {
    const { server } = await withServer(t);
    const client = await server.client(protocol);
    const from = client.frames.length;
    client.text('longer');
    for (let i = 0; i < 5; i++) await client.next((frame) => frame.mime_type === 'audio/pcm');
    for (const frame of ['{', [1], { mime_type: 'audio/pcm', data: odd }]) {
      client.send(frame);
      await client.error();
    }
    await client.next((frame) => frame.turn_complete);
    const frames = client.frames.slice(from);
    const isAudio = (frame) => frame.mime_type === 'audio/pcm';
    assert.ok(frames.findIndex((frame) => frame.error) < frames.findLastIndex(isAudio), 'it was in the middle');
    assert.equal(said(frames), 'This is long.');
    assert.equal(frames.filter(isAudio).length, 3 + 300, 'nothing is missing, nothing twice');
    assert.ok(!frames.some((frame) => frame.interrupted));
  });

  test(`${protocol}: 20 bad frames in a row close with 1008, and a good one begins the count anew`, async (t) => {
    const { server } = await withServer(t);
    const client = await server.client(protocol);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 19; i++) client.send('bad');
      assert.equal(await client.ask('still here'), 'You said: still here');
    }
    assert.equal(client.frames.filter((frame) => frame.error).length, 38);
    for (let i = 0; i < 20; i++) client.send('bad');
    const close = await client.closed;
    assert.equal(close.code, 1008);
    assert.equal(client.frames.filter((frame) => frame.error).length, 58, 'the last one is told as well');
    const again = await server.client(protocol, { user: client.user });
    assert.equal(await again.ask('back'), 'You said: back');
  });

  test(`${protocol}: a message over 1 MiB closes with 1009, one just below does not`, async (t) => {
    const { server } = await withServer(t);
    const client = await server.client(protocol);
    const other = await server.client(protocol);
    // Audio of whole samples: characters of base64 come in eights.
    const around = JSON.stringify({ mime_type: 'audio/pcm', data: '' }).length;
    const most = Math.floor((1024 * 1024 - around) / 8) * 8;
    client.send({ mime_type: 'audio/pcm', data: 'A'.repeat(most) });
    assert.equal(await client.ask('after a large one'), 'You said: after a large one');
    client.send({ mime_type: 'audio/pcm', data: 'A'.repeat(most + 8) });
    assert.equal((await client.closed).code, 1009);
    assert.equal(await other.ask('hello'), 'You said: hello', 'others do not notice');
    const again = await server.client(protocol, { user: client.user });
    assert.equal(await again.ask('back'), 'You said: back');
  });
}

test('a message in many small fragments counts as one', async (t) => {
  const { server } = await withServer(t, { config: 'limits:\n  client_message_bytes: 4096\n' });
  const client = await server.client('sample');
  const whole = JSON.stringify({ mime_type: 'text/plain', data: 'f'.repeat(2000) });
  for (let at = 0; at < whole.length; at += 100)
    client.socket.send(whole.slice(at, at + 100), { fin: at + 100 >= whole.length });
  assert.equal(await client.answer(), `You said: ${'f'.repeat(2000)}`);
  for (let at = 0; at < 50; at++) client.socket.send('f'.repeat(100), { fin: false });
  assert.equal((await client.closed).code, 1009);
});

test('limits.bad_messages moves the border', async (t) => {
  const { server } = await withServer(t, { config: 'limits:\n  bad_messages: 3\n' });
  const client = await server.client('v1');
  client.send('1');
  client.send('2');
  assert.equal(await client.ask('hello'), 'You said: hello');
  for (const frame of ['1', '2', '3']) client.send(frame);
  assert.equal((await client.closed).code, 1008);
});

test('text that is not UTF-8 closes or is refused, and does not reach the model', async (t) => {
  const { sim, server } = await withServer(t);
  const client = await server.client('v1');
  const bytes = Buffer.concat([Buffer.from('{"mime_type":"text/plain","data":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
  client.socket.send(bytes, { binary: false });
  checkError(await client.error(), 'bad_json');
  assert.equal(await client.ask('hello'), 'You said: hello');
  const told = (await sim.sent()).filter((message) => message.realtimeInput?.text ?? message.clientContent);
  assert.equal(told.length, 1);
});
