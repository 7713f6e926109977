// Sources of an answer and Google's search suggestions. Google's terms ask that the suggestions are shown as they
// come and that their links lead straight to Google: they are put unchanged into a frame that may run no script and
// reach nothing of this page.
import { element } from './dom.js';

// groundingMetadata in either spelling of its names.
const pick = (object, camel, snake) => (object ? (object[camel] ?? object[snake]) : undefined);

function webUrl(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
  } catch {
    return null;
  }
}

export class Grounding {
  constructor() {
    this.root = element('aside', { class: 'sources', 'aria-label': 'Sources' });
    this.heading = element('h3', { text: 'Sources' });
    this.list = element('ol');
    this.seen = new Set();
    this.html = '';
  }

  // It may come several times in one answer; what is new is added.
  add(metadata) {
    for (const chunk of pick(metadata, 'groundingChunks', 'grounding_chunks') ?? []) {
      const web = chunk && chunk.web;
      const url = web && webUrl(web.uri);
      if (!url || this.seen.has(url)) continue;
      this.seen.add(url);
      const link = element('a', { href: url, target: '_blank', rel: 'noopener noreferrer', text: web.title || web.domain || url });
      this.list.append(element('li', {}, link));
    }
    if (this.seen.size && !this.list.isConnected) this.root.prepend(this.heading, this.list);
    const html = pick(pick(metadata, 'searchEntryPoint', 'search_entry_point'), 'renderedContent', 'rendered_content');
    if (typeof html === 'string' && html && html !== this.html) this.suggest(html);
    return this.seen.size > 0 || this.html !== '';
  }

  suggest(html) {
    this.html = html;
    this.root.querySelector('iframe')?.remove();
    this.root.append(
      element('iframe', {
        class: 'suggestions',
        title: 'Google Search suggestions',
        sandbox: 'allow-popups allow-popups-to-escape-sandbox',
        referrerpolicy: 'no-referrer',
        marginwidth: '0',
        marginheight: '0',
        srcdoc: `<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><base target="_blank">${html}`,
      }),
    );
  }
}
