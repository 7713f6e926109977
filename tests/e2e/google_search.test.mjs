// google_search as what fits the model: its own search, or a function that asks another model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { simulate } from './lib/faults.mjs';
import { until } from './lib/mcp_server.mjs';
import { makePlace, startServer } from './lib/server.mjs';
import { startTools } from './lib/tools.mjs';

const query = { query: 'kittens' };

function tools(setup) {
  const all = setup.tools ?? [];
  return {
    native: all.some((tool) => tool.googleSearch),
    functions: all.flatMap((tool) => tool.functionDeclarations ?? []).map((one) => one.name),
  };
}

test('native where the model can', async (t) => {
  const talk = await startTools(t, { tools: ['google_search', 'calculator'] });
  await talk.browser.ask('hello');
  assert.deepEqual(tools(await talk.setup()), { native: true, functions: ['calculator'] });
  await talk.end();
});

const without = `models:
  - {provider: gemini_live, backend: "*", match: gemini-3.8-live, native_tools: []}
`;

test('a function where it cannot', async (t) => {
  const talk = await startTools(t, {
    tools: ['google_search'], settings: without, env: { GOOGLE_API_KEY: 'SECRET-KEY-0123' }, simArgs: ['--key', 'SECRET-KEY-0123'],
  });
  const answer = await talk.call('google_search', query);
  assert.deepEqual(tools(await talk.setup()), { native: false, functions: ['google_search'] });
  assert.equal(answer.answer, 'You asked: kittens');
  assert.deepEqual(answer.groundingMetadata.webSearchQueries, ['kittens']);
  assert.equal(answer.groundingMetadata.groundingChunks[0].web.uri, 'https://example.com/a');
  assert.equal(answer.groundingMetadata.searchEntryPoint, undefined);
  assert.match((await talk.call('google_search', { query: 'quota' })).error, /429: You exceeded your current quota/);
  assert.match((await talk.call('google_search', {})).error, /query/);
  await talk.end();
  assert.ok(!talk.server.err.includes('SECRET'));
  assert.ok(!readFileSync(talk.place.database, 'latin1').includes('SECRET'));
});

test('a function if the settings say so', async (t) => {
  const talk = await startTools(t, { tools: ['google_search'], settings: 'plugins:\n  google_search:\n    mode: function\n' });
  assert.equal((await talk.call('google_search', query)).answer, 'You asked: kittens');
  assert.deepEqual(tools(await talk.setup()), { native: false, functions: ['google_search'] });
  await talk.end();
});

for (const [says, names, expected] of [
  ['native beside nothing else', ['google_search'], { native: true, functions: [] }],
  ['a function beside functions', ['google_search', 'calculator'], { native: false, functions: ['google_search', 'calculator'] }],
])
  test(`on Vertex AI ${says}`, async (t) => {
    const talk = await startTools(t, {
      tools: names, settings: 'plugins:\n  gemini_live:\n    vertex: true\n  google_search:\n    vertex: true\n',
      base: 'GOOGLE_VERTEX_BASE_URL',
    });
    await talk.browser.ask('hello');
    assert.deepEqual(tools(await talk.setup()), expected);
    if (expected.functions.includes('google_search'))
      assert.equal((await talk.call('google_search', query)).answer, 'You asked: kittens');
    await talk.end();
  });

// What each profile makes of it, alone and beside a function: N the model's own search, F a function, - none.
const models = ['gemini-9-unheard-of', 'gemini-2.0-flash-live-001', 'gemini-live-2.5-flash', 'gemini-live-2.5-flash-native-audio',
  'gemini-2.5-flash-native-audio-preview-12-2025', 'gemini-3-live', 'gemini-3.1-flash-live', 'gemini-3.8-live',
  'gemini-3.8-live-extended-thinking', 'gemini-3.5-live-translate'];
const golden = {
  gemini_api: { key: 'NN NN NN NN NN NN NN NN NN FF', none: 'NN NN NN NN NN NN NN NN NN --' },
  vertex: { key: 'NF NF NF NF NF NF NF NF NF FF', none: 'N- N- N- N- N- N- N- N- N- --' },
};

for (const [backend, wanted] of Object.entries(golden))
  for (const [key, expected] of Object.entries(wanted))
    test(`the choice of every profile: ${backend}, ${key === 'key' ? 'with a key' : 'never a function'}`, { timeout: 120000 }, async (t) => {
      const sim = await simulate();
      t.after(() => sim.stop());
      const agents = {};
      for (const [i, model] of models.entries())
        for (const more of ['', '\n  - name: calculator'])
          agents[`a${i}${more ? 'x' : ''}`] = `name: helper\nmodel: ${model}\ninstruction: Help.\ntools:\n  - name: google_search${more}\n`;
      const place = makePlace({ agents, settings: `default_agent: a0\nplugins:\n  gemini_live: {vertex: ${backend === 'vertex'}}\n  google_search: {vertex: ${
        backend === 'vertex'}, mode: ${key === 'key' ? 'auto' : 'native'}}\n` });
      t.after(() => place.remove());
      const server = await startServer(t, {
        place, env: { GOOGLE_API_KEY: 'k', [backend === 'vertex' ? 'GOOGLE_VERTEX_BASE_URL' : 'GOOGLE_GEMINI_BASE_URL']: sim.url },
      });
      const found = [];
      for (const i of models.keys()) {
        let choice = '';
        for (const agent of [`a${i}`, `a${i}x`]) {
          const before = (await sim.sent()).filter((message) => message.setup).length;
          const page = await Browser.open(server, `/ws/1?is_audio=false&agent=${agent}`);
          const setups = await until(async () => {
            const all = (await sim.sent()).filter((message) => message.setup);
            return all.length > before && all;
          }, () => `the setup of ${agent}`);
          const has = tools(setups.at(-1).setup);
          const functions = has.functions.filter((name) => name === 'google_search').length;
          choice += has.native ? 'N' : functions ? 'F' : '-';
          assert.ok(!(has.native && functions), 'never both');
          if (backend === 'vertex') assert.ok(!(has.native && has.functions.length), 'Vertex AI refuses search beside functions');
          page.close();
          await page.closed();
        }
        found.push(choice);
      }
      assert.equal(found.join(' '), expected);
      const warned = server.err.includes('refuses its own google_search beside functions');
      assert.equal(warned, expected.includes('N-'));
      await server.stop();
    });
