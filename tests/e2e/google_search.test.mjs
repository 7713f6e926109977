// google_search as what fits the model: its own search, or a function that asks another model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
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
