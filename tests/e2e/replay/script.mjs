// The words that mended.mjs changes recordings with: events as in a recording, found, made, put in and taken out.
import { readScenario } from '../lib/scenario.mjs';

export const parsed = (event) => {
  if (typeof event.data !== 'string') return event.data;
  try {
    return JSON.parse(event.data);
  } catch {
    return event.data;
  }
};

export const isClient = (dir, type) => (event) => event.link === 'client' && event.dir === dir && event.type === type;
export const isTyped = (event) => isClient('in', 'text')(event) && parsed(event).mime_type === 'text/plain';
export const isTurnFrame = (event) => isClient('out', 'text')(event) && 'turn_complete' in parsed(event);

// ---- lists. Unchanged when nothing fits: that is how a rule is known to have been used.

export const insert = (events, at, added) => (added.length ? [...events.slice(0, at), ...added, ...events.slice(at)] : events);
export const remove = (events, fits) => (events.some(fits) ? events.filter((event) => !fits(event)) : events);
export const replace = (events, fits, by) =>
  (events.some(fits) ? events.map((event) => (fits(event) ? by(event) : event)) : events);

// ---- to the client. data: an object, or a function that says what is wrong.

export const frame = (conn, data) => ({ link: 'client', conn, dir: 'out', type: 'text', data });
export const turnComplete = { turn_complete: true, interrupted: null };
export const interrupted = { turn_complete: null, interrupted: true };

// A text part is text in every modality; what a model says aloud is shown by its transcript.
export const textFrame = (scenario, conn, text, transcript = !speaksText(scenario) && text === 'Going.') =>
  frame(conn, { mime_type: 'text/plain', data: text, ...(transcript && { is_transcript: true }) });

export const errorFrame = (check) => (conn) => frame(conn, (got) => {
  const { error, ...rest } = got;
  if (!error || Object.keys(rest).length) return 'is not an error frame';
  const { code, message, hint, retryable, ...more } = error;
  if (Object.keys(more).length) return 'has more keys than it should';
  if (typeof code !== 'string' || typeof message !== 'string' || typeof hint !== 'string' || typeof retryable !== 'boolean')
    return 'lacks a key';
  if (message.length < 10 || hint.length < 10) return 'says too little';
  return check(error);
});

// ---- with the model

const up = (dir, type) => (conn, data) => ({ link: 'upstream', conn, dir, type, data });
export const say = up('in', 'binary');
const hears = up('out', 'text');

const speaksText = ({ model }) => model.startsWith('gemini-2.0');

export const typed = ({ model }, conn, text) => hears(conn, model.startsWith('gemini-3')
  ? { realtimeInput: { text } }
  : { clientContent: { turns: [{ role: 'user', parts: [{ text }] }], turnComplete: true } });

// The model answers, and the client gets it.
export function answer(scenario, conn, client, text) {
  const spoken = !speaksText(scenario);
  const content = spoken ? { outputTranscription: { text } } : { modelTurn: { role: 'model', parts: [{ text }] } };
  return [say(conn, { serverContent: content }), textFrame(scenario, client, text, spoken),
    say(conn, { serverContent: { generationComplete: true } }), say(conn, { serverContent: { turnComplete: true } }),
    frame(client, turnComplete)];
}

export const setupOf = (events, conn) =>
  events.find((event) => event.conn === conn && event.link === 'upstream' && parsed(event).setup);

const upgrade = readScenario('text-hello').events.find((event) => event.link === 'upstream' && event.type === 'open').data;

// A further connection: upgrade, the same setup but for the handle, setupComplete.
export function opened(scenario, conn, setup, handle) {
  const headers = upgrade.headers.filter(([name]) => name !== 'Sec-WebSocket-Extensions');
  return [{ link: 'upstream', conn, dir: 'out', type: 'open', data: { ...upgrade, headers } },
    hears(conn, { setup: { ...parsed(setup).setup, sessionResumption: handle ? { handle } : {} } }),
    say(conn, { setupComplete: {} })];
}

export const upstreamEnds = (conn) => ({ link: 'upstream', conn, dir: 'out', type: 'close', data: { code: 1000 }, within: 1000 });
export const gone = { link: 'upstream', conn: 0, dir: 'out', type: 'gone', within: 1000 };
