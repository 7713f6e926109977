// home with a stand-in for Home Assistant that follows its REST API as documented: states, one state, services.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { test } from 'node:test';
import { Browser } from './lib/browser.mjs';
import { startTools } from './lib/tools.mjs';

const TOKEN = 'SECRET-HOUSE-TOKEN';

async function startHouse(t) {
  const house = { states: { 'light.kitchen': 'off', 'lock.door': 'locked' }, asked: [] };
  const entity = (id) => ({ entity_id: id, state: house.states[id], attributes: { friendly_name: id.split('.')[1] } });
  const after = { turn_on: 'on', turn_off: 'off', unlock: 'unlocked' };
  const server = http.createServer(async (request, response) => {
    const answer = (status, body) => response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return answer(401, {});
    let body = '';
    for await (const part of request) body += part;
    house.asked.push(`${request.method} ${request.url}`);
    const [, api, what, first, second] = request.url.split('/');
    if (api !== 'api') return answer(404, {});
    if (what === 'states' && !first) return answer(200, Object.keys(house.states).map(entity));
    if (what === 'states') return house.states[first] ? answer(200, entity(first)) : answer(404, { message: 'Entity not found.' });
    if (what !== 'services' || request.method !== 'POST' || !after[second]) return answer(400, {});
    const { entity_id: id } = JSON.parse(body);
    house.states[id] = after[second];
    return answer(200, [entity(id)]);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  house.url = `http://127.0.0.1:${server.address().port}`;
  return house;
}

const tools = ['home_list', 'home_state', 'home_call'];
const start = (t, house, scenario) => startTools(t, {
  tools, scenario, settings: 'plugins:\n  home: {}\n', env: { HOME_ASSISTANT_URL: house.url, HOME_ASSISTANT_TOKEN: TOKEN },
});

test('a lamp, and a door that the page cannot be asked about', async (t) => {
  const house = await startHouse(t);
  const talk = await start(t, house);
  assert.deepEqual((await talk.call('home_list')).devices, [
    { entity_id: 'light.kitchen', name: 'kitchen', state: 'off' }, { entity_id: 'lock.door', name: 'door', state: 'locked' }]);
  assert.deepEqual(await talk.call('home_call', { entity_id: 'light.kitchen', service: 'turn_on' }), { done: true, state: 'on' });
  assert.equal((await talk.call('home_state', { entity_id: 'light.kitchen' })).state, 'on');
  assert.match((await talk.call('home_state', { entity_id: 'light.none' })).error, /no such device/);
  assert.match((await talk.call('home_call', { entity_id: 'light.kitchen', service: 'sing' })).error, /no such service/);
  assert.ok((await talk.call('home_call', { entity_id: 'lock.door', service: 'unlock' })).error);
  assert.equal(house.states['lock.door'], 'locked');
  await talk.end();
  assert.ok(!talk.server.err.includes(TOKEN));
  assert.ok(!readFileSync(talk.place.database, 'latin1').includes(TOKEN));
});

for (const allow of [true, false])
  test(`a door, and the owner says ${allow ? 'yes' : 'no'}`, async (t) => {
    const house = await startHouse(t);
    const talk = await start(t, house);
    const page = await Browser.open(talk.server, '/ws/2?is_audio=false', { protocols: ['antiphon.v1'] });
    page.text('tool home_call {"entity_id": "lock.door", "service": "unlock"}');
    const { confirm } = (await page.until((frame) => frame.confirm)).at(-1);
    assert.equal(confirm.tool, 'home_call');
    assert.deepEqual(confirm.args, { entity_id: 'lock.door', service: 'unlock' });
    assert.ok(!house.asked.some((one) => one.startsWith('POST')));
    page.send(JSON.stringify({ type: 'confirm', nonce: confirm.nonce, allow }));
    await page.until((frame) => frame.turn_complete);
    assert.equal(house.states['lock.door'], allow ? 'unlocked' : 'locked');
    page.close();
    await page.closed();
    await talk.end();
  });

test('a lamp that was switched is put back when the model takes its call back', async (t) => {
  const house = await startHouse(t);
  const rule = (match, ...doing) => `  - on: text\n    match: "^${match}$"\n    do: [${doing.join(', ')}]\n`;
  const send = (message) => `{send: ${JSON.stringify(message)}}`;
  const args = { entity_id: 'light.kitchen', service: 'turn_on' };
  const talk = await start(t, house, `rules:\n${
    rule('light', send({ toolCall: { functionCalls: [{ id: 'on', name: 'home_call', args }] } }))}${
    rule('no', send({ toolCallCancellation: { ids: ['on'] } }), '{wait: 50}', '{say: Taken back.}')}`);
  const page = await Browser.open(talk.server, '/ws/3?is_audio=false', { protocols: ['antiphon.v1'] });
  const state = (wanted) => (frame) => frame.tool?.state === wanted;
  page.text('light');
  await page.until(state('done'));
  assert.equal(house.states['light.kitchen'], 'on');
  page.text('no');
  await page.until(state('undone'));
  assert.equal(house.states['light.kitchen'], 'off');
  page.close();
  await page.closed();
  await talk.end();
});
