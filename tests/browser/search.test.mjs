// google_search as a function: its sources and Google's search suggestions are shown like those of a model that searches.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openPage, startBrowser, startServer, startSim, temporaryFolder } from './lib/stage.mjs';

test('a search by a function shows sources and suggestions', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(path.join(folder, 'antiphon.yaml'), 'plugins: {google_search: {mode: function}}\n');
  const sim = await startSim(t);
  const server = await startServer(t, { sim, folder });
  const stage = await openPage(t, await startBrowser(t), server.url);
  const { page } = stage;
  await page.waitForSelector('#status[data-state="live"]');
  await page.fill('#message', 'tool google_search {"query":"kittens"}');
  await page.press('#message', 'Enter');
  await page.waitForSelector('.sources a');
  assert.equal(await page.locator('.sources a').first().getAttribute('href'), 'https://example.com/a');
  const event = stage.received.map((frame) => (typeof frame === 'string' ? JSON.parse(frame) : {})).find(({ type }) => type === 'plugin');
  const given = event.plugin.data.searchEntryPoint.renderedContent;
  assert.ok((await page.locator('iframe.suggestions').getAttribute('srcdoc')).endsWith(given));
  assert.deepEqual(stage.faults, []);
});
