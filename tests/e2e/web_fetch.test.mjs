// web_fetch in a conversation: a page of a real HTTP server on this machine, read where the settings allow it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { startTools } from './lib/tools.mjs';

async function startSite(t) {
  const asked = [];
  const pages = {
    '/robots.txt': ['text/plain', 'User-agent: *\nDisallow: /private'],
    '/page': ['text/html; charset=euc-kr',
      Buffer.concat([Buffer.from('<title>Page</title><nav>Menu</nav><main><h1>'), Buffer.from([0xc7, 0xd1, 0xb1, 0xdb]),
        Buffer.from('</h1><p>Text <a href="next">more</a></main>')])],
    '/file.pdf': ['application/pdf', '%PDF-1.4'],
    '/big': ['text/html', 'x'.repeat(70000)],
  };
  const server = http.createServer((request, response) => {
    asked.push(request.url);
    if (request.url === '/moved') return response.writeHead(302, { Location: '/page' }).end();
    if (request.url === '/never') return undefined;
    const page = pages[request.url];
    if (!page) return response.writeHead(404).end();
    return response.writeHead(200, { 'Content-Type': page[0] }).end(page[1]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

test('a page of this machine, where it is allowed', async (t) => {
  const site = await startSite(t);
  const talk = await startTools(t, {
    tools: ['web_fetch'],
    settings: 'plugins:\n  web_fetch:\n    allow_private: true\n    max_bytes: 65536\n    timeout_ms: 1000\n',
  });
  assert.deepEqual(await talk.call('web_fetch', { url: `${site.url}/moved` }), {
    url: `${site.url}/page`, title: 'Page', text: '# 한글\n\nText more',
    links: [{ text: 'more', url: `${site.url}/next` }],
  });
  assert.deepEqual(site.asked, ['/robots.txt', '/moved', '/page']);
  assert.match((await talk.call('web_fetch', { url: `${site.url}/file.pdf` })).error, /PDF document/);
  assert.match((await talk.call('web_fetch', { url: `${site.url}/private/x` })).error, /robots\.txt does not allow/);
  assert.match((await talk.call('web_fetch', { url: `${site.url}/none` })).error, /404/);
  assert.match((await talk.call('web_fetch', { url: `${site.url}/big` })).error, /larger than 65536 bytes/);
  assert.match((await talk.call('web_fetch', { url: `${site.url}/never` })).error, /did not answer in time/);
  assert.ok(!site.asked.includes('/private/x'));
  await talk.end();
});

test('no page of this machine otherwise', async (t) => {
  const site = await startSite(t);
  const talk = await startTools(t, { tools: ['web_fetch'] });
  for (const url of [`${site.url}/page`, site.url.replace('127.0.0.1', 'localhost'), site.url.replace('127.0.0.1', '2130706433')])
    assert.match((await talk.call('web_fetch', { url })).error, /private network|cannot be reached/);
  assert.deepEqual(site.asked, []);
  await talk.end();
});
