// What this server does otherwise than the recorded one, on purpose. Each rule finds the recorded behaviour in a recording
// (its counter-example), and puts in its place what must happen instead; `recorded` is the number of the observation in
// tests/fixtures/wire/README.md. A rule that finds nothing in any recording fails the run.
import {
  answer, errorFrame, frame, gone, insert, interrupted, isClient, isTurnFrame, isTyped, opened, parsed, remove, replace,
  say, setupOf, textFrame, turnComplete, typed, upstreamEnds,
} from './script.mjs';

const first = (events, fits, from = 0) => events.findIndex((event, i) => i >= from && fits(event));
const last = (events, fits) => events.findLastIndex(fits);
const named = (pattern) => ({ name }) => pattern.test(name);

const isUp = (dir, type) => (event) => event.link === 'upstream' && event.dir === dir && (!type || event.type === type);
const isFrame = isClient('out', 'text');
const isTool = (name) => (event) => isUp('out', 'text')(event) && parsed(event).tool_response &&
  (!name || parsed(event).tool_response.functionResponses.some((response) => response.name === name));
const onConn = (conn) => (event) => event.conn === conn;

// The error in an error frame: code as given, a sentence, a next step.
const error = (...codes) => errorFrame((body) => (codes.includes(body.code) ? undefined : `code is not ${codes}`));
const cannotGoOn = (conn, ...codes) => [error(...codes)(conn), frame(conn, (got) =>
  (got.mime_type === 'text/plain' && !got.is_transcript && got.data.length > 20 ? undefined : 'no sentence for the person')),
frame(conn, turnComplete)];

const isReady = (conn) => (event) => isUp('in', 'binary')(event) && event.conn === conn && parsed(event).setupComplete;

// What the client has got of the last turn that has no end.
function said(events, conn) {
  const frames = events.filter((event) => isFrame(event) && event.conn === conn);
  return frames.slice(frames.findLastIndex(isTurnFrame) + 1).map(parsed)
    .filter((got) => got.mime_type === 'text/plain').map((got) => got.data).join('');
}

// What the model is told of a talk when it is connected afresh.
const history = (conn, ...turns) => ({
  link: 'upstream', conn, dir: 'out', type: 'text',
  data: { clientContent: { turns: turns.map(([role, text]) => ({ role, parts: [{ text }] })), turnComplete: false } },
});

// ---- frames to the client

const repeated = {
  recorded: 'R1',
  why: 'The transcript is sent once, as it comes; the recorded server sent the whole of it again at the end.',
  mend: (events) => withoutRepeats(events, (next) => next.turn_complete),
};

const repeatedInterrupted = {
  recorded: 'R3',
  why: 'The transcript so far is not repeated before an interruption; interrupted first, then turn_complete, is kept.',
  mend: (events) => withoutRepeats(events, (next) => next.interrupted),
};

function withoutRepeats(events, before) {
  const so_far = new Map();
  const drop = new Set();
  events.forEach((event, i) => {
    if (!isFrame(event)) return;
    const { data, is_transcript, ...rest } = parsed(event);
    const text = so_far.get(event.conn) ?? [];
    if (!is_transcript) {
      if ('turn_complete' in rest) so_far.set(event.conn, []);
      return;
    }
    const next = events.slice(i + 1).find((other) => isFrame(other) && other.conn === event.conn);
    if (text.length && text.join('') === data && next && before(parsed(next))) drop.add(event);
    so_far.set(event.conn, [...text, data]);
  });
  return drop.size ? events.filter((event) => !drop.has(event)) : events;
}

const thoughts = {
  recorded: 'R4',
  why: 'What the model thinks to itself is not shown.',
  mend(events) {
    const secrets = events.filter(isUp('in', 'binary')).flatMap((event) => parsed(event).serverContent?.modelTurn?.parts ?? [])
      .filter((part) => part.thought).map((part) => part.text);
    return remove(events, (event) => isFrame(event) && secrets.includes(parsed(event).data));
  },
};

// The message that has text parts, a transcript and the end of the turn at once; the part with this index, before the
// transcript.
function showPart(events, scenario, index) {
  const at = first(events, (event) => isUp('in', 'binary')(event) && parsed(event).serverContent?.turnComplete &&
    parsed(event).serverContent.modelTurn);
  if (at < 0) return events;
  const transcript = first(events, (event) => isFrame(event) && parsed(event).is_transcript, at);
  return insert(events, transcript, [textFrame(scenario, 1, parsed(events[at]).serverContent.modelTurn.parts[index].text)]);
}

const withTurnComplete = {
  recorded: 'R5',
  why: 'Text in the message that ends the turn reaches the client, before the end; the recorded server lost it.',
  mend: (events, scenario) => showPart(events, scenario, 0),
};

const everyPart = {
  recorded: 'R6',
  why: 'Every part of a message is looked at, not the first alone.',
  mend: (events, scenario) => showPart(events, scenario, 1),
};

const deflate = {
  recorded: 'R13',
  why: 'Compression is not agreed to, though the client offers it.',
  mend: (events) => replace(events, (event) => isClient('out', 'open')(event) &&
    event.data.headers.some(([name]) => name === 'Sec-WebSocket-Extensions'), (event) => ({
    ...event,
    data: { ...event.data, headers: event.data.headers.filter(([name]) => name !== 'Sec-WebSocket-Extensions') },
  })),
};

const noDeflateUpstream = {
  recorded: 'R13',
  why: 'Nor is compression offered to the model.',
  mend: (events) => replace(events, isUp('out', 'open'), (event) => ({
    ...event,
    data: { ...event.data, headers: event.data.headers.filter(([name]) => name !== 'Sec-WebSocket-Extensions') },
  })),
};

// ---- bad input

const badCodes = {
  'bad-array': 'bad_frame',
  'bad-base64': 'bad_data',
  'bad-binary-frame': 'bad_frame',
  'bad-data-number': 'bad_data',
  'bad-json': 'bad_json',
  'bad-mime': 'bad_mime',
  'bad-missing-data': 'bad_data',
  'bad-missing-mime': 'bad_frame',
};

const badFrame = {
  recorded: 'R9',
  why: 'A bad frame is answered with an error, and reading goes on: the next text is answered, the close too.',
  applies: named(/^bad-/),
  mend(events, scenario) {
    const bad = first(events, turnFrameIs(turnComplete)) + 1;
    const text = bad + 1;
    const close = first(events, isClient('in', 'close'));
    const deaf = !events.some(isClient('out', 'close')) && isTyped(events[text]) && close === text + 1;
    if (!deaf) return events;
    return [
      ...events.slice(0, text), error(badCodes[scenario.name])(1), events[text], typed(scenario, 1, parsed(events[text]).data),
      ...answer(scenario, 1, 1, 'You said: hello'), ...events.slice(close),
      { link: 'client', conn: 1, dir: 'out', type: 'close', data: { code: 1000 } },
    ];
  },
};

function turnFrameIs(kind) {
  return (event) => isTurnFrame(event) && parsed(event).turn_complete === kind.turn_complete;
}

const junk = {
  recorded: 'R10',
  why: 'Base64 with characters that are not of either alphabet is refused, not guessed at.',
  applies: named(/^base64-with-junk$/),
  mend(events) {
    const at = first(events, (event) => isUp('out', 'text')(event) && parsed(event).realtime_input);
    return [...events.slice(0, at), error('bad_data')(1), ...events.slice(at + 1)];
  },
};

const userIds = {
  recorded: 'R11',
  why: 'A user id is a decimal integer; what only Python reads as one (blanks, underscores) is refused like letters.',
  applies: named(/^ws-refused$/),
  mend(events) {
    const odd = events.filter((event) => isClient('in', 'open')(event) && /^\/ws\/[^?]*(%20|_)/.test(event.data.path));
    const conns = odd.map((event) => event.conn);
    const ups = events.filter((event, i) => isUp('out', 'open')(event) &&
      conns.includes(events.slice(0, i).findLast(isClient('in', 'open')).conn)).map((event) => event.conn);
    const kept = events.filter((event) => !(event.link === 'client' && conns.includes(event.conn)) &&
      !(event.link === 'upstream' && ups.includes(event.conn)));
    const refused = events.find((event) => isClient('out', 'http')(event)).data;
    return odd.reduce((list, { conn, data }) => [...list,
      { link: 'client', conn, dir: 'in', type: 'http', data: { method: 'GET', path: data.path, upgrade: 'websocket' } },
      { link: 'client', conn, dir: 'out', type: 'http', data: refused }], kept);
  },
};

const origin = {
  recorded: 'R12',
  why: 'A page of another site may not connect.',
  applies: named(/^origin-foreign$/),
  mend(events) {
    // The recorder left out the header it sent; the first socket is the foreign one, the second had none.
    const [open] = events.filter(isClient('in', 'open'));
    const rest = events.filter((event) => event.conn !== 1).map((event) =>
      (event.link === 'upstream' ? { ...event, conn: event.conn - 1 } : event));
    return [
      { ...open, data: { ...open.data, headers: { Origin: 'http://other.example' } } },
      { link: 'client', conn: 1, dir: 'out', type: 'http', data: { status: 403, headers: [] } }, ...rest,
    ];
  },
};

const generatedPages = {
  recorded: 'R14',
  why: 'There is no page that documents the paths; they are not found like any other.',
  applies: named(/^http$/),
  mend: (events) => events.map((event, i) => (isClient('out', 'http')(event) &&
    /^\/(docs|openapi\.json)$/.test(events[i - 1].data.path)
    ? { ...event, data: { status: 404, headers: [] } } : event)),
};

const sigterm = {
  recorded: 'R15',
  why: 'A server that stops says so (1001), and closes the connection to the model.',
  mend(events) {
    const at = first(events, (event) => isClient('out', 'close')(event) && event.data.code === 1012);
    if (at < 0) return events;
    return [...events.slice(0, at), { ...events[at], data: { ...events[at].data, code: 1001 } },
      ...events.slice(at + 1), upstreamEnds(1)];
  },
};

// ---- somebody leaves

const leak = {
  recorded: 'R16',
  why: 'The connection to the model ends within a second of the last client leaving.',
  mend(events) {
    const leaves = last(events, (event) => isClient('in', 'close')(event) || isClient('in', 'tcp')(event));
    const up = Math.max(0, ...events.filter(isUp('out', 'open')).map((event) => event.conn));
    const ended = (conn) => events.some((event) => event.conn === conn && event.link === 'upstream' &&
      (event.type === 'close' || event.type === 'tcp'));
    let list = events;
    if (leaves >= 0 && up > 0 && !events[leaves].data.answer && !ended(up)) list = [...list, upstreamEnds(up)];
    // And before the client comes back, too.
    for (let conn = 1; conn < up; conn++) {
      if (ended(conn)) continue;
      const next = first(list, (event) => isUp('out', 'open')(event) && event.conn === conn + 1);
      const away = list.findLastIndex((event, i) => i < next && isClient('in', 'open')(event));
      const left = list.slice(0, away).some((event) => isClient('in', 'close')(event) || isClient('in', 'tcp')(event));
      if (left) list = insert(list, away, [upstreamEnds(conn)]);
    }
    return list;
  },
};

const brief = {
  recorded: 'R16',
  why: 'A client that leaves at once leaves nothing behind.',
  applies: named(/^connect-and-leave$/),
  mend: (events) => [...events.filter((event) => event.link === 'client'), gone],
};

const midTurn = {
  recorded: 'R17',
  why: 'The connection to the model ends when the client leaves, not when the next word cannot be delivered.',
  mend(events) {
    const close = first(events, (event) => isUp('out', 'close')(event) && !event.data.answer);
    if (close < 0) return events;
    const left = events.findLastIndex((event, i) => i < close &&
      (isClient('in', 'close')(event) || isClient('in', 'tcp')(event)));
    if (left < 0) return events;
    return events.filter((event, i) => !(i > left && i < close && isUp('in', 'binary')(event)))
      .map((event) => (event === events[close] ? { ...event, within: 1000 } : event));
  },
};

// ---- the model's side ends

const endings = /^(text|native)-upstream-(close-1000|close-1007|close-1008|close-1011|die|reset)-first-turn$/;

const hang = {
  recorded: 'R18',
  why: 'Without a handle the server connects afresh; the text nobody began to answer is sent once more, by itself.',
  applies: named(/-upstream-(close-1007|close-1011|die|reset)-first-turn$/),
  mend: afresh,
};

const hang1000 = {
  recorded: 'R19',
  why: 'So it is after 1000 without a handle.',
  applies: named(/-upstream-close-1000-first-turn$/),
  mend: afresh,
};

// Nothing was said before, so there is nothing to tell the new connection but the text itself.
function afresh(events, scenario) {
  const again = last(events, isTyped);
  const text = parsed(events.find(isTyped)).data;
  const broken = /^text-upstream-(die|close-1011)/.test(scenario.name);
  const head = [...events.slice(0, again), ...opened(scenario, 2, setupOf(events, 1)), typed(scenario, 2, text)];
  const tail = events.slice(again + 1);
  const there = parsed(events[again]).data;
  if (!broken)
    return [...head, ...answer(scenario, 2, 1, 'You said it.'), events[again], typed(scenario, 2, there),
      ...answer(scenario, 2, 1, 'You said: are you there?'), ...tail];
  // It breaks a second time over the same text: the person is told, and it is not sent a third time.
  const how = events.find((event) => isUp('in')(event) && (event.type === 'tcp' || event.type === 'close'));
  const echo = how.type === 'close' ? [{ ...how, conn: 2, dir: 'out', data: { ...how.data, answer: true } }] : [];
  return [...head, { ...how, conn: 2 }, ...echo, ...cannotGoOn(1, 'not_answered'),
    ...opened(scenario, 3, setupOf(events, 1)), history(3, ['user', text]), events[again], typed(scenario, 3, there),
    ...answer(scenario, 3, 1, 'You said: are you there?'), ...tail];
}

const refused = {
  recorded: 'R18',
  why: 'After 1008 the person is told why, and the next text tries once more.',
  applies: named(/-upstream-close-1008-(first|later)-turn$/),
  mend(events, scenario) {
    const again = last(events, isTyped);
    const handle = scenario.name.includes('later') ? 'handle-1-1' : undefined;
    const lost = parsed(events.filter(isTyped).at(-2)).data;
        return [...events.slice(0, again), ...cannotGoOn(1, 'refused'), events[again],
      ...opened(scenario, 2, setupOf(events, 1), handle), history(2, ['user', lost]), typed(scenario, 2, parsed(events[again]).data),
      ...answer(scenario, 2, 1, 'You said: are you there?'), ...events.slice(again + 1)];
  },
};

const noModel = {
  recorded: 'R18',
  why: 'An unknown model is said at once, with what to set; the next text tries once more and is told again.',
  applies: named(/^setup-refused-no-such-model$/),
  mend(events, scenario) {
    const again = last(events, isTyped);
    const close = events.find(isUp('in', 'close'));
    const echo = events.find(isUp('out', 'close'));
    return [...events.slice(0, again), ...cannotGoOn(1, 'model_not_found'), events[again],
      ...opened(scenario, 2, setupOf(events, 1)).slice(0, 2), { ...close, conn: 2 }, { ...echo, conn: 2 },
      ...cannotGoOn(1, 'model_not_found'), ...events.slice(again + 1)];
  },
};

const inFlight = {
  recorded: 'R21',
  why: 'The text nobody began to answer is sent again over the resumed connection, once.',
  applies: named(/-upstream-(close-1000|close-1011|die|reset)-later-turn$/),
  mend(events, scenario) {
    const ready = first(events, isReady(2));
    const text = parsed(events.slice(0, ready).findLast(isTyped)).data;
    return insert(events, ready + 1, [typed(scenario, 2, text), ...answer(scenario, 2, 1, 'You said it.')]);
  },
};

const halfAnswer = {
  recorded: 'R21',
  why: 'A half answer is ended as interrupted, nothing is sent again, and the model is told how far it came.',
  applies: named(/-upstream-die-while-answering$/),
  mend(events) {
    const ready = first(events, isReady(2));
    const half = said(events.slice(0, ready), 1);
    const next = first(events, (event) => isUp('out', 'open')(event) && event.conn === 2);
    // The recorder did not write down that the stand-in destroyed its socket.
    const list = insert(events, ready + 1, [history(2, ['user', 'slow'], ['model', half])]);
    return insert(list, next, [{ link: 'upstream', conn: 1, dir: 'in', type: 'tcp', data: 'destroyed without a close frame' },
      frame(1, interrupted), frame(1, turnComplete)]);
  },
};

const goAway = {
  recorded: 'R22',
  why: 'What the model is saying is said to its end before the connection is changed, as long as the time allows.',
  applies: named(/-upstream-goaway-(first|later)-turn$/),
  mend(events, scenario) {
    const completes = scenario.name.includes('first');
    const goes = first(events, (event) => isUp('in', 'binary')(event) && parsed(event).goAway);
    const closes = first(events, isUp('out', 'close'), goes);
    // Time enough to end the turn, or too little: then the turn is cut short in time.
    const time = { ...events[goes], data: { goAway: { timeLeft: completes ? '30s' : '1.2s' } } };
    const rest = events.slice(goes + 1, closes);
    const heard = (event) => (parsed(event).serverContent?.outputTranscription ? [textFrame(scenario, 1, 'Going.')] : []);
    const spoken = rest.flatMap((event) => {
      const part = parsed(event).serverContent?.modelTurn?.parts[0];
      if (part?.text) return [event, textFrame(scenario, 1, part.text)];
      return part ? [event, frame(1, { mime_type: 'audio/pcm', data: part.inlineData.data })] : [event, ...heard(event)];
    });
    const end = completes
      ? [say(1, { serverContent: { generationComplete: true } }), say(1, { serverContent: { turnComplete: true } }),
        frame(1, turnComplete)]
      : [];
    const cut = completes ? [] : [frame(1, interrupted), frame(1, turnComplete)];
    const list = [...events.slice(0, goes), time, ...spoken, ...end, ...events.slice(closes), ];
    const next = first(list, (event) => isUp('out', 'open')(event) && event.conn === 2);
    const mended = insert(list, next, cut);
    const ready = first(mended, isReady(2));
    const text = parsed(mended.slice(0, next).findLast(isTyped)).data;
    return insert(mended, ready + 1, [history(2, ['user', text], ['model', 'Going.'])]);
  },
};

// ---- coming back, and two sockets

const resumes = {
  recorded: 'R30',
  why: 'The last handle is kept: who comes back after a finished turn goes on with it, and no history is sent.',
  applies: named(/(idle|audio)-disconnect-reconnect$|tool-history$/),
  mend(events) {
    const handle = events.filter((event) => isUp('in', 'binary')(event) && event.conn === 1)
      .map((event) => parsed(event).sessionResumptionUpdate?.newHandle).filter(Boolean).at(-1);
    const told = first(events, (event) => isUp('out', 'text')(event) && event.conn === 2 && parsed(event).client_content &&
      !isTypedUp(event));
    const list = remove(events, (event) => event === events[told]);
    return replace(list, (event) => event.conn === 2 && isUp('out', 'text')(event) && parsed(event).setup, (event) => {
      const { historyConfig, ...setup } = parsed(event).setup;
      return { ...event, data: { setup: { ...setup, sessionResumption: { handle } } } };
    });
  },
};

const isTypedUp = (event) => parsed(event).client_content?.turn_complete === true || parsed(event).realtime_input?.text;

const unasked = {
  recorded: 'R30',
  why: 'Coming back in the middle of an answer, the model is told what was said and heard, and answers nothing by itself.',
  applies: named(/midturn-(disconnect|tcp-drop)-reconnect$/),
  mend(events, scenario) {
    const told = first(events, (event) => event.conn === 2 && isUp('out', 'text')(event) && parsed(event).client_content);
    const asked = last(events, isTyped);
    const { turns } = parsed(events[told]).client_content;
    const heard = { role: 'model', parts: [{ text: said(events.slice(0, told), 1) }] };
    // A handle knows all but the last turn. Models that take history only at the start are connected afresh instead,
    // and the end of that history is marked; they do not answer it.
    const three = scenario.model.startsWith('gemini-3');
    const handle = !three && turns.length > 1 ? 'handle-1-1' : undefined;
    const seeded = { ...events[told],
      data: { clientContent: { turns: [...(handle ? turns.slice(-1) : turns), heard], turnComplete: three } } };
    const setup = { ...parsed(setupOf(events, 2)).setup, sessionResumption: handle ? { handle } : {} };
    events = events.map((event) => (event === setupOf(events, 2) ? { ...event, data: { setup } } : event));
    // The answer to the old question is not asked for, so nothing of it interrupts the new one either.
    const rest = events.slice(asked);
    const begun = first(rest, (event) => isUp('in', 'binary')(event) && parsed(event).serverContent?.interrupted);
    const cleaned = begun < 0 ? rest : rest.filter((event, i) => {
      if (i === begun || i === begun + 1) return false;
      const content = isFrame(event) && parsed(event);
      const opening = content && 'turn_complete' in content && i < begun + 12;
      return !opening;
    });
    return [...events.slice(0, told), seeded, ...(three ? events.slice(told + 1, asked).filter(isDot) : []), ...cleaned];
  },
};

const isDot = (event) => isUp('out', 'text')(event) && parsed(event).realtime_input?.text === '.';

const dot = {
  recorded: 'R31',
  why: 'Models of the third generation are not sent a "." that nobody typed.',
  mend: (events) => remove(events, isDot),
};

const oneTalk = {
  recorded: 'R23',
  why: 'Two sockets of one user share one talk and one connection; the answer goes to who typed last.',
  applies: named(/^second-socket-same-user/),
  mend(events) {
    const start = first(events, (event) => event.conn === 2 && event.link === 'upstream');
    const ready = first(events, (event) => isUp('out', 'text')(event) && event.conn === 2 && parsed(event).client_content);
    return events.filter((event, i) => !(event.link === 'upstream' && i >= start && i <= ready))
      .map((event) => (event.link === 'upstream' ? { ...event, conn: 1 } : event));
  },
};

// ---- tools

const heldCall = {
  recorded: 'R35',
  why: 'A tool runs when it is called, not when the next turn ends; so the model has nothing to cancel.',
  applies: named(/^tools\/(text|native)-tool(-two-no-turncomplete)?$/),
  mend(events, scenario) {
    const call = first(events, (event) => isUp('in', 'binary')(event) && parsed(event).toolCall);
    const response = events.find(isTool());
    const thanks = last(events, isTyped);
    const end = first(events, isClient('in', 'close'));
    return [...events.slice(0, call + 1), response, ...answer(scenario, 1, 1, 'Tool said it.'), events[thanks],
      typed(scenario, 1, 'thanks'), ...answer(scenario, 1, 1, 'You said: thanks'), ...events.slice(end)];
  },
};

const heldCancelled = {
  recorded: 'R35',
  why: 'The call is answered before the cancellation comes.',
  applies: named(/^tools\/(text|native)-tool-cancel$/),
  mend(events) {
    const call = first(events, (event) => isUp('in', 'binary')(event) && parsed(event).toolCall);
    const response = events.find(isTool());
    return insert(remove(events, (event) => event === response), call + 1, [response]);
  },
};

const silence = (conn) => ({ link: 'upstream', conn, dir: 'out', type: 'silence' });

// The frames that a running tool held back, moved before its answer.
function unhold(events) {
  const at = first(events, isTool('slow_time'));
  const due = events.slice(0, at).filter((event) => isUp('in', 'binary')(event) && parsed(event).serverContent?.turnComplete).length;
  const seen = events.slice(0, at).filter(turnFrameIs(turnComplete)).length;
  if (due <= seen) return events;
  const held = [];
  let left = due - seen;
  for (const event of events.slice(at + 1)) {
    if (left === 0) break;
    if (!isFrame(event)) continue;
    held.push(event);
    if (turnFrameIs(turnComplete)(event)) left--;
  }
  const list = events.filter((event) => !held.includes(event));
  return insert(list, at, [...held, silence(1)]);
}

const heldTurn = {
  recorded: 'R36',
  why: 'The end of the turn that called the tool is told while the tool runs.',
  applies: named(/^tools\/\w+-tool-slow$/),
  mend: unhold,
};

const heldFrames = {
  recorded: 'R38',
  why: 'While a tool runs, what the model says goes on reaching the client.',
  applies: named(/^tools\/\w+-tool-(slow-talk|cancel-slow)$/),
  mend: unhold,
};

const cancelled = {
  recorded: 'R39',
  why: 'A call that the model cancelled is stopped and not answered.',
  applies: named(/^tools\/\w+-tool-(slow-talk|cancel-slow)$/),
  mend: (events) => remove(events, isTool('slow_time')),
};

const wrongType = {
  recorded: 'R41',
  why: 'An argument of another type than declared does not reach the tool: the model is told which, and may call again.',
  applies: named(/^tools\/\w+-tool-wrong-type$/),
  mend: (events) => replace(events, isTool('get_time'), (event) => ({ ...event, data: (got) => {
    const [only] = got.toolResponse?.functionResponses ?? got.tool_response.functionResponses;
    return /^Invoking `get_time\(\)` failed .*\ncity: /.test(only.response.error) ? undefined : 'no answer that names city';
  } })),
};

const noAnswer = {
  recorded: 'R6',
  why: 'A turn that the model ended without saying anything says why; the page of the sample shows nothing of it.',
  applies: named(/^text-safety$/),
  mend: (events) => insert(events, first(events, turnFrameIs(turnComplete)), [error('no_answer')(1)]),
};

const raises = {
  recorded: 'R42',
  why: 'A tool that fails is an answer to the model, and the talk goes on.',
  applies: named(/^tools\/\w+-tool-raises$/),
  mend(events, scenario) {
    const ends = first(events, isUp('out', 'close'));
    const [call] = events.map((event) => (isUp('in', 'binary')(event) ? parsed(event).toolCall : undefined)).filter(Boolean);
    const [{ id, name }] = call.functionCalls;
    const thanks = last(events, isTyped);
    const response = { link: 'upstream', conn: 1, dir: 'out', type: 'text', data: (got) => {
      const [only, more] = got.toolResponse?.functionResponses ?? got.tool_response?.functionResponses ?? [];
      return only?.id === id && only.name === name && !more && /boom in Seoul/.test(only.response.error) ? undefined
        : 'no answer with the error';
    } };
    return [...events.slice(0, ends), response, frame(1, turnComplete), ...answer(scenario, 1, 1, 'It failed.'),
      events[thanks], typed(scenario, 1, 'thanks'), ...answer(scenario, 1, 1, 'You said: thanks'),
      ...events.slice(thanks + 1)];
  },
};

// ---- what goes to the model

const rate = {
  recorded: 'R27',
  why: 'Audio says its rate; the alphabet of its base64 is free.',
  mend: (events) => replace(events, (event) => isUp('out', 'text')(event) && JSON.stringify(parsed(event)).includes('"audio/pcm"'),
    (event) => ({ ...event, data: event.data.replaceAll('"audio/pcm"', '"audio/pcm;rate=16000"') })),
};

const historyConfig = {
  recorded: 'R30',
  why: 'historyConfig is sent to models that know it, which those before the third generation do not.',
  mend: (events, { model }) => (model.startsWith('gemini-3') ? events
    : replace(events, (event) => isUp('out', 'text')(event) && parsed(event).setup?.historyConfig, (event) => {
      const { historyConfig: _, ...setup } = parsed(event).setup;
      return { ...event, data: { setup } };
    })),
};

const modality = {
  recorded: 'R25',
  why: 'What a model that nobody knows is asked for is what the newest models speak: audio, with its transcript.',
  applies: named(/^setup-refused-no-such-model$/),
  mend: (events) => replace(events, (event) => isUp('out', 'text')(event) && parsed(event).setup, (event) => {
    const { setup } = parsed(event);
    return { ...event, data: { setup: { ...setup, generationConfig: { responseModalities: ['AUDIO'] },
      outputAudioTranscription: {} } } };
  }),
};

const upperCase = {
  recorded: 'R34',
  why: 'Parameters are declared in the Schema of the API, which every model reads, not as JSON Schema.',
  mend: (events) => replace(events, (event) => isUp('out', 'text')(event) && parsed(event).setup?.tools?.[0]?.functionDeclarations,
    (event) => {
      const { setup } = parsed(event);
      const functionDeclarations = setup.tools[0].functionDeclarations.map(({ parameters_json_schema: schema, ...rest }) =>
        (schema ? { ...rest, parameters: openApi(schema) } : rest));
      return { ...event, data: { setup: { ...setup, tools: [{ functionDeclarations }] } } };
    }),
};

function openApi({ default: _, type, properties, ...rest }) {
  const inner = properties && { properties: Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, openApi(schema)])) };
  return { ...rest, ...inner, type: type.toUpperCase() };
}

// In this order: what follows sees what came before it.
export const mended = [
  deflate, noDeflateUpstream, rate, modality, upperCase, thoughts, withTurnComplete, everyPart, halfAnswer, noAnswer,
  repeated, repeatedInterrupted,
  badFrame, junk, userIds, origin, generatedPages, hang, hang1000, refused, noModel, inFlight, goAway, oneTalk,
  heldCall, heldCancelled, heldTurn, heldFrames, cancelled, wrongType, raises, midTurn, resumes, unasked, dot, historyConfig,
  sigterm, brief, leak,
];

// The scenario as it must go here, and which rules had something to mend in it.
export function mend(scenario) {
  const used = [];
  let { events } = scenario;
  for (const rule of mended) {
    if (rule.applies && !rule.applies(scenario)) continue;
    const before = new Set(events);
    const after = rule.mend(events, scenario);
    if (after === events) continue;
    used.push(rule);
    let line = 0;
    events = after.map((event) => {
      line = event.line ?? line;
      return before.has(event) ? event : { ...event, line, recorded: rule.recorded, why: rule.why };
    });
  }
  return { scenario: { ...scenario, events }, used };
}
