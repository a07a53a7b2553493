// Room for held connections. Over HTTP/1.1 a browser opens six connections to one host, for all of
// its tabs together; were each card to hold one, the seventh request would wait for ever. So a few
// are lent out, by locks that all tabs of this origin share; whoever gets none polls meanwhile.

const SLOTS = 4; // of six: two are left for requests that are answered at once

const mine = new Set();

/** A function that gives the place back, or null when all are taken. */
export async function place() {
  for (let number = 0; number < SLOTS; number += 1) {
    if (mine.has(number)) continue;
    mine.add(number);
    const release = await lock(`ringback-demo-connection-${number}`);
    if (release !== null) {
      return () => {
        mine.delete(number);
        release();
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
