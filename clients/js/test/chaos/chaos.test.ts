/**
 * Thousands of messages, and work, over a network that breaks at random, on every transport: each
 * message exactly once and in order, each submission one operation, each result right. Chance is the
 * same each time; CHAOS_SEED=… has another, and what fails says which. CHAOS_TIMES=10 goes on for ten
 * times as long, with a new one.
 */

import type { IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from "vitest";
import {
  type Client,
  connect,
  type Message,
  type SubscribeOptions,
  type Subscription,
  type TransportName,
} from "../../src/index.js";
import { Server } from "../serving.js";
import { holds, hurry, wait, within } from "./clock.js";
import { type Fault, Gateway, type Upgrades } from "./gateway.js";
import { Chance } from "./random.js";
import { type Fate, Wire } from "./wire.js";

const TIMES = Number(process.env["CHAOS_TIMES"]) || 1;
const TOPICS = [..."abcdefghij"];
/** Of each topic. */
const MESSAGES = 60 * TIMES;
const OPERATIONS = 24 * TIMES;
/** Milliseconds over which all that begins. */
const DURING = 2_500 * TIMES;
/** Connections that have to have been broken by then. */
const BROKEN = 15;
/** The client's time goes so many times as fast: it waits tens of seconds before it doubts. */
const HASTE = 20;
const LIMIT = 400_000 * TIMES;

const ALL: TransportName[] = ["websocket", "sse", "long-polling", "polling"];
/** With some of them, something was lost once. */
const SEEDS = [1636803368, 1162510056, 885737731, 2089559245, 558472763];
const CASES = [...ALL.map((name) => [name]), ALL].map((transports, index) => ({
  transports,
  name: transports.length > 1 ? "all" : (transports[0] as string),
  seed: TIMES > 1 ? Math.floor(Math.random() * 2 ** 31) : (SEEDS[index] ?? 0),
}));

const server = new Server({ publish_rate: 0 }, "chaos/server");
let ends: (() => unknown)[] = [];

beforeAll(() => server.start());
afterAll(() => server.dispose());
afterEach(() => {
  for (const end of ends) end();
  ends = [];
});

/** A fate for each connection: most are cut sooner or later, some are never heard of again. */
function fates(chance: Chance): () => Fate {
  return () => {
    const delay = chance.next() < 0.3 ? { delay: chance.between(1, 30) } : {};
    const after = Math.floor(10 ** (1 + 3.5 * chance.next()));
    const reset = chance.next() < 0.5;
    const kind = chance.weighed({ cut: 5, cutAsked: 2, freeze: 1, idle: 1, pass: 1 });
    if (kind === "cut") return { ...delay, cut: { after, of: "answers", reset } };
    if (kind === "cutAsked") return { ...delay, cut: { after, of: "asked", reset } };
    if (kind === "freeze") return { ...delay, freezes: after };
    if (kind === "idle") return { ...delay, idle: chance.between(20, 400) };
    return delay;
  };
}

/** A fault for each request: every third has one. */
function faults(chance: Chance): (message: IncomingMessage) => Fault {
  return () =>
    chance.weighed({
      pass: 16,
      refuse: 2,
      lose: 1,
      twice: 2,
      truncate: 1,
      shorten: 1,
      stray: 1,
      stall: 0.5,
    });
}

/** What came of one topic, by the topic's name, and nothing twice or out of order. */
class Seen {
  readonly byTopic = new Map<string, number[]>();
  gaps = 0;

  take = (message: Message<number>): void => {
    const name = message.topic.split("/").at(-1) ?? "";
    const list = this.byTopic.get(name) ?? [];
    this.byTopic.set(name, list);
    list.push(message.data);
  };

  get count(): number {
    return [...this.byTopic.values()].reduce((sum, list) => sum + list.length, 0);
  }

  /** The first thing that is not as it has to be, of these topics. */
  wrong(topics: readonly string[]): string | null {
    if (this.gaps) return `${this.gaps} gaps`;
    for (const topic of topics) {
      const list = this.byTopic.get(topic) ?? [];
      const at = list.findIndex((each, index) => each !== index);
      if (at >= 0) return `${topic}: after ${list.slice(Math.max(0, at - 3), at)} came ${list[at]}`;
      if (list.length !== MESSAGES) return `${topic}: ${list.length} of ${MESSAGES}`;
    }
    return null;
  }
}

describe.each(CASES)("over $name", ({ transports, name, seed }) => {
  test(
    "each message comes once and in order, and all work is done once",
    async () => {
      const chance = new Chance(Number(process.env["CHAOS_SEED"]) || seed);
      onTestFailed(() => console.error(`CHAOS_SEED=${chance.seed} npx vitest run test/chaos`));
      const gateway = await new Gateway(() => Number(new URL(server.url).port), chance).start();
      const wire = await new Wire(() => gateway.port).start();
      const statuses: string[] = [];
      const used = new Set<TransportName>();
      const c = connect(wire.url, { transports });
      c.onConnection(({ status, transport }) => {
        statuses.push(status);
        if (status === "connected" && transport) used.add(transport);
      });
      ends = [
        () => c.close(),
        () => wire.dispose(),
        () => gateway.dispose(),
        hurry(HASTE, server.url),
      ];
      wire.fate = fates(chance);
      gateway.fault = faults(chance);

      const { followed, more } = follow(c, name);
      const state = (): string => JSON.stringify(c.connection);
      const ready = Promise.all(followed.map((each) => each.ready));
      await within(ready, () => `ready: ${state()}`);
      const file = new Uint8Array(1_500_000).map((_, index) => index);
      const upload = c.upload<number>(new Blob([file]), { name: "files/one" });
      const stages = new Map<number, string>();
      const work = Array.from({ length: OPERATIONS }, (_, tag) =>
        wait(chance.between(0, DURING))
          .then(() => operation(c, name, tag, (stage) => stages.set(tag, stage)))
          .then(() => stages.delete(tag)),
      );
      const working = (): string => `work: ${JSON.stringify([...stages])} ${state()}`;
      const done = Promise.all(work);
      done.catch(() => {}); // It is waited for later.
      const publishing = TOPICS.map((topic) => publish(`${name}/${topic}`));
      const late = wait(DURING / 2).then(more);
      if (transports.length > 1) await proxies(gateway, wire, used);
      else await outages(wire, chance);
      await within(Promise.all([...publishing, late]), () => "published", DURING + 120_000);
      await holds(
        () => wire.broken >= BROKEN,
        () => `${wire.broken} connections were broken`,
      );
      wire.calm();
      gateway.calm();

      const every = await late.then((them) => [...followed, ...them]);
      const wrong = (): string[] =>
        every.flatMap(({ seen, topics, what }) => {
          const found = seen.wrong(topics);
          return found ? [`${what}: ${found}`] : [];
        });
      await holds(
        () => every.every(({ seen, topics }) => seen.count >= topics.length * MESSAGES),
        () => `${wrong().join("; ")}; ${state()}`,
      );
      expect(wrong()).toEqual([]);
      expect(await within(done, working)).toHaveLength(OPERATIONS);
      const result = within(upload.result(), () => `upload: ${upload.sent} ${state()}`);
      expect(await result).toBe(file.reduce((sum, byte) => sum + byte, 0));
      expect((await runs(name)).sort((a, b) => a - b)).toEqual(range(OPERATIONS));
      // What is followed is what there was: nothing more comes of what is over.
      expect(every.map(({ seen }) => seen.count)).toEqual(
        every.map(({ topics }) => topics.length * MESSAGES),
      );
      await holds(() => c.connection.transport === transports[0], state);
      // Polls are asked for again without much ado.
      if (!name.endsWith("polling")) expect(statuses).toContain("waiting");
    },
    LIMIT,
  );
});

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

interface Followed {
  readonly seen: Seen;
  readonly topics: readonly string[];
  readonly what: string;
  readonly ready: Promise<void>;
}

/** Follow in every way that there is: some at once, some later. */
function follow(c: Client, name: string): { followed: Followed[]; more: () => Followed[] } {
  function one(what: string, topics: readonly string[], after?: "earliest"): Followed {
    const seen = new Seen();
    const onGap = (): unknown => seen.gaps++;
    const options = { onGap, ...(after && { after }) };
    const { ready } = c.subscribe<number>(what, seen.take, options);
    return { seen, topics, what, ready };
  }

  /** By an iterator, and by one subscription after the other, each going on from the last. */
  function inPieces(topic: string): Followed {
    const seen = new Seen();
    const filter = `chaos/${name}/${topic}`;
    let after: string | null = null;
    let confirmed = (): void => {};
    const ready = new Promise<void>((resolve) => {
      confirmed = resolve;
    });
    (async () => {
      while (seen.count < MESSAGES) {
        const from: string | null = after;
        const options: SubscribeOptions = {
          onGap: () => seen.gaps++,
          ...(from && { after: from }),
        };
        const subscription: Subscription<number> = c.subscribe<number>(filter, undefined, options);
        void subscription.ready.then(confirmed, () => {});
        let pieces = 0;
        for await (const message of subscription) {
          seen.take(message);
          after = message.position;
          if (++pieces === 20) break;
        }
        subscription.close();
      }
    })().catch(() => {}); // What it misses then is seen in the end.
    return { seen, topics: [topic], what: `${filter} in pieces`, ready };
  }

  return {
    followed: [
      one(`chaos/${name}/a`, ["a"]),
      one(`chaos/${name}/+`, TOPICS),
      one(`chaos/${name}/{item}`, TOPICS),
      inPieces("c"),
    ],
    more: () => [
      one(`chaos/${name}/b`, ["b"], "earliest"),
      one(`chaos/${name}/+`, TOPICS, "earliest"),
      one(`/chaos/${name}/:item`, TOPICS, "earliest"),
    ],
  };
}

/** Past the proxies: what is published is known. */
async function publish(topic: string): Promise<void> {
  const begun = performance.now();
  for (let number = 0; number < MESSAGES; number++) {
    await server.publish(`chaos/${topic}`, number);
    const early = (DURING * number) / MESSAGES - (performance.now() - begun);
    if (early > 0) await wait(early);
  }
}

/** `tell` hears how far it is. */
async function operation(
  c: Client,
  test: string,
  tag: number,
  tell: (stage: string) => void,
): Promise<void> {
  const upto = 3 * (tag % 24);
  tell("submitting");
  const made = await c.submit("count", { test, tag, upto });
  const parts: unknown[] = [];
  const told = (): void => tell(`${made.id} ${made.status}: ${parts.length} of ${upto} parts`);
  made.onChange(told);
  told();
  for await (const part of made.parts()) parts.push(part);
  expect(parts).toEqual(range(upto));
  expect(await made.result()).toEqual(range(upto));
}

/** How often each work was begun, as it says itself. */
async function runs(test: string): Promise<number[]> {
  const answer = await fetch(`${server.url}topics/runs/${test}?after=earliest&limit=1000`);
  const { messages } = (await answer.json()) as { messages: { data: number }[] };
  return messages.map(({ data }) => data);
}

/** All connections at once. */
async function outages(wire: Wire, chance: Chance): Promise<void> {
  for (const how of ["cut", "freeze", "cut"] as const) {
    await wait(chance.between(0, DURING / 3));
    wire[how]();
  }
}

/** One bad proxy after the other, each until the client has found a way past it. */
async function proxies(
  gateway: Gateway,
  wire: Wire,
  used: ReadonlySet<TransportName>,
): Promise<void> {
  const past = async (upgrades: Upgrades, buffers: boolean, ways: TransportName[]) => {
    Object.assign(gateway, { upgrades, buffers });
    wire.cut();
    await holds(
      () => ways.some((way) => used.has(way)),
      () => `${upgrades}: ${[...used]}`,
    );
  };
  await past(403, false, ["sse"]);
  await past(400, true, ["long-polling", "polling"]);
  gateway.buffers = false;
  for (const upgrades of ["silent", "hang"] as const) {
    gateway.upgrades = upgrades;
    await wait(DURING / 4);
  }
}
