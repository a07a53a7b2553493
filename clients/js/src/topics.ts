/** What the messages of topics are, by a filter: types only. */

import type { Api } from "./types.js";

/** Whether a level of a topic's name or filter stands for any text. */
type Any<Level extends string> = string extends Level
  ? true
  : Level extends "+" | `${string}{${string}}${string}`
    ? true
    : false;

/** Whether two levels may be the same. A template literal's `${string}` is any text too. */
type SameLevel<A extends string, B extends string> =
  Any<A> extends true
    ? true
    : Any<B> extends true
      ? true
      : A extends B
        ? true
        : B extends A
          ? true
          : false;

/** The rest of a topic, whatever it is. */
type Rest = "#" | `{+${string}}`;

/** Whether a filter may bring messages of a topic, level by level. */
type Fits<Filter extends string, Topic extends string> = Filter extends "*" | Rest
  ? true
  : Topic extends Rest
    ? true
    : Filter extends `${infer F}/${infer Fs}`
      ? Topic extends `${infer T}/${infer Ts}`
        ? SameLevel<F, T> extends true
          ? Fits<Fs, Ts>
          : false
        : Fs extends "#"
          ? SameLevel<F, Topic>
          : false
      : Topic extends `${infer T}/#`
        ? SameLevel<Filter, T>
        : Topic extends `${string}/${string}`
          ? false
          : SameLevel<Filter, Topic>;

/** The topics of an API. */
type TopicsOf<A extends Api> = A extends { topics: infer Topics } ? Topics : Record<never, never>;

/** The data of an API's topics that a filter is about; unknown where it names none of them. */
export type DataOf<A extends Api, F extends string> = string extends F
  ? unknown
  : [Matching<TopicsOf<A>, F>] extends [never]
    ? unknown
    : TopicsOf<A>[Matching<TopicsOf<A>, F>];

type Matching<Topics, F extends string> = {
  [T in keyof Topics & string]: Fits<F, T> extends true ? T : never;
}[keyof Topics & string];
