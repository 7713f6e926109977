// Every plugin that is shipped: it works in a process of its own, and its README and manifest are complete.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { build, root, run } from './lib/faults.mjs';
import { startEverything } from './lib/mcp_server.mjs';
import { startTools } from './lib/tools.mjs';

const shipped = ['calculator', 'clock', 'google_search', 'guard', 'home', 'mcp', 'notes', 'web_fetch'];

async function startSite(t) {
  const server = http.createServer((request, response) => {
    if (request.url === '/api/states')
      return response.writeHead(200, { 'Content-Type': 'application/json' })
        .end(JSON.stringify([{ entity_id: 'light.hall', state: 'on', attributes: { friendly_name: 'Hall' } }]));
    if (request.url === '/page')
      return response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end('<title>T</title><p>안녕</p>');
    return response.writeHead(404).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

test('each works in a process of its own', { timeout: 240000 }, async (t) => {
  const site = await startSite(t);
  const everything = await startEverything(t);
  const plugins = {
    calculator: {}, clock: { time_zone: 'Asia/Seoul' }, google_search: { mode: 'function' },
    guard: { rules: [{ name: 'hide', at: ['after_tool'], tools: ['calculator'], pattern: '^42$', action: 'rewrite', replacement: 'much' }] },
    home: { url: site, token: 'T' },
    mcp: { servers: [{ name: 'ev', url: everything.url, allow_private: true }] },
    notes: {}, web_fetch: { allow_private: true },
  };
  const settings = `plugins:\n${Object.entries(plugins)
    .map(([name, one]) => `  ${name}: ${JSON.stringify({ ...one, isolation: 'process' })}\n`).join('')}`;
  const talk = await startTools(t, {
    tools: ['calculator', 'clock', 'google_search', 'home_list', 'ev_echo', 'notes', 'remember', 'web_fetch'], settings,
  });
  assert.deepEqual(await talk.call('calculator', { expression: '6*7' }), { result: 'much' }); // by the guard
  assert.equal((await talk.call('clock')).time_zone, 'Asia/Seoul');
  assert.equal((await talk.call('google_search', { query: 'kittens' })).answer, 'You asked: kittens');
  assert.equal((await talk.call('home_list')).devices[0].entity_id, 'light.hall');
  assert.deepEqual(await talk.call('ev_echo', { message: '한글' }), { text: 'Echo: 한글' });
  await talk.call('remember', { text: '비' });
  assert.equal((await talk.call('notes')).notes[0].text, '비');
  assert.equal((await talk.call('web_fetch', { url: `${site}/page` })).text, '안녕');
  for (const name of shipped)
    assert.match(talk.server.err, new RegExp(`${name}: version \\S+ is offered to new conversations, from process`));
  await talk.end();
});

const inspect = async (name) => JSON.parse((await run(['plugin', 'inspect', '--json', path.join(build, 'plugins', `${name}.so`)])).out);

// Names of all settings, those in objects and lists as well.
function settingsOf(schema) {
  if (!schema) return [];
  return [...Object.entries(schema.properties ?? {}).flatMap(([name, one]) => [name, ...settingsOf(one)]), ...settingsOf(schema.items)];
}

for (const name of shipped)
  test(`${name}: its README tells every tool and setting, and its manifest is whole`, async () => {
    const described = await inspect(name);
    const manifest = described.manifest ?? described;
    const readme = readFileSync(path.join(root, 'plugins', name, 'README.md'), 'utf8');
    assert.ok(manifest.version && manifest.description && manifest.licence);
    for (const tool of manifest.tools ?? []) {
      assert.ok(readme.includes(`\`${tool.name}\``) || readme.includes(`- name: ${tool.name}\n`), `tool ${tool.name}`);
      assert.ok(tool.description.length > 10);
    }
    for (const key of settingsOf(manifest.config))
      assert.ok(readme.includes(`\`${key}\``) || new RegExp(`^[ -]*${key}:`, 'm').test(readme), `setting ${key}`);
    assert.match(readme, /```yaml\n/);
    assert.match(readFileSync(path.join(root, 'README.md'), 'utf8'), new RegExp(`\\(plugins/${name}\\)`));
  });
