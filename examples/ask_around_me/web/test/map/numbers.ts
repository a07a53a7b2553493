/** Numbers that look random and are the same in every run. */

/** Multiplier and modulus of Park and Miller. */
const [TIMES, MODULUS] = [48_271, 2_147_483_647] as const;

export function numbers(seed: number): (from: number, to: number) => number {
  let state = seed * 7919 + 1;
  return (from, to) => {
    state = (state * TIMES) % MODULUS;
    return from + ((to - from) * state) / MODULUS;
  };
}
