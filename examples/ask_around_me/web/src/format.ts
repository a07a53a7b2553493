/** Numbers, times and lists as they are read. Pure: what time it is comes as an argument. */

const numbers = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat("en");
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const dates = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

/** "here", "350 m", "1.2 km", "12 km" */
export function distance(metres: number): string {
  if (metres < 30) return "right here";
  if (metres < 950) return `${Math.max(50, Math.round(metres / 50) * 50)} m`;
  if (metres < 9_950) return `${numbers.format(metres / 1000)} km`;
  return `${exact.format(Math.round(metres / 1000))} km`;
}

const STEPS: readonly (readonly [limit: number, unit: Intl.RelativeTimeFormatUnit, ms: number])[] =
  [
    [3_600_000, "minute", 60_000],
    [86_400_000, "hour", 3_600_000],
    [7 * 86_400_000, "day", 86_400_000],
  ];

/** "just now", "4 min. ago", "yesterday", "3 Mar 2026" */
export function ago(time: string, now: number): string {
  const then = Date.parse(time);
  const age = now - then;
  if (age < 45_000) return "just now";
  for (const [limit, unit, ms] of STEPS) {
    if (age < limit - ms / 2) return relative.format(-Math.max(1, Math.round(age / ms)), unit);
  }
  return dates.format(then);
}

/** "3 answers", "1 answer", "no answers" */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n === 0 ? "no" : exact.format(n)} ${n === 1 ? one : many}`;
}

/** With a capital letter, for a sentence's beginning. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "½", "3", "3½": what somebody gives */
export function halves(stars: number): string {
  const whole = Math.floor(stars);
  return `${whole > 0 ? whole : ""}${stars - whole >= 0.5 ? "½" : ""}` || "0";
}

/** "½ star", "1 star", "3½ stars" */
export function stars(value: number): string {
  return `${halves(value)} ${value <= 1 && value > 0 ? "star" : "stars"}`;
}

/** "4.3", from what has two decimals */
export function average(value: number): string {
  return value.toFixed(1);
}

/** "0 B", "812 B", "1.4 kB", "12 MB" */
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  const [unit, size] = n < 999_500 ? ["kB", 1000] : ["MB", 1_000_000];
  const value = n / size;
  return `${value < 10 ? numbers.format(value) : exact.format(Math.round(value))} ${unit}`;
}

/** A bound of so many bytes, never more than it is: "12 MB" */
export function atMost(n: number): string {
  return n < 1_000_000 ? bytes(n) : `${exact.format(Math.floor(n / 1_000_000))} MB`;
}

/** "14:03:07.250" of this clock */
export function clock(at: number): string {
  const time = new Date(at);
  const two = (n: number) => String(n).padStart(2, "0");
  const ms = String(time.getMilliseconds()).padStart(3, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${ms}`;
}

/** Seconds in words: "a moment", "12 seconds", "5 minutes", "3 hours" */
export function duration(seconds: number): string {
  if (seconds < 1.5) return "a moment";
  if (seconds < 90) return `${Math.round(seconds)} seconds`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return count(Math.round(seconds / 3600), "hour");
}

/** Whole seconds until then, at least 0. */
export function secondsUntil(at: number, now: number): number {
  return Math.max(0, Math.ceil((at - now) / 1000));
}

/** Characters as the server counts them: code points, not UTF-16's units. */
export function length(text: string): number {
  return [...text.trim().replace(/\s+/g, " ")].length;
}
