/**
 * Beginning by pages: entries that no connection knows of are brought up to the present with plain
 * requests, each on its own account, so that what is refused concerns nobody else.
 */

import type { RingbackError } from "./errors.js";
import type { Answer, RequestOptions } from "./http.js";
import type { Kit } from "./kit.js";
import type { Entry, Incoming } from "./resume.js";
import type { Context } from "./transport.js";

/** Messages in a page: the most that the server gives. */
const LIMIT = 1000;

/** A page of topics. */
export interface Page {
  readonly messages: readonly Incoming[];
  readonly position: string;
  readonly gap: boolean;
  readonly missed: readonly string[];
}

/** The query for a page of topics, or a stream. */
export function query(filters: Iterable<string>, after: string | null): string {
  const parameters = [...new Set(filters)].map((filter): [string, string] => ["filter", filter]);
  if (after) parameters.push(["after", after]);
  return `topics?${new URLSearchParams(parameters)}`;
}

/** Up to where messages are gone that came before these: these are for whoever has not had them. */
export function start(messages: Page["messages"]): string | undefined {
  const first = messages.find(({ position }) => position)?.position;
  return first?.replace(/\d+$/, (number) => String(BigInt(number) - 1n));
}

/** Whether it is a refusal of what was asked for, and would be one again. */
export function refuses(kit: Kit, error: unknown): error is RingbackError {
  return error instanceof kit.RingbackError && error.status >= 400 && error.status < 429;
}

/** Brings entries up to the present. */
export class Pages {
  readonly #context: Context;
  readonly #options: RequestOptions;
  /** Answers that came. */
  #came = 0;

  constructor(context: Context, signal: AbortSignal) {
    this.#context = context;
    this.#options = { signal };
  }

  /**
   * Read what these have missed. Those that are refused are ended; of the others each stands at
   * its own position. Rejects when it cannot be read now.
   */
  async begin(entries: readonly Entry[]): Promise<void> {
    const groups = new Map<string | null | Entry, Entry[]>();
    for (const entry of entries) {
      const key = this.#context.kit.isOperation(entry) ? entry : entry.at;
      groups.set(key, [...(groups.get(key) ?? []), entry]);
    }
    await Promise.all([...groups.values()].map((group) => this.#group(group)));
  }

  async #group(group: Entry[]): Promise<void> {
    const first = group[0];
    if (!first) return;
    const { isOperation } = this.#context.kit;
    try {
      if (isOperation(first)) return await this.#operation(first);
      while (await this.#page(group));
      for (const entry of this.#left(group)) entry.current();
    } catch (error) {
      if (!(await this.concerns(first, error))) throw error;
      if (group.length === 1) this.#context.positions.end(group, error as RingbackError);
      else await Promise.all(group.map((entry) => this.#group([entry])));
    }
  }

  /**
   * Ask; again, where it may pass and others have come through since: of very many that are asked
   * for at once, one that fails must not undo the others.
   */
  async get<T>(path: string, options: RequestOptions): Promise<Answer<T>> {
    for (;;) {
      const came = this.#came;
      try {
        const answer = await this.#context.http.request<T>(path, options);
        this.#came++;
        return answer;
      } catch (error) {
        const { passes, pause } = this.#context.kit;
        if (!passes(error) || options.signal?.aborted || this.#came === came) throw error;
        await pause((error.retryAfter || Math.random()) * 1000, options.signal);
      }
    }
  }

  /** Whether this is a refusal of what was asked for. A token that is not good concerns all. */
  async concerns({ token }: Entry, error: unknown): Promise<boolean> {
    const { kit, http } = this.#context;
    if (!refuses(kit, error)) return false;
    return error.status !== 401 || !!token || !(await http.tokens.get());
  }

  #left(group: Entry[]): Entry[] {
    return group.filter((entry) => this.#context.positions.entries.has(entry));
  }

  /** The next page; whether there may be another. */
  async #page(group: Entry[]): Promise<boolean> {
    const { positions, kit } = this.#context;
    const asked = this.#left(group).filter((entry) => !entry.joined);
    const after = asked[0]?.at ?? null;
    if (!asked.length) return false;
    const path = query(
      asked.map((entry) => entry.filter),
      after,
    );
    const { data } = await this.get<Page>(`${path}&limit=${LIMIT}`, this.#options);
    let more = false;
    for (const entry of this.#left(asked)) {
      positions.confirm(entry);
      const missed = data.missed.length ? data.missed : null;
      if (data.gap && (!missed || missed.some((topic) => entry.fits(topic)))) {
        const position = (after && start(data.messages)) || data.position;
        entry.gap({ topics: missed, position });
      }
      // Where its filter is on the wire already, what lies beyond the present comes from there.
      const live = positions.wired(entry.filter).length ? positions.live : null;
      for (const message of data.messages) {
        const beyond = live && message.position && kit.higher(message.position, live);
        if (beyond || !entry.fits(message.topic)) continue;
        // Who asks where it stands when it is given this, or ends there, stands behind it.
        if (after) entry.at = message.position ?? entry.at;
        entry.take(message);
        if (!positions.entries.has(entry)) break;
      }
      if (!positions.entries.has(entry)) continue;
      entry.at = data.position;
      const behind = live && kit.beyond(live, data.position);
      // Not where the page has changed the transport when it was given this.
      if (live && !behind && !this.#options.signal?.aborted) positions.join(entry, live);
      else more ||= live !== null || (after !== null && data.messages.length > 0);
    }
    return more;
  }

  /** One operation as it stands. */
  async #operation(entry: Entry): Promise<void> {
    const { positions, kit } = this.#context;
    let wired: Entry | undefined;
    for (let behind = true; behind; ) {
      const after = entry.at ? `?${new URLSearchParams({ after: entry.at })}` : "";
      const options = { ...this.#options, token: entry.token };
      const { data } = await this.get<{ position: string }>(entry.filter + after, options);
      if (!positions.entries.has(entry)) return;
      positions.stands(entry, data.position, data);
      positions.confirm(entry);
      wired = positions.wired(entry.filter)[0];
      behind = !!wired?.at && kit.beyond(wired.at, data.position);
    }
    entry.wired = !!wired;
  }
}
