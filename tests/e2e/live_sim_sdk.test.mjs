// The official @google/genai client talks to live-sim as it talks to Google.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Behavior, GoogleGenAI, Modality } from '@google/genai';
import { silence, startLiveSim, tone } from './lib/live_sim.mjs';

let sim;
before(async () => { sim = await startLiveSim('--key', 'good-key', '--stable-ids'); });
after(() => sim.stop());

const native = 'gemini-2.5-flash-native-audio-preview-12-2025';
const cascade = 'gemini-2.0-flash-live-001';
const audio = { responseModalities: [Modality.AUDIO], inputAudioTranscription: {}, outputAudioTranscription: {}, sessionResumption: {} };
const text = { responseModalities: [Modality.TEXT], sessionResumption: {} };
const pcm = (bytes) => ({ data: bytes.toString('base64'), mimeType: 'audio/pcm;rate=16000' });

// A session with its messages in a queue that can be waited on.
async function connect({ model, config, apiKey = 'good-key', apiVersion }) {
  const ai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: sim.url, apiVersion } });
  const queue = [];
  let wake = () => {};
  let closed;
  const live = await ai.live.connect({
    model,
    config,
    callbacks: {
      onmessage: (message) => { queue.push(message); wake(); },
      onclose: (event) => { closed = event; wake(); },
      onerror: () => {},
    },
  });
  const next = async (fits) => {
    const seen = [];
    for (;;) {
      while (queue.length) {
        const message = queue.shift();
        seen.push(message);
        if (fits(message)) return seen;
      }
      if (closed) throw new Error(`${closed.code} ${closed.reason}`);
      await new Promise((resolve) => { wake = resolve; });
    }
  };
  return { live, next, turn: () => next((m) => m.serverContent?.turnComplete), ended: () => next(() => false).catch((e) => e.message) };
}

const transcript = (turn) => turn.map((m) => m.serverContent?.outputTranscription?.text ?? '').join('');
const words = (turn) => turn.map((m) => m.text ?? '').join('');
const handle = (messages) => messages.findLast((m) => m.sessionResumptionUpdate?.newHandle).sessionResumptionUpdate;

test('a text turn', async () => {
  const s = await connect({ model: cascade, config: text });
  s.live.sendClientContent({ turns: 'Hello 안녕' });
  const turn = await s.turn();
  assert.equal(words(turn), 'You said: Hello 안녕');
  assert.ok(turn.some((m) => m.serverContent?.generationComplete));
  assert.equal(turn.at(-1).usageMetadata.totalTokenCount, 112);
  s.live.close();
});

test('typed text to a native-audio model is answered in audio with its transcript', async () => {
  for (const model of [native, 'gemini-3.1-flash-live-preview', 'gemini-3.8-live']) {
    const s = await connect({ model, config: audio });
    s.live.sendRealtimeInput({ text: 'how are you?' });
    const turn = await s.turn();
    assert.equal(transcript(turn), 'You said: how are you?');
    const bytes = turn.reduce((sum, m) => sum + Buffer.from(m.data ?? '', 'base64').length, 0);
    assert.equal(bytes, 5 * 9600);
    s.live.close();
  }
});

test('a spoken turn', async () => {
  const s = await connect({ model: native, config: audio });
  const speech = Buffer.concat([silence(200), tone(1500), silence(600)]);
  for (let at = 0; at < speech.length; at += 1280) s.live.sendRealtimeInput({ audio: pcm(speech.subarray(at, at + 1280)) });
  const turn = await s.turn();
  const heard = turn.find((m) => m.serverContent?.inputTranscription);
  assert.equal(heard.serverContent.inputTranscription.text, 'speech of 1500 ms');
  assert.equal(transcript(turn), 'I heard about 1.5 seconds.');
  s.live.close();
});

test('speaking interrupts the answer', async () => {
  const s = await connect({ model: native, config: audio });
  s.live.sendRealtimeInput({ text: 'longer' });
  await s.next((m) => m.data);
  s.live.sendRealtimeInput({ audio: pcm(tone(300)) });
  const cut = await s.next((m) => m.serverContent?.interrupted);
  assert.ok(!cut.some((m) => m.serverContent?.generationComplete));
  await s.turn();
  s.live.sendRealtimeInput({ audioStreamEnd: true });
  assert.equal(transcript(await s.turn()), 'I heard about 0.3 seconds.');
  s.live.close();
});

test('a tool turn', async () => {
  const declaration = { name: 'get_weather', description: 'Weather of a city', behavior: Behavior.BLOCKING };
  const s = await connect({ model: cascade, config: { ...text, tools: [{ functionDeclarations: [declaration] }] } });
  s.live.sendClientContent({ turns: 'tool get_weather {"city":"Paris"}' });
  const [call] = (await s.next((m) => m.toolCall)).at(-1).toolCall.functionCalls;
  assert.deepEqual([call.name, call.args], ['get_weather', { city: 'Paris' }]);
  s.live.sendToolResponse({ functionResponses: [{ id: call.id, name: call.name, response: { output: 'sunny' } }] });
  assert.equal(words(await s.turn()), 'Tool said: {"output":"sunny"}');
  s.live.close();
});

test('google search answers with code, result and sources', async () => {
  const s = await connect({ model: cascade, config: { ...text, tools: [{ googleSearch: {} }] } });
  s.live.sendClientContent({ turns: 'search why is the sea salty' });
  const turn = await s.turn();
  const found = turn.flatMap((m) => m.serverContent?.modelTurn?.parts ?? []);
  assert.match(found[0].executableCode.code, /concise_search\("why is the sea salty"/);
  assert.equal(found[1].codeExecutionResult.outcome, 'OUTCOME_OK');
  const grounding = turn.find((m) => m.serverContent?.groundingMetadata).serverContent.groundingMetadata;
  assert.match(grounding.searchEntryPoint.renderedContent, /why%20is%20the%20sea%20salty/);
  assert.equal(grounding.groundingChunks[0].web.title, 'example.com');
  s.live.close();
});

test('a session is resumed with what was said before', async () => {
  const first = await connect({ model: native, config: audio });
  first.live.sendRealtimeInput({ text: 'my name is Kim' });
  const update = handle(await first.next((m) => m.sessionResumptionUpdate));
  assert.equal(update.resumable, true);
  first.live.close();
  const second = await connect({ model: native, config: { ...audio, sessionResumption: { handle: update.newHandle } } });
  second.live.sendRealtimeInput({ text: 'history' });
  assert.equal(transcript(await second.turn()), 'History: u:my name is Kim | m:You said: my name is Kim | u:history');
  second.live.close();
});

test('refusals reach the client with the real code and reason', async () => {
  const refused = (options) => assert.rejects(connect(options));
  const reason = async (options) => {
    try {
      const s = await connect(options);
      return await s.ended();
    } catch (error) {
      return error.message;
    }
  };
  assert.match(await reason({ model: native, config: audio, apiKey: 'bad' }), /1007.*API key not valid\. Please pass a valid API key\./);
  assert.match(await reason({ model: 'gemini-no-such-live', config: audio }),
    /1008.*models\/gemini-no-such-live is not found for API version v1, or is not supported for bidiGenerateContent/);
  assert.match(await reason({ model: native, config: text }), /1007.*\(TEXT\) is not supported by the model\. models\/gemini-2\.5-flash-native-audio/);
  assert.match(await reason({ model: 'gemini-3.8-live', config: { ...audio, thinkingConfig: { thinkingBudget: 1 } } }), /1007.*invalid argument/);
  assert.match(await reason({ model: native, config: { ...audio, sessionResumption: { handle: 'gone' } } }), /1008.*BidiGenerateContent session not found/);
  await refused({ model: 'gemini-no-such-live', config: audio });
});

test('an ephemeral token is minted and opens the constrained method only', async () => {
  const ai = new GoogleGenAI({ apiKey: 'good-key', httpOptions: { baseUrl: sim.url, apiVersion: 'v1alpha' } });
  const token = await ai.authTokens.create({ config: { uses: 1 } });
  const s = await connect({ model: native, config: audio, apiKey: token.name, apiVersion: 'v1alpha' });
  s.live.sendRealtimeInput({ text: 'hi' });
  assert.equal(transcript(await s.turn()), 'You said: hi');
  s.live.close();
});

test('the model list says which ids are live', async () => {
  const ai = new GoogleGenAI({ apiKey: 'good-key', httpOptions: { baseUrl: sim.url, apiVersion: 'v1beta' } });
  const live = [];
  for await (const model of await ai.models.list())
    if (model.supportedActions.includes('bidiGenerateContent')) live.push(model.name);
  assert.ok(live.includes('models/gemini-3.8-live'));
  assert.ok(!live.includes('models/gemini-2.5-flash'));
});
