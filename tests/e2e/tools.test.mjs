// The life of a tool call, end to end: what the model is told, what the page sees, what is in the journal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { said, simulate } from './lib/faults.mjs';
import { answered, goesOn, makeHome, responses, startTools, until, waits, withTools } from './lib/tool_life.mjs';

const toolState = (name, state) => (frame) => frame.tool?.name === name && frame.tool.state === state;
const send = (message) => `{send: ${JSON.stringify(message)}}`;
const calls = (...list) => send({ toolCall: { functionCalls: list } });
// Waits until the model has said it.
const hears = (client, text) => until(() => said(client.frames).includes(text), () => client.tail(0));
const onText = (match, ...doing) => `  - on: text\n    match: "^${match}$"\n    do: [${doing.join(', ')}]\n`;

test('calls of one message run side by side and are answered together, in order, where the model waits', async (t) => {
  const { sim, server } = await withTools(t, { model: waits });
  const client = await server.client('v1');
  client.text('tool nap {"gate":"both"} tally {} nap {"gate":"both"}');
  await until(() => server.log().filter((line) => line.startsWith('nap run')).length === 2, () => server.log().join('\n'));
  assert.ok(!server.log().includes('nap done'), 'both run before one is done');
  server.open('both');
  await client.next((frame) => frame.turn_complete);
  const [batch, ...more] = await responses(sim);
  assert.deepEqual(more, []);
  assert.deepEqual(batch.map(({ name, response }) => [name, response]),
    [['nap', { result: 'rested' }], ['tally', { tally: 1 }], ['nap', { result: 'rested' }]]);
});

test('and each by itself where it goes on', async (t) => {
  const { sim, server } = await withTools(t, { model: goesOn });
  const client = await server.client('v1');
  client.text('tool background {"gate":"background"} tally {}');
  await answered(sim, 1);
  client.text('how are you');
  await hears(client, 'You said: how are you');
  assert.equal((await responses(sim)).length, 1, 'the talk goes on while the tool runs');
  server.open('background');
  await answered(sim, 2);
  await client.next(toolState('background', 'done'));
  const sent = await responses(sim);
  assert.deepEqual(sent.map((batch) => batch.map(({ name }) => name)), [['tally'], ['background']]);
  assert.equal(sent[1][0].scheduling, 'INTERRUPT');
  assert.equal(sent[0][0].scheduling, undefined);
  const [{ setup }] = await sim.sent();
  const declared = Object.fromEntries(setup.tools[0].functionDeclarations.map(({ name, behavior }) => [name, behavior]));
  assert.equal(declared.background, 'NON_BLOCKING');
  assert.equal(declared.tally, undefined);
});

for (const model of [waits, goesOn]) {
  test(`${model}: a call that is taken back stops, and is not answered`, async (t) => {
    const { sim, server } = await withTools(t, { model });
    const client = await server.client('v1');
    client.text('cancel nap {"ms":9000}');
    await client.next(toolState('nap', 'cancelled'));
    await server.untilJournal(([row]) => row.state === 'cancelled' && row.reason === 'taken_back');
    await client.next((frame) => frame.turn_complete);
    client.text('hello');
    await hears(client, 'You said: hello'); // the talk goes on
    assert.deepEqual(await responses(sim), []);
    assert.ok(!server.log().includes('nap done'));
  });

  test(`${model}: of two calls one is taken back`, async (t) => {
    const { sim, server } = await withTools(t, { model }, `rules:\n${onText('two',
      calls({ id: 'one', name: 'book', args: { gate: 'one', stubborn: true } }, { id: 'two', name: 'nap', args: { gate: 'two' } }),
      '{wait: 100}', send({ toolCallCancellation: { ids: ['one'] } }))}`);
    const client = await server.client('v1');
    client.text('two');
    await server.untilJournal((rows) => rows[0]?.state === 'cancelled');
    server.open('one');
    await server.untilJournal((rows) => rows[0].state === 'undone');
    server.open('two');
    await answered(sim, 1);
    await server.untilJournal((rows) => rows[0].state === 'undone' && rows[1].state === 'done');
    assert.deepEqual((await responses(sim)).flat().map(({ id, response }) => [id, response]), [['two', { result: 'rested' }]]);
  });

  test(`${model}: what was booked is undone when it is taken back 50 ms later`, async (t) => {
    const { sim, server } = await withTools(t, { model }, `rules:\n${onText('book it',
      calls({ id: 'b-1', name: 'book', args: { ms: 0 } }))}${onText('no',
      send({ toolCallCancellation: { ids: ['b-1'] } }), '{wait: 50}', '{say: Sorry.}')}`);
    const client = await server.client('v1');
    client.text('book it');
    await answered(sim, 1);
    await client.next(toolState('book', 'done'));
    client.text('no');
    await client.next(toolState('book', 'undone'));
    await server.untilLog('book undo {"booking":1}');
    await server.untilJournal(([row]) => row.state === 'undone');
    const [row] = server.journal();
    assert.equal(row.receipt, '{"booking":1}');
    assert.equal(row.result, '{"booked":true}');
    client.text('hello');
    await hears(client, 'You said: hello'); // the talk goes on
  });
}

test('speaking into it: what the model takes back is cancelled, and undone if that was too late', async (t) => {
  const { sim, server } = await withTools(t, { model: waits });
  const client = await server.client('v1');
  client.text('tool book {"gate":"late","stubborn":true}');
  await client.next(toolState('book', 'running'));
  await server.untilLog('book run {"gate":"late","stubborn":true}');
  client.text('stop that'); // cancels what a model waits for
  await client.next(toolState('book', 'cancelled'));
  server.open('late');
  await client.next(toolState('book', 'undone'));
  await hears(client, 'You said: stop that');
  assert.deepEqual(await responses(sim), []);
  await server.untilJournal(([row]) => row.state === 'undone');
});

test('a barge-in by our own policy: answered with the reason, and keep goes on', async (t) => {
  const { sim, server } = await withTools(t, { model: goesOn }, `rules:\n${onText('go',
    calls({ id: 'n', name: 'nap', args: { ms: 9000 } }, { id: 'k', name: 'keep', args: { ms: 300 } }), '{wait: 100}',
    send({ serverContent: { interrupted: true } }), send({ serverContent: { turnComplete: true } }))}`);
  const client = await server.client('v1');
  client.text('go');
  await answered(sim, 2);
  const sent = Object.fromEntries((await responses(sim)).flat().map(({ id, response }) => [id, response]));
  assert.match(sent.n.error, /because the user interrupted/);
  assert.deepEqual(sent.k, { result: 'rested' });
});

test('a tool that sleeps for a minute is answered at its deadline of two seconds, and sound flows meanwhile', async (t) => {
  const { sim, server } = await withTools(t, { model: goesOn, policies: '{stuck: {deadline_ms: 2000}}' });
  const client = await server.client('v1', { audio: true });
  const other = await server.client('v1', { audio: true });
  client.text('tool stuck {"ms":60000}');
  await client.next(toolState('stuck', 'running'));
  const from = Date.now();
  for (const one of [client, other]) {
    one.text('slow');
    await one.next((frame) => frame.type === 'audio');
  }
  assert.ok(Date.now() - from < 1500, 'audio came before the deadline');
  assert.deepEqual(await responses(sim), [], 'and before the answer');
  const frames = await answered(sim, 1);
  const asked = frames.find((frame) => frame.dir === 'in' && /"toolCall"/.test(frame.data));
  const told = frames.find((frame) => frame.dir === 'out' && frame.type === 'text' && frame.data.startsWith('{"toolResponse"'));
  assert.ok(told.t - asked.t >= 1950 && told.t - asked.t < 3500, `${told.t - asked.t} ms`);
  assert.match((await responses(sim))[0][0].response.error, /did not finish in time/);
  await server.untilJournal(([row]) => row.state === 'failed' && row.reason === 'deadline');
});

test('the same id by three ways runs once, and is answered once on each connection', async (t) => {
  const one = { id: 'fc-7', name: 'tally', args: {} };
  const { sim, server } = await withTools(t, { model: goesOn }, `rules:
${onText('once', send({ serverContent: { modelTurn: { parts: [{ functionCall: one }] } } }), calls(one), '{wait: 300}', calls(one),
    '{say: Done.}')}
  - {on: turn_complete, connection: 1, do: [reset]}
  - on: setup
    connection: 2
    do: [{send: {setupComplete: {}}}, ${calls(one)}, ${calls(one)}]
`);
  const client = await server.client('v1');
  client.text('once');
  await client.next((frame) => frame.turn_complete);
  await sim.until((frames) => frames.some((frame) => frame.conn === 2 && frame.data.includes?.('"toolResponse"')));
  const setups = (await sim.sent()).filter((message) => message.setup);
  assert.match(setups[1].setup.sessionResumption.handle, /^handle-/);
  const [first, second] = [await responses(sim, 1), await responses(sim, 2)];
  const { id, name } = one;
  assert.deepEqual(first, [[{ id, name, response: { tally: 1 } }]]);
  assert.deepEqual(second, [[{ id, name, response: { tally: 1 } }]]);
  assert.deepEqual(server.log(), ['tally run {}', 'tally done']);
  assert.equal(server.journal().length, 1);
});

test('whatever goes wrong is a result for the model, and the talk goes on', async (t) => {
  const { sim, server } = await withTools(t, { model: waits });
  const client = await server.client('v1');
  client.text('tool nosuch {} nap {"ms":"long"} boom {"city":"Oslo"} huge {} not_json {} get_time {}');
  await client.next((frame) => frame.turn_complete);
  const [batch] = await responses(sim);
  for (const { name, response } of batch) assert.equal(typeof response.error, 'string', name);
  const said = batch.map(({ response }) => response.error);
  assert.match(said[0], /no tool with that name is available/);
  assert.match(said[1], /not valid/);
  assert.match(said[2], /boom in Oslo/);
  assert.match(said[3], /larger than 1 MiB|at most/);
  assert.match(said[4], /cannot be read/);
  assert.match(said[5], /mandatory input parameters are not present:\ncity/);
  client.text('hello');
  await hears(client, 'You said: hello'); // the talk goes on
  assert.deepEqual(server.journal().map(({ state, reason }) => `${state} ${reason}`),
    ['failed unknown', 'failed arguments', 'failed error', 'failed error', 'failed error', 'failed arguments']);
});

test('a kill: what ran is marked, what only reads runs again, the model is told', async (t) => {
  const sim = await simulate();
  t.after(() => sim.stop());
  const home = makeHome(t, { model: waits });
  const first = await startTools(t, home, sim);
  const client = await first.client('v1', { user: 7 });
  client.text('tool stuck {"ms":60000} nap {"ms":700} tally {}');
  await first.untilJournal((rows) => rows.length === 3 && rows[2].state === 'done' && rows.every((row) => row.started_time));
  first.child.kill('SIGKILL');
  await first.exited;
  client.socket.terminate();

  const second = await startTools(t, home, sim);
  t.after(() => second.stop());
  assert.deepEqual(second.journal().map(({ tool, state, reason }) => [tool, state, reason]),
    [['stuck', 'failed', 'interrupted'], ['nap', 'failed', 'interrupted'], ['tally', 'done', null]]);
  const back = await second.client('v1', { user: 7 });
  assert.match(await back.ask('hello again'), /You said: hello again/);
  await second.untilJournal((rows) => rows[1].state === 'done');
  const [stuck, nap] = second.journal();
  assert.equal(stuck.state, 'failed');
  assert.match(stuck.result, /Whether it has had an effect is not known/);
  assert.equal(nap.result, '{"result":"rested"}');
  assert.equal(second.log().filter((line) => line.startsWith('nap run')).length, 2);
  assert.equal(second.log().filter((line) => line.startsWith('stuck run')).length, 1);
  const told = JSON.stringify((await sim.sent()).filter((message) => message.clientContent));
  assert.match(told, /Whether it has had an effect is not known/);
  assert.match(told, /rested/);
  await back.leave();
});

test('tools in a process of their own live by the same rules', async (t) => {
  const { sim, server } = await withTools(t, { model: goesOn, isolation: 'process' }, `rules:\n${onText('book it',
    calls({ id: 'b-1', name: 'book', args: { ms: 0 } }, { id: 'n-1', name: 'nap', args: { ms: 9000 } }, { id: 'p-1', name: 'transfer', args: { amount: 500 } }))}${onText('no',
    send({ toolCallCancellation: { ids: ['b-1', 'n-1'] } }))}`);
  const client = await server.client('v1');
  client.text('book it');
  const { confirm } = await client.next((frame) => frame.confirm);
  assert.equal(confirm.question, 'Really so much?');
  client.send({ type: 'confirm', nonce: confirm.nonce, allow: true });
  await client.next(toolState('transfer', 'done'));
  await answered(sim, 2);
  client.text('no');
  await client.next(toolState('nap', 'cancelled'));
  await server.untilJournal((rows) => rows.map(({ state }) => state).join() === 'undone,cancelled,done');
  assert.deepEqual((await responses(sim)).flat().map(({ id }) => id).sort(), ['b-1', 'p-1']);
});

test('policies of the agent', async (t) => {
  const { sim, server } = await withTools(t, { model: waits, policies: '{tally: {calls_per_turn: 1}, transfer: {confirm: never}, nap: {confirm: always}}' });
  const client = await server.client('v1');
  client.text('tool tally {} tally {} transfer {"amount":500}');
  await client.next((frame) => frame.turn_complete);
  const [[one, two, three]] = await responses(sim);
  assert.deepEqual(one.response, { tally: 1 });
  assert.match(two.response.error, /may be called 1 time in one turn/);
  assert.deepEqual(three.response, { transferred: true });
  client.text('tool nap {"ms":1}');
  const { confirm } = await client.next((frame) => frame.confirm);
  assert.deepEqual(confirm.args, { ms: 1 });
  client.send({ type: 'confirm', nonce: confirm.nonce, allow: true });
  await client.next(toolState('nap', 'done'));
});

test('the sample cannot be asked, and its model is told so', async (t) => {
  const { sim, server } = await withTools(t, { model: waits });
  const client = await server.client('sample');
  client.text('tool pay {"amount":5}');
  await client.next((frame) => frame.turn_complete);
  assert.match((await responses(sim))[0][0].response.error, /no way to ask/);
  assert.ok(!client.frames.some((frame) => frame.confirm || frame.tool));
  assert.deepEqual(server.log(), []);
});

test('a secret reaches the tool and nobody else', async (t) => {
  const { server } = await withTools(t, { model: waits });
  const client = await server.client('v1');
  client.text('tool pay {"amount":5,"pin":"pin-9271"}');
  const { confirm } = await client.next((frame) => frame.confirm);
  assert.deepEqual(confirm.args, { amount: 5, pin: '(secret)' });
  client.send({ type: 'confirm', nonce: confirm.nonce, allow: true });
  await client.next(toolState('pay', 'done'));
  await server.untilJournal(([row]) => row.state === 'done');
  assert.ok(server.log().includes('pay run {"amount":5,"pin":"pin-9271"}'));
  assert.doesNotMatch(JSON.stringify(server.journal()), /9271/);
  assert.doesNotMatch(server.err, /9271/);
  assert.ok(!client.raw.some((text) => /"(confirm|tool)":/.test(text) && text.includes('9271')));
});
