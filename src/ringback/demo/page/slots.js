// Room for connections. Over HTTP/1.1 a browser opens six to one host, for all of its tabs together;
// were each card to hold one, the seventh request would wait for ever. So a few are lent out to be
// held, by locks that all tabs of this origin share; whoever gets none polls meanwhile. The others
// are for requests that are answered at once: they queue here rather than in the browser, so that
// the time from sending to the answer is the server's.

const CONNECTIONS = 6;
const SLOTS = 4; // to be held

const mine = new Set();
let busy = 0; // requests of this tab that wait for their answers
const queue = [];

/** Runs a short request as soon as there is a connection for it. */
export async function whenFree(send) {
  while (busy >= CONNECTIONS - mine.size) await new Promise((next) => queue.push(next));
  busy += 1;
  try {
    return await send();
  } finally {
    busy -= 1;
    queue.shift()?.();
  }
}

/** A function that gives the place back, or null when there is none, or requests wait for it. */
export async function place() {
  if (queue.length > 0) return null;
  for (let number = 0; number < SLOTS; number += 1) {
    if (mine.has(number)) continue;
    mine.add(number);
    const release = await lock(`ringback-demo-connection-${number}`);
    if (release !== null) {
      return () => {
        mine.delete(number);
        release();
        queue.shift()?.();
      };
    }
    mine.delete(number);
  }
  return null;
}

function lock(name) {
  if (!navigator.locks) return Promise.resolve(() => {}); // then this tab counts for itself
  return new Promise((granted) => {
    navigator.locks.request(name, { ifAvailable: true }, (held) => {
      if (held === null) {
        granted(null);
        return undefined;
      }
      return new Promise((release) => granted(release));
    });
  });
}
