// The processes in which isolated plugins live, seen from outside.
import { closeSync, openSync, readFileSync, readSync, readdirSync, readlinkSync } from 'node:fs';

const read = (file) => {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // it has ended meanwhile
  }
};

// [{pid, plugin}] of a server, by its process id. The plugin is known by the sealed copy that its process was given.
export function runners(server) {
  const found = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const [, state, parent] = /^\d+ \(.*\) (\S) (\d+)/s.exec(read(`/proc/${pid}/stat`)) ?? [];
    if (Number(parent) !== server || state === 'Z' || !read(`/proc/${pid}/cmdline`).startsWith('antiphon\0runner\0')) continue;
    try {
      found.push({ pid: Number(pid), plugin: /^\/memfd:(\S+)/.exec(readlinkSync(`/proc/${pid}/fd/4`))?.[1] });
    } catch {} // it has ended, or has not been given its copy yet
  }
  return found.sort((a, b) => a.pid - b.pid);
}

export const runnersOf = (server, plugin) => runners(server).filter((one) => one.plugin === plugin).map((one) => one.pid);

// Whether each text stands somewhere in the memory of a process. What a sanitizer maps in one piece of more than 256 MiB
// (its shadow) is passed over.
export function memoryHas(pid, ...texts) {
  const wanted = texts.map((text) => Buffer.from(text));
  const has = texts.map(() => false);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const chunk = Buffer.alloc(1 << 20);
  const overlap = Math.max(...wanted.map((text) => text.length));
  for (const line of readFileSync(`/proc/${pid}/maps`, 'latin1').split('\n')) {
    const [, from, to, mode] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
    if (!from || mode[0] !== 'r' || line.endsWith('[vvar]') || line.endsWith('[vsyscall]')) continue;
    const begin = parseInt(from, 16);
    const end = parseInt(to, 16);
    if (end - begin > 256 << 20) continue;
    for (let at = begin; at < end; at += chunk.length - overlap) {
      let n = 0;
      try {
        n = readSync(memory, chunk, 0, Math.min(chunk.length, end - at), at);
      } catch {
        break; // pages that cannot be read
      }
      wanted.forEach((text, i) => { has[i] ||= chunk.subarray(0, n).includes(text); });
    }
  }
  closeSync(memory);
  return has;
}
