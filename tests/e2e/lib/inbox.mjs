// What came in on one connection, in order, each taken once; waiting has a bound.
export const PATIENCE = 5000;

export class Inbox {
  #items = [];
  #waiting = [];

  push(item) {
    const take = this.#waiting.shift();
    if (take) take(item);
    else this.#items.push(item);
  }

  get pending() {
    return [...this.#items];
  }

  // The next one; undefined when nothing came for so long.
  next(ms = PATIENCE) {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    return new Promise((resolve) => {
      const take = (item) => { clearTimeout(timer); resolve(item); };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        resolve(undefined);
      }, ms);
      this.#waiting.push(take);
    });
  }
}
