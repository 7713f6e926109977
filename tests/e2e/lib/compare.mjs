// What counts as equal on the wire: key order and spacing never do; upstream neither key style nor base64 alphabet.
import { isDeepStrictEqual, inspect } from 'node:util';

const camel = (key) => key.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const theirs = new Set(['args', 'response', 'properties']); // keys below these are not the protocol's

// One style for what may be written in two.
export function normalise(value, key) {
  if (Array.isArray(value)) return value.map((item) => normalise(item, key));
  if (value === null || typeof value !== 'object')
    return key === 'data' && typeof value === 'string' ? standard(value) : value;
  const result = {};
  for (const name of Object.keys(value)) {
    const to = camel(name);
    result[to] = theirs.has(to) ? value[name] : normalise(value[name], to);
  }
  return result;
}

function standard(text) {
  const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  return plain + '='.repeat((4 - (plain.length % 4)) % 4);
}

export const equal = isDeepStrictEqual;

// For people: long strings are cut, everything else is shown.
export const show = (value) =>
  inspect(value, { depth: 12, breakLength: 110, maxStringLength: 160, maxArrayLength: 40 });
