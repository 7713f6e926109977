// The page asks whether a tool may run: by a click, by keyboard, without an answer.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import Ajv from 'ajv';
import { build } from '../e2e/lib/live_sim.mjs';
import { openPage, root, startBrowser, startServer, startSim, temporaryFolder } from './lib/stage.mjs';

const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(path.join(root, 'schema/wire.schema.json'), 'utf8')));

const agent = `name: helper
model: gemini-2.5-flash-native-audio-preview-12-2025
instruction: Help.
tools: [{name: pay}, {name: transfer}]
`;

async function start(t, deadlines = '') {
  const folder = temporaryFolder(t);
  mkdirSync(path.join(folder, 'agents/helper'), { recursive: true });
  mkdirSync(path.join(folder, 'plugins'));
  writeFileSync(path.join(folder, 'agents/helper/root_agent.yaml'), agent);
  writeFileSync(path.join(folder, 'antiphon.yaml'), `plugins: {life_tools: {isolation: thread, log: ${folder}/log}}\n${deadlines}`);
  copyFileSync(path.join(build, 'tests/plugins/life_tools.so'), path.join(folder, 'plugins/life_tools.so'));
  const sim = await startSim(t);
  const args = ['--agents', path.join(folder, 'agents'), '--plugins', path.join(folder, 'plugins')];
  const server = await startServer(t, { sim, folder, args });
  const browser = await startBrowser(t);
  const stage = await openPage(t, browser, server.url);
  await stage.page.waitForSelector('#status[data-state="live"]');
  return { ...stage, ran: () => (existsSync(path.join(folder, 'log')) ? readFileSync(path.join(folder, 'log'), 'utf8') : '') };
}

async function type(page, text) {
  await page.fill('#message', text);
  await page.press('#message', 'Enter');
}

const toolIs = (page, n, state) => page.waitForFunction(
  ([index, wanted]) => document.querySelectorAll('.tool')[index]?.dataset.state === wanted, [n, state]);
const closed = (page) => page.waitForFunction(() => document.querySelectorAll('.question').length === 0);

// Nothing went wrong in the page, and every frame is in the schema.
function check({ sent, received, faults }) {
  for (const payload of [...sent, ...received].filter((one) => typeof one === 'string'))
    assert.ok(validate(JSON.parse(payload)), `${payload}: ${JSON.stringify(validate.errors?.[0])}`);
  assert.deepEqual(faults, []);
}

test('confirmation by a click', async (t) => {
  const stage = await start(t);
  const { page, ran } = stage;
  await type(page, 'tool pay {"amount":12.5,"pin":"4711-x","note":"<b>rent</b>"}');
  const card = page.locator('.question');
  await card.waitFor();
  assert.match(await card.locator('h2').textContent(), /May pay run\?/);
  // unknown arguments are dropped before, secrets are not shown
  assert.deepEqual(await card.locator('dt').allTextContents(), ['amount', 'pin']);
  assert.deepEqual(await card.locator('dd').allTextContents(), ['12.5', '(secret)']);
  assert.match(await card.locator('.left').textContent(), /\d+ s left/);
  await toolIs(page, 0, 'asking');
  assert.equal(ran(), '');
  await card.getByRole('button', { name: 'Allow' }).click();
  await toolIs(page, 0, 'done');
  await closed(page);
  assert.match(ran(), /^pay run \{"amount":12\.5,"pin":"4711-x"\}\npay done\n$/);
  check(stage);
});

test('denied by keyboard, and the next one allowed', async (t) => {
  const stage = await start(t);
  const { page, ran } = stage;
  await type(page, 'tool transfer {"amount":700}');
  await page.locator('.question').waitFor();
  assert.equal(await page.locator('.question .asks').textContent(), 'Really so much?');
  // from the message up to the card: backwards through the page
  await page.locator('#message').focus();
  for (let i = 0; i < 6 && (await page.evaluate(() => document.activeElement.className)) !== 'deny'; i++) await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await toolIs(page, 0, 'failed');
  await closed(page);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'message');
  assert.equal(ran(), 'transfer asks {"amount":700}\n');
  await type(page, 'tool transfer {"amount":800}');
  await page.locator('.question').getByRole('button', { name: 'Allow' }).press('Space');
  await toolIs(page, 1, 'done');
  check(stage);
});

test('a question stays until its time is over', async (t) => {
  const stage = await start(t, 'deadlines: {confirm_ms: 2500}\n');
  const { page, ran } = stage;
  await type(page, 'tool pay {"amount":1}');
  await page.locator('.question').waitFor();
  await page.reload();
  await page.waitForSelector('#status[data-state="live"]');
  assert.equal(await page.locator('.question').count(), 0, 'the call ended with the page');
  await type(page, 'tool pay {"amount":2}');
  await page.locator('.question').waitFor();
  await toolIs(page, 0, 'failed');
  await closed(page);
  assert.equal(ran(), '');
  check(stage);
});
