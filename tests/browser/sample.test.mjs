// A page that treats the server as the sample's page does (tests/fixtures/sample-page), through --static.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openPage, root, startBrowser, startServer, startSim, temporaryFolder, writeSpeech } from './lib/stage.mjs';

const samplePage = path.join(root, 'tests/fixtures/sample-page');

async function stageOf(t, speech) {
  const sim = await startSim(t);
  const server = await startServer(t, { sim, args: ['--static', samplePage] });
  const browser = await startBrowser(t, speech && { wav: writeSpeech(temporaryFolder(t), speech), loop: speech.loop });
  const stage = await openPage(t, browser, server.url);
  await stage.page.getByText('Connection opened').waitFor();
  return { sim, ...stage };
}

const stats = (page) => page.evaluate(() => ({ ...window.stats, audioSizes: [...window.stats.audioSizes] }));

async function type(page, text) {
  await page.fill('#message', text);
  await page.click('#sendButton');
}

// The most connections to the model that stood at one time.
function mostConnections(frames) {
  const live = new Set();
  let most = 0;
  for (const { type: kind, conn } of frames) {
    if (kind === 'open') live.add(conn);
    if (kind === 'close' || kind === 'tcp') live.delete(conn);
    most = Math.max(most, live.size);
  }
  return most;
}

test('text: the answer comes piece by piece, once, and the turn ends', async (t) => {
  const { page, faults } = await stageOf(t);
  for (const word of ['hello', '안녕하세요']) {
    await type(page, word);
    await page.getByText(`You said: ${word}`).waitFor();
  }
  await page.waitForFunction(() => window.stats.turns === 2);
  assert.deepEqual(await page.locator('.answer').allTextContents(), ['You said: hello', 'You said: 안녕하세요']);
  assert.equal((await stats(page)).closed, 0);
  assert.deepEqual(faults, []);
});

test('Start Audio: a second socket beside the first, speech is answered aloud, and nobody fights for 20 s', async (t) => {
  const { page, sim, sockets, faults } = await stageOf(t, { before: 0.5, voice: 1.5, after: 60 });
  await type(page, 'before the audio');
  await page.getByText('You said: before the audio').waitFor();
  await page.waitForFunction(() => window.stats.turns === 1);
  const begun = Date.now();
  await page.click('#startAudioButton');
  await page.waitForFunction(() => window.stats.opened === 2);
  await page.getByText(/heard/i).waitFor();
  await page.waitForFunction(() => window.stats.turns === 2 && window.stats.played > 0);
  const answer = await page.locator('.answer').last().textContent();
  assert.equal(answer.match(/heard/gi).length, 1, `said once: ${answer}`);
  await type(page, 'typed beside the audio');
  await page.getByText('You said: typed beside the audio').waitFor();
  await page.waitForTimeout(Math.max(0, 20000 - (Date.now() - begun)));
  const { audioSizes, sentAudio, ...rest } = await stats(page);
  assert.deepEqual(audioSizes, [256]);
  assert.ok(sentAudio > 1500, `${sentAudio} frames of 8 ms in 20 s`);
  assert.equal(rest.sockets, 2);
  assert.equal(rest.opened, 2);
  assert.equal(rest.closed, 0);
  assert.equal(sockets.filter((socket) => !socket.isClosed()).length, 2);
  assert.equal(mostConnections(await sim.frames()), 1, 'one connection to the model at a time');
  assert.deepEqual(faults, []);
});

test('barge-in: speaking into an answer empties the player', async (t) => {
  // Somebody speaks every 3 s, and "slow" takes longer than that to answer.
  const { page, faults } = await stageOf(t, { before: 1.6, voice: 1.4, after: 0, loop: true });
  await page.click('#startAudioButton');
  await page.waitForFunction(() => window.stats.opened === 2);
  await type(page, 'slow');
  await page.getByText(/^one two/).waitFor();
  await page.waitForFunction(() => window.stats.endOfAudio > 0);
  assert.doesNotMatch(await page.getByText(/^one two/).textContent(), /ten/);
  await page.waitForFunction(() => window.stats.turns > 0);
  await page.getByText(/heard/i).first().waitFor();
  assert.equal((await stats(page)).closed, 0);
  assert.deepEqual(faults, []);
});
