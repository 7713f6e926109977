// What the user must know. Errors stay until they are dismissed.
import { element } from './dom.js';

const MAX_NOTICES = 6; // beyond it the oldest goes

export class Notices {
  constructor(root) {
    this.root = root;
    this.named = new Map();
  }

  add(kind, body, { name = null, closable = true } = {}) {
    this.remove(name);
    const notice = element('div', { class: `notice ${kind}`, role: kind === 'error' ? 'alert' : 'status' }, body);
    if (closable) {
      const close = element('button', { type: 'button', class: 'close', 'aria-label': 'Dismiss', text: '×' });
      close.addEventListener('click', () => notice.remove());
      notice.append(close);
    }
    if (name) this.named.set(name, notice);
    this.root.append(notice);
    const errors = this.root.querySelectorAll('.notice.error');
    if (errors.length > MAX_NOTICES) errors[0].remove();
    return notice;
  }

  remove(name) {
    this.named.get(name)?.remove();
    this.named.delete(name);
  }

  error({ code = 'error', message = '', hint = '' }) {
    const body = element('div', {}, element('p', { class: 'cause', text: message || 'Something went wrong.' }));
    if (hint) body.append(element('p', { class: 'hint', text: hint }));
    body.append(element('p', { class: 'code', text: code }));
    const same = [...this.root.querySelectorAll('.notice.error > div')].find((other) => other.isEqualNode(body));
    if (!same) this.add('error', body);
  }

  info(name, cause, hint, { closable = true, action = null } = {}) {
    const body = element('div', {}, element('p', { class: 'cause', text: cause }));
    if (hint) body.append(element('p', { class: 'hint', text: hint }));
    if (action) {
      const button = element('button', { type: 'button', class: 'link', text: action.text });
      button.addEventListener('click', action.run);
      body.append(button);
    }
    this.add('info', body, { name, closable });
  }
}
