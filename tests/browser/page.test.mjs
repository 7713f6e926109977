// The page in headless Chromium against the real server, with live-sim as the model.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import Ajv from 'ajv';
import { openPage, root, startBrowser, startServer, startSim, temporaryFolder, writeSpeech } from './lib/stage.mjs';

const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(path.join(root, 'schema/wire.schema.json'), 'utf8')));

// The fixtures of a whole describe() end with it.
const lifetime = () => {
  const work = [];
  return {
    after: (f) => work.push(f),
    end: async () => {
      while (work.length) await work.pop()();
    },
  };
};

async function ready(page) {
  await page.waitForSelector('#status[data-state="live"]');
}

async function type(page, text) {
  await page.fill('#message', text);
  await page.press('#message', 'Enter');
}

// The last answer is over and says what the pattern wants.
async function answered(page, pattern) {
  await page.waitForFunction(
    (source) => {
      const bubbles = [...document.querySelectorAll('.bubble.model')];
      const last = bubbles.at(-1);
      return last && !last.classList.contains('open') && new RegExp(source).test(last.textContent);
    },
    pattern.source,
  );
}

function json(payloads) {
  return payloads.filter((payload) => typeof payload === 'string').map((payload) => JSON.parse(payload));
}

function binary(payloads) {
  return payloads.filter((payload) => typeof payload !== 'string');
}

// Every frame of both directions is in the schema, turn and seq only rise, and nothing went wrong in the page.
function checkFrames({ sent, received, faults }) {
  for (const frame of [...json(sent), ...json(received)]) assert.ok(validate(frame), `${JSON.stringify(frame)}: ${JSON.stringify(validate.errors?.[0])}`);
  const hellos = json(received).filter(({ type: kind }) => kind === 'hello').length;
  if (hellos === 1) {
    const order = json(received).map(({ seq }) => seq);
    assert.deepEqual(order, [...order].sort((a, b) => a - b));
  }
  for (const frame of binary(received)) {
    assert.equal(frame[0], 1);
    assert.equal(frame[1], 1);
    assert.equal(frame.length % 2, 0);
  }
  assert.deepEqual(faults, []);
}

describe('the page', () => {
  const life = lifetime();
  let sim, server, browser;

  before(async () => {
    sim = await startSim(life);
    server = await startServer(life, { sim });
    browser = await startBrowser(life, { wav: writeSpeech(temporaryFolder(life)) });
  });
  after(() => life.end());

  test('a typed turn is answered in text and sound', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    assert.match(await page.title(), /Google search agent/);
    assert.ok(await page.locator('#welcome').isVisible());
    await type(page, 'good morning');
    await answered(page, /You said: good morning/);
    assert.equal(await page.locator('.bubble.user .text').last().textContent(), 'good morning');
    assert.ok(!(await page.locator('#welcome').isVisible()));
    await page.waitForFunction(() => document.getElementById('stop').hidden);
    const played = json(stage.sent).filter(({ type: kind }) => kind === 'played');
    assert.ok(played.length > 0 && played.at(-1).ms > 100, 'it was heard, and the server was told');
    assert.ok(binary(stage.received).length > 0, 'audio came as binary frames');
    assert.equal(stage.sockets.length, 1);
    checkFrames(stage);
  });

  test('a spoken turn is heard, written down and answered, on the same connection as typing', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    await type(page, 'first by hand');
    await answered(page, /first by hand/);
    await page.click('#mic');
    await page.waitForSelector('#mic[aria-pressed="true"]');
    await page.waitForSelector('.bubble.user.spoken:not(.partial)');
    await answered(page, /heard/i);
    await page.click('#mic');
    await page.waitForSelector('#mic[aria-pressed="false"]');
    await type(page, 'and by hand again');
    await answered(page, /and by hand again/);
    const roles = await page.locator('.bubble').evaluateAll((all) => all.map((bubble) => (bubble.classList.contains('user') ? 'user' : 'model')));
    assert.deepEqual(roles, ['user', 'model', 'user', 'model', 'user', 'model']);
    const audio = binary(stage.sent);
    assert.ok(audio.length > 20);
    for (const frame of audio.slice(0, -1)) assert.equal(frame.length, 1280, '40 ms at 16 kHz');
    assert.ok(json(stage.sent).some(({ type: kind }) => kind === 'audio_end'));
    assert.equal(stage.sockets.length, 1);
    checkFrames(stage);
  });

  test('speaking into an answer interrupts it', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    await type(page, 'slow');
    await page.waitForFunction(() => /two/.test(document.querySelector('.bubble.model .text')?.textContent ?? ''));
    await page.click('#mic');
    await page.waitForSelector('.bubble.model.interrupted');
    const cut = await page.locator('.bubble.model.interrupted .text').textContent();
    assert.doesNotMatch(cut, /ten/);
    await page.waitForSelector('.bubble.user.spoken');
    await answered(page, /heard/i);
    assert.equal(await page.locator('.bubble.model').count(), 2);
    const interrupted = json(stage.received).filter((frame) => frame.interrupted === true);
    assert.equal(interrupted.length, 1);
    checkFrames(stage);
  });

  test('the stop button and Escape end an answer at once', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    for (const [round, stop] of [() => page.click('#stop'), () => page.keyboard.press('Escape')].entries()) {
      await type(page, 'slow');
      await page.waitForFunction((n) => /two/.test(document.querySelectorAll('.bubble.model .text')[n]?.textContent ?? ''), round);
      assert.ok(await page.locator('#stop').isVisible());
      await stop();
      await page.waitForFunction((n) => document.querySelectorAll('.bubble.model.interrupted:not(.open)').length === n + 1, round);
      await page.waitForFunction(() => document.getElementById('stop').hidden);
    }
    await type(page, 'go on');
    await answered(page, /go on/);
    assert.equal(json(stage.sent).filter(({ type: kind }) => kind === 'stop').length, 2);
    checkFrames(stage);
  });

  test('a reload keeps the conversation, and the model still knows it', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    await type(page, 'my name is Ada');
    await answered(page, /my name is Ada/);
    const user = await page.evaluate(() => localStorage.getItem('antiphon.user'));
    assert.match(user, /^[0-9]{1,16}$/);
    await page.reload();
    await page.waitForSelector('.divider');
    const texts = await page.locator('.bubble .text').allTextContents();
    assert.equal(texts[0], 'my name is Ada');
    assert.match(texts[1], /You said: my name is Ada/);
    assert.equal(await page.evaluate(() => localStorage.getItem('antiphon.user')), user);
    await ready(page);
    await type(page, 'history');
    await answered(page, /my name is Ada/);
    checkFrames(stage);
  });

  test('sources and search suggestions are shown, the suggestions as they came', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    await type(page, 'search kittens');
    await page.waitForSelector('.sources a');
    const link = page.locator('.sources a').first();
    assert.match(await link.getAttribute('href'), /^https?:/);
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
    const frame = page.locator('iframe.suggestions');
    assert.equal(await frame.getAttribute('sandbox'), 'allow-popups allow-popups-to-escape-sandbox');
    const given = json(stage.received).find(({ type: kind }) => kind === 'grounding').grounding.searchEntryPoint.renderedContent;
    assert.ok((await frame.getAttribute('srcdoc')).endsWith(given));
    const chip = page.frameLocator('iframe.suggestions').locator('.chip').first();
    assert.equal(await chip.textContent(), 'kittens');
    assert.equal(await chip.evaluate((node) => getComputedStyle(node).borderRadius), '16px', 'with its own style');
    checkFrames(stage);
  });

  test('text is text: markup of user and model is not run', async (t) => {
    const stage = await openPage(t, browser, server.url);
    const { page } = stage;
    await ready(page);
    const text = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    await type(page, text);
    await answered(page, /onerror/);
    assert.equal(await page.locator('.bubble.user .text').last().textContent(), text);
    assert.equal(await page.locator('.bubble img, .bubble script').count(), 0);
    checkFrames(stage);
  });

  test('a second window takes the conversation over and gives it back', async (t) => {
    const one = await openPage(t, browser, server.url);
    await ready(one.page);
    await type(one.page, 'said in one');
    await answered(one.page, /said in one/);
    const two = await openPage(t, browser, server.url, { context: one.profile });
    await ready(two.page);
    await two.page.waitForSelector('.divider');
    await one.page.getByText('goes on in another window').waitFor();
    assert.ok(await one.page.locator('#send').isDisabled());
    await type(two.page, 'said in two');
    await answered(two.page, /said in two/);
    await one.page.getByRole('button', { name: 'Use this window' }).click();
    await one.page.getByText('goes on in another window').waitFor({ state: 'detached' });
    await one.page.getByText('said in two', { exact: true }).waitFor();
    await two.page.getByText('goes on in another window').waitFor();
    await one.page.close();
    await two.page.getByText('goes on in another window').waitFor({ state: 'detached' });
    await ready(two.page);
    await type(two.page, 'alone again');
    await answered(two.page, /alone again/);
    checkFrames(one);
    checkFrames(two);
  });

  test('it fits a phone and works by keyboard alone', async (t) => {
    const stage = await openPage(t, browser, server.url, { viewport: { width: 360, height: 640 }, colorScheme: 'dark' });
    const { page } = stage;
    await ready(page);
    await page.focus('#message');
    await page.keyboard.type('one line');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('another');
    await page.keyboard.press('Enter');
    await answered(page, /another/);
    assert.equal(await page.locator('.bubble.user .text').textContent(), 'one line\nanother');
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling');
    await page.focus('#message');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'mic');
    await page.keyboard.press('Space');
    await page.waitForSelector('#mic[aria-pressed="true"]');
    await page.keyboard.press('Space');
    await page.waitForSelector('#mic[aria-pressed="false"]');
    const unnamed = await page.locator('button:visible, select:visible, textarea:visible').evaluateAll((all) =>
      all.filter((node) => !(node.getAttribute('aria-label') || node.labels?.length || node.textContent.trim())).map((node) => node.outerHTML),
    );
    assert.deepEqual(unnamed, []);
    checkFrames(stage);
  });
});

test('an error of the model stays until it is dismissed, with code, cause and next step', async (t) => {
  const sim = await startSim(t, '--key', 'another');
  const server = await startServer(t, { sim });
  const stage = await openPage(t, await startBrowser(t), server.url);
  const { page } = stage;
  await page.waitForSelector('#status:not([data-state="connecting"])');
  await page.fill('#message', 'hello');
  await page.press('#message', 'Enter');
  const notice = page.locator('.notice.error').first();
  await notice.waitFor();
  assert.match(await notice.locator('.code').textContent(), /api_key_invalid/);
  assert.ok((await notice.locator('.cause').textContent()).length > 10);
  assert.ok((await notice.locator('.hint').textContent()).length > 10);
  assert.ok(!(await page.content()).includes('GOOGLE_API_KEY=k'));
  await page.fill('#message', 'still there?');
  assert.ok(await notice.isVisible());
  for (const close of await page.locator('.notice.error .close').all()) await close.click();
  assert.equal(await page.locator('.notice.error').count(), 0);
  checkFrames(stage);
});

test('when the server goes away the page says so, comes back by itself and keeps what was said', async (t) => {
  const sim = await startSim(t);
  const folder = temporaryFolder(t);
  const first = await startServer(t, { sim, folder });
  const stage = await openPage(t, await startBrowser(t), first.url);
  const { page } = stage;
  await ready(page);
  await type(page, 'remember me');
  await answered(page, /remember me/);
  await first.stop();
  await page.waitForSelector('#status[data-state="down"], #status[data-state="connecting"]');
  assert.ok(await page.locator('#send').isDisabled());
  await startServer(t, { sim, folder, port: new URL(first.url).port });
  await ready(page);
  await page.waitForSelector('.divider');
  await type(page, 'and now');
  await answered(page, /and now/);
  assert.deepEqual((await page.locator('.bubble.user .text').allTextContents()), ['remember me', 'and now']);
});

test('demo mode is said on the page, with the line that changes it', async (t) => {
  const server = await startServer(t, { args: ['--demo'], env: { GOOGLE_API_KEY: '' } });
  const { page } = await openPage(t, await startBrowser(t), server.url);
  await ready(page);
  assert.match(await page.locator('#demo').innerText(), /GOOGLE_API_KEY=/);
});

test('another agent can be chosen', async (t) => {
  const sim = await startSim(t);
  const server = await startServer(t, { sim });
  const stage = await openPage(t, await startBrowser(t), `${server.url}/?agent=companion`);
  const { page } = stage;
  await ready(page);
  assert.match(await page.title(), /Companion/);
  await page.selectOption('#agents', 'google_search_agent');
  await page.waitForURL(/agent=google_search_agent/);
  await ready(page);
  assert.match(await page.title(), /Google search agent/);
  checkFrames(stage);
});

test('static files hold no inline script or style and nothing from elsewhere', () => {
  const folder = path.join(root, 'static');
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!/\.(html|js|css|svg)$/.test(name)) continue;
    const text = readFileSync(path.join(folder, name), 'utf8');
    if (name.endsWith('.html')) assert.doesNotMatch(text, /<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=/, name);
    assert.doesNotMatch(text, /(src|href)="(https?:)?\/\//, name);
    assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/, name);
  }
});
