// Cards that ask whether a tool may run with exactly these arguments. A card stays until it is answered, the call is over or
// its time is; every value goes in as text.
import { element } from './dom.js';

const readableValue = (value) => (typeof value === 'string' ? value : JSON.stringify(value, null, 1));

class Question {
  constructor({ id, tool, args, question, nonce, expires_ms: expires }, answer) {
    const title = element('h2', { id: `question-${nonce}` }, 'May ', element('b', { text: tool }), ' run?');
    this.left = element('p', { class: 'left quiet' });
    this.id = id;
    this.until = Date.now() + expires;
    this.root = element('article', { class: 'question', role: 'group', 'aria-labelledby': title.id }, title);
    if (question) this.root.append(element('p', { class: 'asks', text: question }));
    this.root.append(this.arguments(args), this.left, this.buttons(nonce, answer));
  }

  arguments(args) {
    const names = Object.keys(args);
    if (!names.length) return element('p', { class: 'quiet', text: 'Without arguments.' });
    return element('dl', {}, ...names.flatMap((name) => [element('dt', { text: name }), element('dd', { text: readableValue(args[name]) })]));
  }

  buttons(nonce, answer) {
    const button = (name, text, allow) => {
      const made = element('button', { type: 'button', class: name, text });
      made.addEventListener('click', () => answer(this, nonce, allow));
      return made;
    };
    return element('div', { class: 'answers' }, button('deny', 'Deny', false), button('allow', 'Allow', true));
  }

  // False: its time is over.
  tick() {
    const seconds = Math.ceil((this.until - Date.now()) / 1000);
    this.left.textContent = `${Math.max(0, seconds)} s left to answer`;
    return seconds > 0;
  }
}

export class Questions {
  #open = new Map(); // call id -> Question
  #clock = null;

  // send: hands a frame to the server, false if there is no connection.
  constructor(root, send) {
    this.root = root;
    this.send = send;
  }

  ask(confirm) {
    this.close(confirm.id);
    const question = new Question(confirm, (asked, nonce, allow) => {
      if (this.send({ type: 'confirm', nonce, allow })) this.close(asked.id);
    });
    question.tick();
    this.#open.set(confirm.id, question);
    this.root.append(question.root);
    this.#clock ??= setInterval(() => this.#tick(), 1000);
  }

  close(id) {
    const question = this.#open.get(id);
    if (!question) return;
    // Whoever answered by keyboard is not left without a place.
    const focused = question.root.contains(document.activeElement);
    question.root.remove();
    this.#open.delete(id);
    if (focused) document.getElementById('message').focus();
    if (this.#open.size === 0) {
      clearInterval(this.#clock);
      this.#clock = null;
    }
  }

  clear() {
    for (const id of [...this.#open.keys()]) this.close(id);
  }

  #tick() {
    for (const [id, question] of [...this.#open]) {
      if (!question.tick()) this.close(id);
    }
  }
}
