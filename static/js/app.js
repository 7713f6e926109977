// Joins the connection, the sound, the transcript and the controls.
import { Microphone, Speaker } from './audio.js';
import { Connection, userId } from './connection.js';
import { byId, element } from './dom.js';
import { Notices } from './notices.js';
import { Questions } from './questions.js';
import { Transcript } from './transcript.js';

const query = new URLSearchParams(location.search);
const connection = new Connection({ user: userId(), agent: query.get('agent') });
const transcript = new Transcript(byId('log'));
const notices = new Notices(byId('notices'));
const questions = new Questions(byId('questions'), (frame) => connection.send(frame));
const speaker = new Speaker();
const microphone = new Microphone();

const state = {
  ready: false, // hello has come
  upstream: '', // what the server last said of its connection to the model
  turn: 0,
  answering: false, // the model's turn is open
  passive: false, // another window has the conversation
};

// ---- what is shown -------------------------------------------------------------------------------

function show() {
  const message = byId('message');
  byId('send').disabled = !state.ready || state.passive || message.value.trim() === '';
  byId('stop').hidden = !(state.answering || speaker.busy);
  byId('welcome').hidden = !transcript.empty;
  byId('mic').setAttribute('aria-pressed', String(microphone.on));
  byId('sound').setAttribute('aria-pressed', String(!speaker.muted));
}

function showStatus(kind, text) {
  byId('status').dataset.state = kind;
  byId('status-text').textContent = text;
  byId('retry').hidden = kind !== 'down';
}

const UPSTREAM = {
  connecting: ['connecting', 'Connecting to the model'],
  live: ['live', 'Connected'],
  reconnecting: ['connecting', 'Reconnecting to the model'],
  offline: ['idle', 'Model not connected'],
};

function showUpstream() {
  const [kind, text] = UPSTREAM[state.upstream] ?? ['live', 'Connected'];
  if (state.ready) showStatus(kind, text);
}

transcript.onchange = () => {
  byId('latest').hidden = transcript.atEnd();
  show();
};
addEventListener('scroll', () => {
  byId('latest').hidden = transcript.atEnd();
});
byId('latest').addEventListener('click', () => transcript.toEnd());

// ---- the connection ------------------------------------------------------------------------------

connection.addEventListener('status', ({ detail }) => {
  if (detail.state === 'open') return; // hello follows
  if (state.ready) transcript.cut();
  state.ready = false;
  state.answering = false;
  questions.clear(); // the server asks again
  speaker.restart();
  if (detail.state === 'connecting') showStatus('connecting', 'Connecting');
  else showStatus('down', `No connection, again in ${detail.seconds} s`);
  show();
});
byId('retry').addEventListener('click', () => connection.retry());

function showAgents(hello) {
  const agents = hello.agents ?? [];
  byId('agents-label').hidden = agents.length < 2;
  byId('agents').replaceChildren(
    ...agents.map((agent) => {
      const option = element('option', { value: agent.folder, text: readable(agent.name || agent.folder) });
      option.selected = agent.folder === hello.agent.folder;
      return option;
    }),
  );
}
byId('agents').addEventListener('change', ({ target }) => {
  query.set('agent', target.value);
  location.search = query.toString();
});

// google_search_agent becomes Google search agent.
function readable(name) {
  const words = name.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function onHello(hello) {
  const name = readable(hello.agent?.name || 'agent');
  state.ready = true;
  state.passive = false;
  state.upstream = '';
  notices.remove('taken_over');
  document.title = `${name} · antiphon`;
  byId('agent').textContent = name;
  byId('model').textContent = hello.model ?? '';
  byId('model').title = `antiphon ${hello.version ?? ''}`;
  byId('welcome-title').textContent = `Talk to ${name}`;
  byId('welcome-text').textContent = hello.agent?.description ?? '';
  byId('sound').hidden = hello.modality === 'TEXT';
  showAgents(hello);
  byId('demo').hidden = !hello.demo;
  byId('demo-hint').textContent = hello.demo_hint || 'A stand-in answers, not a model.';
  showUpstream();
}

function onTranscript(frame) {
  if (frame.role === 'user') {
    // The user talks into the rest of an answer that the server is done with.
    if (frame.data && frame.turn > speaker.newest) speaker.flush();
    transcript.spoken(frame.turn, frame.data, frame.final);
    return;
  }
  if (frame.data) state.answering = true;
  transcript.answer(frame.turn, frame.data);
}

function onState(name) {
  if (name === 'not_durable') {
    notices.info('durable', 'This conversation is not being saved at the moment.', 'The server cannot write to its disk; you can go on talking.');
  } else if (name === 'durable') {
    notices.remove('durable');
  } else {
    state.upstream = name;
    showUpstream();
  }
}

const handlers = {
  hello: (frame) => onHello(frame.hello),
  history: (frame) => transcript.history(frame.history),
  state: (frame) => onState(frame.state),
  text: (frame) => {
    state.answering = true;
    transcript.answer(frame.turn, frame.data);
  },
  transcript: onTranscript,
  thought: (frame) => {
    state.answering = true;
    transcript.think(frame.turn, frame.thought);
  },
  user_text: (frame) => transcript.typed(frame.user_text),
  tool: (frame) => {
    transcript.tool(frame.tool);
    if (frame.tool.state !== 'asking') questions.close(frame.tool.id);
  },
  confirm: (frame) => questions.ask(frame.confirm),
  grounding: (frame) => transcript.ground(frame.turn, frame.grounding),
  // A tool that searched for the model has sources as well; what other events mean is between a plugin and a page of its own.
  plugin: ({ turn, plugin }) => {
    if (plugin.event === 'grounding') transcript.ground(turn, plugin.data);
  },
  interrupted: (frame) => {
    speaker.flush();
    transcript.interrupted(frame.turn);
  },
  turn_complete: (frame) => {
    state.answering = false;
    speaker.end();
    transcript.complete(frame.turn, frame.saved !== false);
  },
  error: (frame) => {
    state.answering = false;
    transcript.wait(false);
    notices.error(frame.error);
  },
  taken_over: () => {
    state.passive = true;
    questions.clear();
    speaker.flush();
    stopMicrophone();
    notices.info('taken_over', 'This conversation goes on in another window.', '', {
      closable: false,
      action: { text: 'Use this window', run: () => connection.connect() },
    });
  },
  active: () => {
    // What was said meanwhile comes with a new connection.
    if (state.passive) connection.connect();
  },
};

connection.addEventListener('frame', ({ detail: frame }) => {
  if (Number.isFinite(frame.turn)) state.turn = Math.max(state.turn, frame.turn);
  if (Object.hasOwn(handlers, frame.type)) handlers[frame.type](frame);
  show();
});

connection.addEventListener('audio', ({ detail }) => {
  if (detail.turn === speaker.silenced) return;
  state.answering = true;
  state.turn = Math.max(state.turn, detail.turn);
  transcript.sounding(detail.turn);
  speaker.play(detail.turn, detail.pcm);
  show();
});

// ---- sound ---------------------------------------------------------------------------------------

speaker.addEventListener('played', ({ detail }) => connection.send({ type: 'played', turn: detail.turn, ms: detail.ms }));
speaker.addEventListener('busy', show);

// A browser lets a page sound only after a gesture.
for (const name of ['pointerdown', 'keydown']) {
  addEventListener(name, () => speaker.unlock().catch(() => {}), { capture: true });
}

byId('sound').addEventListener('click', () => {
  speaker.mute(!speaker.muted);
  localStorage.setItem('antiphon.muted', String(speaker.muted));
  show();
});

microphone.addEventListener('batch', ({ detail }) => {
  if (state.ready && !state.passive) connection.sendAudio(detail);
});
microphone.addEventListener('level', ({ detail }) => {
  byId('mic').style.setProperty('--level', String(Math.min(1, detail * 6)));
});
microphone.addEventListener('ended', () => {
  connection.send({ type: 'audio_end' });
  notices.error({ code: 'microphone_gone', message: 'The microphone went away.', hint: 'Plug it in again and turn the microphone on.' });
  show();
});

const MICROPHONE_ERRORS = {
  NotAllowedError: ['The browser may not use the microphone.', 'Allow it in the site settings (the icon beside the address), then try again.'],
  NotFoundError: ['No microphone was found.', 'Connect one, then try again.'],
  NotReadableError: ['The microphone is in use by another program.', 'Close that program, then try again.'],
  InsecureContextError: ['A browser gives the microphone only to https pages and to localhost.', 'Open this page through https, or on the machine where the server runs.'],
};

async function startMicrophone() {
  const button = byId('mic');
  button.setAttribute('aria-busy', 'true');
  try {
    await microphone.start();
    await speaker.unlock();
  } catch (error) {
    const [message, hint] = MICROPHONE_ERRORS[error.name] ?? [`The microphone could not be started: ${error.message}`, 'Reload the page and try again.'];
    notices.error({ code: error.name, message, hint });
  }
  button.removeAttribute('aria-busy');
  show();
}

async function stopMicrophone() {
  if (!microphone.on) return;
  await microphone.stop();
  connection.send({ type: 'audio_end' });
  byId('mic').style.removeProperty('--level');
  show();
}

byId('mic').addEventListener('click', () => (microphone.on ? stopMicrophone() : startMicrophone()));

// ---- typing --------------------------------------------------------------------------------------

const message = byId('message');

function fit() {
  message.style.height = 'auto';
  message.style.height = `${message.scrollHeight}px`;
}

message.addEventListener('input', () => {
  fit();
  show();
});
message.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId('composer').requestSubmit();
});

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = message.value.trim();
  if (text === '' || !state.ready || state.passive) return;
  if (!connection.send({ mime_type: 'text/plain', data: text })) return;
  speaker.flush(); // whoever writes has heard enough
  state.answering = true;
  transcript.typed(text);
  transcript.wait(true);
  message.value = '';
  fit();
  show();
});

function stop() {
  connection.send({ type: 'stop' });
  speaker.silence(state.turn);
  show();
}

byId('stop').addEventListener('click', () => {
  stop();
  message.focus();
});
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !byId('stop').hidden) stop();
});

// ---- start ---------------------------------------------------------------------------------------

speaker.mute(localStorage.getItem('antiphon.muted') === 'true');
show();
connection.connect();
if (matchMedia('(pointer: fine)').matches) message.focus();
