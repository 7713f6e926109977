// The rules of the Live protocol as live-sim keeps them, driven by a bare WebSocket client.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import WebSocket from 'ws';
import { simulate } from './lib/faults.mjs';
import { developerPath, silence, startLiveSim, tone } from './lib/live_sim.mjs';
import { LiveClient, audioOf, audioSetup, models, textOf, textSetup, transcriptOf } from './lib/live_client.mjs';

let sim;
before(async () => { sim = await startLiveSim(); });
after(() => sim.stop());

const invalid = 'Request contains an invalid argument.';
const open = (setup, path) => LiveClient.open(sim, setup, path);

async function refused(setup, path) {
  const client = await open(null, path);
  client.send({ setup });
  return client.closed;
}

describe('paths and credentials', () => {
  const answer = (path, headers = {}) => new Promise((resolve) => {
    const socket = new WebSocket(sim.ws + path, { headers });
    socket.on('unexpected-response', (_, response) => { resolve(response.statusCode); socket.terminate(); });
    socket.on('open', () => { resolve(101); socket.terminate(); });
    socket.on('error', () => {});
  });

  test('every known path is found, with slashes repeated and behind a prefix', async () => {
    const live = '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k';
    const vertex = '/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent';
    for (const path of [live, `/${live}`, `/proxy${live}`, `/a/b/${live}`, live.replace('v1beta', 'v1'),
      live.replace('v1beta', 'v1alpha'), live.replace('Content?', 'ContentConstrained?'), '/'])
      assert.equal(await answer(path), 101, path);
    for (const path of [vertex, vertex.replace('v1beta1', 'v1'), `/x/${vertex}`])
      assert.equal(await answer(path, { Authorization: 'Bearer t' }), 101, path);
    for (const path of ['/ws/42', live.replace('v1beta', 'v2'), live.replace('BidiGenerate', 'Generate'), `${vertex}x`])
      assert.equal(await answer(path, { Authorization: 'Bearer t' }), 404, path);
    assert.equal(await answer(vertex), 401, 'Vertex without a token');
  });

  test('no key is refused after the upgrade', async () => {
    const close = await refused(textSetup, developerPath.replace('?key=k', ''));
    assert.equal(close.code, 1008);
    assert.match(close.reason, /^Method doesn't allow unregistered callers/);
    assert.equal(Buffer.byteLength(close.reason), 123);
  });

  test('an ephemeral token needs the constrained method', async () => {
    const close = await refused(textSetup, developerPath.replace('key=k', 'access_token=auth_tokens/x'));
    assert.match(close.reason, /^Method doesn't allow unregistered callers/);
  });
});

describe('setup', () => {
  test('messages are binary, pretty-printed and end with a newline', async () => {
    const client = await open(textSetup);
    assert.equal(client.raw[0].binary, true);
    assert.equal(client.raw[0].data.toString(), '{\n  "setupComplete": {}\n}\n');
    await client.end();
  });

  const detecting = (automaticActivityDetection) => ({ ...textSetup, realtimeInputConfig: { automaticActivityDetection } });
  const cases = [
    ['a misspelt field', { ...textSetup, modle: 1 }, 1007,
      'Invalid JSON payload received. Unknown name "modle" at \'setup\': Cannot find field.'],
    ['a misspelt nested field', { ...textSetup, generationConfig: { topKay: 1 } }, 1007,
      'Invalid JSON payload received. Unknown name "topKay" at \'setup.generation_config\': Cannot find field.'],
    ['a misspelt field in a list', { ...textSetup, tools: [{ googleSearch: {} }, { googleSearsh: {} }] }, 1007,
      'Invalid JSON payload received. Unknown name "googleSearsh" at \'setup.tools[1]\': Cannot find field.'],
    ['a Vertex field', { ...textSetup, explicitVadSignal: true }, 1007,
      'Invalid JSON payload received. Unknown name "explicitVadSignal" at \'setup\': Cannot find field.'],
    ['a wrong type', { ...textSetup, generationConfig: { temperature: 'warm' } }, 1007,
      'Invalid value at \'setup.generation_config.temperature\' (TYPE_INT64), "warm"'],
    ['a time beyond its field', detecting({ silenceDurationMs: 1.08e11 }), 1007,
      "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.silence_duration_ms' (TYPE_INT32), 108000000000"],
    ['a time beyond every integer', detecting({ prefixPaddingMs: 1e103 }), 1007,
      "Invalid value at 'setup.realtime_input_config.automatic_activity_detection.prefix_padding_ms' (TYPE_INT32), 1e+103"],
    ['a time below zero', detecting({ prefixPaddingMs: -1 }), 1007, invalid],
    ['no model', {}, 1007, invalid],
    ['two modalities', { ...audioSetup, generationConfig: { responseModalities: ['AUDIO', 'TEXT'] } }, 1007, invalid],
    ['TEXT on native audio', { ...textSetup, model: models.native }, 1007,
      'The requested combination of response modalities (TEXT) is not supported by the model. models/gemini-2.5-flash-native-audio'],
    ['TEXT on 3.x', { ...textSetup, model: models.latest }, 1007,
      'The requested combination of response modalities (TEXT) is not supported by the model. models/gemini-3.8-live accepts'],
    ['a voice with TEXT', { ...textSetup, model: models.native,
      generationConfig: { responseModalities: ['TEXT'], speechConfig: { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Puck' } } } } },
    1007, 'Cannot extract voices from a non-audio request.'],
    ['an unknown model', { model: 'models/gemini-no-such-model' }, 1008,
      'models/gemini-no-such-model is not found for API version v1beta, or is not supported for bidiGenerateContent.'],
    ['a model without Live', { model: 'models/gemini-2.5-flash' }, 1008, 'models/gemini-2.5-flash is not found'],
    ['thinkingConfig on 3.8', { model: models.latest, generationConfig: { thinkingConfig: {} } }, 1007, invalid],
    ['an empty object schema', { ...textSetup, tools: [{ functionDeclarations: [{ name: 'f', parameters: { type: 'OBJECT', properties: {} } }] }] },
      1007, '* BidiGenerateContentRequest.setup.tools[0].function_declarations[0].parameters.properties: should be non-empty for OBJECT type'],
    ['an unknown handle', { ...textSetup, sessionResumption: { handle: 'handle-1-1' } }, 1008, 'BidiGenerateContent session not found'],
  ];
  for (const [name, setup, code, reason] of cases)
    test(`${name} is refused`, async () => {
      const close = await refused(setup);
      assert.equal(close.code, code);
      assert.ok(close.reason.startsWith(reason.slice(0, 123)), close.reason);
    });

  test('snake_case, int64 as number or string, null and empty objects are good', async () => {
    for (const setup of [
      { model: models.native, generation_config: { response_modalities: ['AUDIO'], top_k: 40.0, max_output_tokens: null },
        context_window_compression: { trigger_tokens: 25600, sliding_window: { target_tokens: '12800' } },
        session_resumption: {}, output_audio_transcription: {}, tools: [{ google_search: {} }] },
      { model: models.latest },
      { model: models.native, systemInstruction: { parts: [{ text: 's' }], role: 'system' }, labels: { any_name: 'x' } },
    ]) {
      const client = await open(setup);
      await client.end();
    }
  });

  test('the first message is setup, and there is only one', async () => {
    const early = await open(null);
    early.text('hello');
    assert.deepEqual(await early.closed, { code: 1007, reason: invalid });
    const twice = await open(textSetup);
    twice.send({ setup: textSetup });
    assert.equal((await twice.closed).code, 1007);
  });

  test('what is not one JSON object ends the connection', async () => {
    for (const text of ['{"setup":', 'null', '[]', '{"setup":{}} {}', '{}', '{"setup":{"model":"models/m"},"clientContent":{}}',
      `${'['.repeat(5000)}${']'.repeat(5000)}`]) {
      const client = await open(null);
      client.send(text);
      assert.equal((await client.closed).code, 1007, text.slice(0, 40));
    }
  });

  test('input before setupComplete waits for it', async () => {
    const client = await open(null);
    client.send({ setup: textSetup });
    client.text('early');
    assert.equal(textOf(await client.turn()), 'You said: early');
    await client.end();
  });

  test('Vertex has its own names', async () => {
    const client = await LiveClient.open(sim, { ...audioSetup, model: 'projects/p/locations/l/publishers/google/models/gemini-3.8-live',
      explicitVadSignal: true, sessionResumption: { transparent: true } },
    '/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent', { headers: { Authorization: 'Bearer t' } });
    assert.ok(client.messages[0].setupComplete.sessionId);
    client.audio(Buffer.concat([tone(300), silence(1000)]));
    assert.equal((await client.next()).voiceActivityDetectionSignal.vadSignalType, 'VAD_SIGNAL_TYPE_SOS');
    assert.equal((await client.next()).voiceActivityDetectionSignal.vadSignalType, 'VAD_SIGNAL_TYPE_EOS');
    const turn = await client.turn();
    assert.ok(turn.at(-1).usageMetadata.candidatesTokenCount);
    const update = await client.next((m) => m.sessionResumptionUpdate);
    assert.match(update.sessionResumptionUpdate.lastConsumedClientMessageIndex, /^1[1-3]$/); // speech ended with the 11th
    await client.end();
    const close = await new Promise((resolve) => {
      const wrong = new LiveClient(`${sim.ws}/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent`,
        { headers: { Authorization: 'Bearer t' } });
      wrong.opened.then(() => wrong.send({ setup: audioSetup }));
      resolve(wrong.closed);
    });
    assert.match(close.reason, /^Invalid resource field value/);
  });
});

describe('speech', () => {
  const speech = (ms) => Buffer.concat([silence(100), tone(ms), silence(600)]);

  test('mimes without a rate, other rates, both alphabets and odd splits are one speech', async () => {
    for (const [mime, rate] of [['audio/pcm', 16000], ['audio/pcm;rate=48000', 48000], ['audio/pcm;rate=8000', 8000]]) {
      const client = await open(audioSetup);
      client.audio(Buffer.concat([tone(1000, rate), silence(700, rate)]), 1001, mime);
      assert.equal((await client.next()).serverContent.inputTranscription.text, 'speech of 1000 ms', mime);
      assert.equal(transcriptOf(await client.turn()), 'I heard about 1 seconds.');
      await client.end();
    }
    const client = await open(audioSetup);
    const data = speech(500).toString('base64url');
    client.send({ realtime_input: { media_chunks: [{ data, mime_type: 'audio/pcm' }] } });
    assert.equal((await client.next()).serverContent.inputTranscription.text, 'speech of 500 ms');
    await client.end();
  });

  test('noise below the threshold is not speech', async () => {
    const client = await open(audioSetup);
    client.audio(tone(2000, 16000, 300));
    client.text('quiet?');
    assert.equal(transcriptOf(await client.turn()), 'You said: quiet?');
    await client.end();
  });

  test('silenceDurationMs decides when speech ends', async () => {
    const client = await open({ ...audioSetup,
      realtimeInputConfig: { automaticActivityDetection: { silenceDurationMs: 2000 } } });
    client.audio(Buffer.concat([tone(400), silence(1500), tone(400), silence(2100)]));
    assert.equal((await client.next()).serverContent.inputTranscription.text, 'speech of 2300 ms');
    await client.end();
  });

  test('audioStreamEnd ends speech', async () => {
    const client = await open(audioSetup);
    client.audio(tone(700));
    client.send({ realtimeInput: { audioStreamEnd: true } });
    assert.equal((await client.next()).serverContent.inputTranscription.text, 'speech of 700 ms');
    await client.end();
  });

  test('activity signals replace detection when it is off, and are refused when it is on', async () => {
    const manual = { ...audioSetup, realtimeInputConfig: { automaticActivityDetection: { disabled: true } } };
    const client = await open(manual);
    client.audio(tone(400));
    client.send({ realtimeInput: { activityStart: {} } });
    client.audio(speech(400));
    client.send({ realtimeInput: { activityEnd: {} } });
    assert.equal((await client.next()).serverContent.inputTranscription.text, 'speech of 1100 ms');
    await client.end();
    const automatic = await open(audioSetup);
    automatic.send({ realtimeInput: { activityStart: {} } });
    assert.deepEqual(await automatic.closed, { code: 1007,
      reason: 'Explicit activity control is not supported when automatic activity detection is enabled.' });
  });

  test('NO_INTERRUPTION answers after the answer', async () => {
    const client = await open({ ...audioSetup, realtimeInputConfig: { activityHandling: 'NO_INTERRUPTION' } });
    client.send({ realtimeInput: { text: 'slow' } });
    await client.next((m) => m.serverContent?.outputTranscription);
    client.audio(speech(300));
    const turn = await client.turn();
    assert.ok(!turn.some((m) => m.serverContent.interrupted));
    assert.match(transcriptOf(turn), /ten$/);
    assert.equal(transcriptOf(await client.turn()), 'I heard about 0.3 seconds.');
    await client.end();
  });

  test('transcripts come only when asked for', async () => {
    const client = await open({ model: models.native });
    client.audio(speech(300));
    const turn = await client.turn();
    assert.ok(audioOf(turn).length > 0);
    assert.ok(!turn.some((m) => m.serverContent?.inputTranscription || m.serverContent?.outputTranscription));
    await client.end();
  });

  test('audio of another kind, and bad base64, are refused', async () => {
    for (const blob of [{ mimeType: 'audio/opus', data: 'AAAA' }, { mimeType: 'audio/pcm', data: 'A*AA' }, { mimeType: 'audio/pcm', data: 5 }]) {
      const client = await open(audioSetup);
      client.send({ realtimeInput: { audio: blob } });
      assert.equal((await client.closed).code, 1007);
    }
  });

  test('video frames are taken', async () => {
    const client = await open(audioSetup);
    client.send({ realtimeInput: { video: { mimeType: 'image/jpeg', data: '/9j/4A==' } } });
    client.text('seen?');
    assert.equal(transcriptOf(await client.turn()), 'You said: seen?');
    await client.end();
  });
});

describe('history', () => {
  const turns = [{ role: 'user', parts: [{ text: 'a' }] }, { role: 'model', parts: [{ text: 'b' }] }];

  test('clientContent without turnComplete is remembered, not answered', async () => {
    const client = await open(textSetup);
    client.send({ clientContent: { turns } });
    client.text('history');
    assert.equal(textOf(await client.turn()), 'History: u:a | m:b | u:history');
    await client.end();
  });

  test('turnComplete alone answers what was left open', async () => {
    const client = await open(textSetup);
    client.send({ clientContent: { turns: [{ role: 'user', parts: [{ text: 'still ' }, { text: 'open' }] }] } });
    client.send({ clientContent: { turnComplete: true } });
    assert.equal(textOf(await client.turn()), 'You said: still open');
    await client.end();
  });

  for (const model of [models.three, models.latest])
    test(`initial history is not answered by ${model}`, async () => {
      const client = await open({ ...audioSetup, model, historyConfig: { initialHistoryInClientContent: true } });
      client.send({ clientContent: { turns: [...turns, { role: 'user', parts: [{ text: 'c' }] }], turnComplete: true } });
      client.send({ realtimeInput: { text: 'history' } });
      const turn = await client.turn();
      assert.equal(transcriptOf(turn), 'History: u:a | m:b | u:c | u:history');
      assert.ok(!turn.some((m) => m.serverContent?.interrupted));
      await client.end();
    });

  test('3.1 takes clientContent as initial history only', async () => {
    const client = await open({ ...audioSetup, model: models.three });
    client.text('hello');
    assert.deepEqual(await client.closed, { code: 1007, reason: invalid });
  });

  test('a handle belongs to its model, and to one connection at a time', async () => {
    const first = await open(audioSetup);
    first.text('hello');
    const { newHandle: handle } = (await first.next((m) => m.sessionResumptionUpdate)).sessionResumptionUpdate;
    assert.deepEqual(await refused({ ...audioSetup, sessionResumption: { handle } }), { code: 1011, reason: 'Internal error encountered.' });
    await first.end();
    assert.equal((await refused({ ...audioSetup, model: models.latest, sessionResumption: { handle } })).reason, 'Invalid session handle');
    const second = await open({ ...audioSetup, tools: [{ googleSearch: {} }], sessionResumption: { handle } });
    second.text('history');
    assert.match(transcriptOf(await second.turn()), /u:hello \| m:You said: hello/);
    await second.end();
  });
});

describe('tools', () => {
  const functions = (behavior) => [{ functionDeclarations: [{ name: 'f', behavior }, { name: 'g', behavior }] }];
  const answer = (client, call, response, more = {}) =>
    client.send({ toolResponse: { functionResponses: [{ id: call.id, name: call.name, response, ...more }] } });

  test('parallel calls are answered one by one', async () => {
    const client = await open({ ...textSetup, tools: functions() });
    client.text('tool f {"a":1} g');
    const [f, g] = (await client.next((m) => m.toolCall)).toolCall.functionCalls;
    assert.notEqual(f.id, g.id);
    answer(client, g, { my_key: 1, nested: { snake_case: true } });
    answer(client, f, { result: 'é' });
    assert.equal(textOf(await client.turn()), 'Tool said: {"result":"é"}');
    await client.end();
  });

  test('typing while a blocking call is open cancels it; its late answer is ignored', async () => {
    const client = await open({ ...textSetup, tools: functions() });
    client.text('tool f');
    const [call] = (await client.next((m) => m.toolCall)).toolCall.functionCalls;
    client.text('never mind');
    assert.deepEqual((await client.next()).toolCallCancellation.ids, [call.id]);
    assert.ok((await client.next()).serverContent.interrupted);
    await client.turn();
    answer(client, call, { late: true });
    assert.equal(textOf(await client.turn()), 'You said: never mind');
    client.text('and now?');
    assert.equal(textOf(await client.turn()), 'You said: and now?');
    await client.end();
  });

  test('a NON_BLOCKING call stays open while the conversation goes on', async () => {
    const client = await open({ ...textSetup, tools: functions('NON_BLOCKING') });
    client.text('tool f');
    const [call] = (await client.next((m) => m.toolCall)).toolCall.functionCalls;
    client.text('meanwhile');
    assert.equal(textOf(await client.turn()), 'You said: meanwhile');
    answer(client, call, { n: 1 }, { willContinue: true, scheduling: 'WHEN_IDLE' });
    assert.equal(textOf(await client.turn()), 'Tool said: {"n":1}');
    client.text('slow');
    await client.next((m) => m.serverContent?.modelTurn);
    answer(client, call, { n: 2 }, { willContinue: true, scheduling: 'INTERRUPT' });
    await client.next((m) => m.serverContent?.interrupted);
    await client.turn();
    assert.equal(textOf(await client.turn()), 'Tool said: {"n":2}');
    answer(client, call, { n: 3 }, { scheduling: 'SILENT' });
    client.text('done');
    assert.equal(textOf(await client.turn()), 'You said: done');
    await client.end();
  });

  test('an answer without id, or that is no object, is refused', async () => {
    for (const response of [{ name: 'f', response: {} }, { id: 'x', name: 'f', response: 'text' }]) {
      const client = await open({ ...textSetup, tools: functions() });
      client.send({ toolResponse: { functionResponses: [response] } });
      assert.equal((await client.closed).code, 1007);
    }
  });

  test('contextUpdate changes the tools of 3.8 and is refused elsewhere', async () => {
    const update = { contextUpdate: { tools: { tools: [{ googleSearch: {} }] } } };
    const latest = await open({ ...audioSetup, model: models.latest });
    latest.send(update);
    latest.send({ realtimeInput: { text: 'search kittens' } });
    assert.equal(transcriptOf(await latest.turn()), 'Found: kittens.');
    await latest.end();
    const older = await open(audioSetup);
    older.send(update);
    assert.equal((await older.closed).code, 1007);
  });
});

test('goAway is followed by the cut', async () => {
  const client = await open(textSetup);
  client.text('goaway 1');
  assert.equal((await client.next((m) => m.goAway)).goAway.timeLeft, '1s');
  assert.deepEqual(await client.closed, { code: 1011, reason: 'Deadline expired before operation could complete.' });
});

test('three hundred conversations at once', async () => {
  const clients = await Promise.all(Array.from({ length: 300 }, () => open(textSetup)));
  clients.forEach((client, i) => client.text(`number ${i}`));
  const turns = await Promise.all(clients.map((client) => client.turn()));
  turns.forEach((turn, i) => assert.equal(textOf(turn), `You said: number ${i}`));
  await Promise.all(clients.map((client) => client.end()));
});

test('a message over 16 MiB and a broken frame end the connection', async () => {
  const big = await open(textSetup);
  big.send(' '.repeat(16 * 1024 * 1024 + 1));
  assert.equal((await big.closed).code, 1009);
  const broken = await open(textSetup);
  broken.socket._socket.write(Buffer.from([0xc1, 0x80, 0, 0, 0, 0]));
  assert.equal((await broken.closed).code, 1002);
});

test('strict mode refuses early input', async () => {
  const strict = await startLiveSim('--strict');
  try {
    const client = await LiveClient.open(strict, null);
    client.send({ setup: textSetup });
    client.text('early');
    assert.equal((await client.closed).code, 1007);
  } finally {
    await strict.stop();
  }
});

test('a demo says once what it is, speaks at the pace of speech, and can be interrupted until it is heard', async () => {
  const demo = await startLiveSim('--demo');
  try {
    const client = await LiveClient.open(demo, audioSetup);
    const start = performance.now();
    client.text('hello');
    const turn = await client.turn();
    const seconds = (performance.now() - start) / 1000;
    const heard = audioOf(turn).length / 48000;
    assert.match(transcriptOf(turn), /^You said: hello — I am the built-in stand-in, not a model/);
    assert.ok(seconds > heard * 0.9 && seconds < heard * 1.5 + 1, `${seconds} s for ${heard} s of audio`);
    client.text('again');
    await client.next((m) => m.serverContent?.generationComplete);
    client.audio(tone(200));
    await client.next((m) => m.serverContent?.interrupted);
    await client.end();
  } finally {
    await demo.stop();
  }
});

test('the log has every frame and no secret', async () => {
  const client = await LiveClient.open(sim, null, developerPath.replace('?key=k', ''), { headers: { 'x-goog-api-key': 'very-secret' } });
  client.send({ setup: textSetup });
  client.text('logged');
  await client.turn();
  await client.end();
  const frames = await sim.frames();
  const conn = frames.findLast((f) => f.type === 'open').conn;
  const own = frames.filter((f) => f.conn === conn);
  assert.deepEqual(own.slice(0, 3).map((f) => [f.dir, f.type]), [['out', 'open'], ['in', 'open'], ['out', 'text']]);
  assert.ok(own.some((f) => f.type === 'close' && f.dir === 'out'));
  assert.ok(!JSON.stringify(frames).includes('very-secret'));
});

// A reset drops what is on its way; what the log says was sent before has to have arrived.
test('a reset ends the connection behind all that was said', async (t) => {
  const own = await simulate('rules:\n  - {on: turn_complete, do: [reset]}\n');
  t.after(() => own.stop());
  const client = await LiveClient.open(own, audioSetup);
  client.socket.pause();
  client.text('word '.repeat(60));
  const frames = await own.until((seen) => seen.some((frame) => frame.type === 'tcp'));
  client.socket.resume();
  assert.equal((await client.closed).code, 1006);
  assert.equal(client.messages.length, frames.filter((frame) => frame.dir === 'in' && frame.type === 'binary').length);
  assert.ok(client.messages.at(-1).sessionResumptionUpdate);
});
