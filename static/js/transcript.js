// The conversation as it is shown. One bubble of the model a turn; what the user said aloud comes late sometimes and
// is then put before the answer that it belongs to.
import { element } from './dom.js';
import { Grounding } from './grounding.js';

class Bubble {
  constructor(role, { spoken = false } = {}) {
    this.role = role;
    this.text = element('div', { class: 'text' });
    this.root = element('article', { class: `bubble ${role}${spoken ? ' spoken' : ''}` });
    this.root.append(element('span', { class: 'sr', text: role === 'user' ? 'You said: ' : 'The agent said: ' }), this.text);
    this.thoughts = null;
    this.grounding = null;
  }

  append(text) {
    if (text) this.text.append(text);
    if (this.text.textContent) this.root.classList.remove('waiting');
  }

  get empty() {
    return this.text.textContent === '' && !this.grounding;
  }

  open(open) {
    this.root.classList.toggle('open', open);
    this.root.setAttribute('aria-busy', String(open));
  }

  think(text) {
    if (!this.thoughts) {
      this.thoughts = element('div');
      this.root.insertBefore(element('details', { class: 'thoughts' }, element('summary', { text: 'Thinking' }), this.thoughts), this.text);
    }
    this.thoughts.append(text);
  }

  ground(metadata) {
    const grounding = this.grounding ?? new Grounding();
    if (!grounding.add(metadata)) return;
    this.grounding = grounding;
    if (!grounding.root.isConnected) this.root.append(grounding.root);
  }

  mark(name, text) {
    if (this.root.classList.contains(name)) return;
    this.root.classList.add(name);
    this.root.append(element('p', { class: 'mark-line', text }));
  }
}

export class Transcript {
  constructor(root, scroller = document.scrollingElement) {
    this.root = root;
    this.scroller = scroller;
    this.onchange = () => {};
    this.reset();
  }

  reset() {
    this.root.replaceChildren();
    this.models = new Map(); // turn -> Bubble
    this.speech = null; // the utterance of the user that is not final yet
    this.tools = new Map();
    this.waiting = null;
  }

  get empty() {
    return this.root.childElementCount === 0;
  }

  atEnd() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 120;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  // Runs a change and keeps the end in view if it was.
  change(work) {
    const follow = this.atEnd();
    work();
    if (follow) this.toEnd();
    this.onchange();
  }

  history(items) {
    this.change(() => {
      this.reset();
      for (const item of items) {
        const bubble = new Bubble(item.role === 'user' ? 'user' : 'model');
        bubble.append(item.text);
        if (item.time) bubble.root.title = new Date(item.time * 1000).toLocaleString();
        if (item.grounding) bubble.ground(item.grounding);
        if (item.interrupted) bubble.mark('interrupted', 'Interrupted');
        this.root.append(bubble.root);
      }
      if (items.length) this.root.append(element('p', { class: 'divider', text: 'Earlier' }));
    });
    this.toEnd();
  }

  typed(text) {
    this.change(() => {
      const bubble = new Bubble('user');
      bubble.append(text);
      this.root.append(bubble.root);
    });
    this.toEnd();
  }

  spoken(turn, text, final) {
    this.change(() => {
      if (!this.speech) {
        if (!text) return;
        this.speech = new Bubble('user', { spoken: true });
        this.speech.root.classList.add('partial');
        this.place(this.speech.root, turn);
      }
      this.speech.append(text);
      if (!final) return;
      this.speech.root.classList.remove('partial');
      this.speech = null;
    });
  }

  place(root, turn) {
    const answer = this.models.get(turn)?.root;
    const before = answer?.previousElementSibling;
    if (answer && !(before && before.classList.contains('user'))) this.root.insertBefore(root, answer);
    else this.root.append(root);
  }

  // The user has asked and nothing came yet.
  wait(on) {
    this.waiting?.root.remove();
    this.waiting = null;
    if (!on) return;
    this.change(() => {
      this.waiting = new Bubble('model');
      this.waiting.root.classList.add('waiting');
      this.waiting.open(true);
      this.root.append(this.waiting.root);
    });
  }

  model(turn) {
    this.wait(false);
    let bubble = this.models.get(turn);
    if (!bubble) {
      bubble = new Bubble('model');
      bubble.root.classList.add('waiting');
      bubble.open(true);
      this.models.set(turn, bubble);
      this.root.append(bubble.root);
    }
    return bubble;
  }

  answer(turn, text) {
    if (!text) return;
    // A word of the answer means that the user's turn to speak is over.
    this.change(() => this.model(turn).append(text));
  }

  think(turn, text) {
    this.change(() => this.model(turn).think(text));
  }

  ground(turn, metadata) {
    this.change(() => this.model(turn).ground(metadata));
  }

  // The answer sounds although no word of it is here yet.
  sounding(turn) {
    if (!this.models.has(turn)) this.change(() => this.model(turn));
  }

  interrupted(turn) {
    const bubble = this.models.get(turn);
    if (bubble) this.change(() => bubble.mark('interrupted', 'Interrupted'));
  }

  complete(turn, saved) {
    const bubble = this.models.get(turn);
    this.wait(false);
    this.change(() => {
      if (this.speech) this.speech.root.classList.remove('partial');
      this.speech = null;
      if (!bubble) return;
      bubble.open(false);
      bubble.root.classList.remove('waiting');
      if (!saved) bubble.mark('unsaved', 'Not saved');
      if (bubble.empty && !bubble.thoughts) bubble.root.remove();
    });
  }

  // The connection is gone: nothing more will come for what is open.
  cut() {
    for (const bubble of this.models.values()) bubble.open(false);
    this.models.clear();
    this.speech = null;
    this.wait(false);
  }

  tool({ id, name, state, text }) {
    this.wait(false);
    this.change(() => {
      let card = this.tools.get(id);
      if (!card) {
        const root = element('div', { class: 'tool' }, element('span', { class: 'dot', 'aria-hidden': 'true' }));
        card = { root, what: element('span') };
        root.append(element('b', { text: name }), card.what);
        this.tools.set(id, card);
        this.root.append(root);
      }
      const words = { asking: 'asks you first', progress: 'running' };
      card.root.dataset.state = state;
      card.what.textContent = text || words[state] || state;
    });
  }
}
