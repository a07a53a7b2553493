/** The hooks with the types of one server's tasks and topics. Types only: the hooks are the same. */

import type { ReactElement } from "react";
import type {
  Api,
  Client,
  Connection,
  InputOf,
  Operation,
  PartOf,
  ResultOf,
  TaskName,
} from "../types.js";
import { useConnection } from "./connection.js";
import { type OperationRef, type OperationView, useOperation } from "./operation.js";
import { RingbackProvider, type RingbackProviderProps, useClient } from "./provider.js";
import { type Submission, useSubmit } from "./submit.js";
import {
  type Filters,
  type TopicOptions,
  type TopicReduceOptions,
  type TopicState,
  type TopicView,
  useTopic,
} from "./topic.js";
import { type UploadView, useUpload } from "./upload.js";

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

/** The hooks, typed for one server. */
export interface Hooks<A extends Api> {
  RingbackProvider(props: RingbackProviderProps<A>): ReactElement;
  useClient(): Client<A>;
  useConnection(): Connection;
  useSubmit<T extends TaskName<A>>(
    task: T,
  ): Submission<InputOf<A, T>, ResultOf<A, T>, PartOf<A, T>>;
  /** With the task's name beside id and token, result and parts have their types. */
  useOperation<T extends TaskName<A>>(
    target: (OperationRef & { task: T }) | null | undefined,
  ): OperationView<ResultOf<A, T>, PartOf<A, T>>;
  useOperation<R = unknown, P = unknown>(
    target: Operation<R, P> | OperationRef | null | undefined,
  ): OperationView<R, P>;
  useTopic<F extends string>(
    filter: Filters<F>,
    options?: TopicOptions<DataOf<A, F>>,
  ): TopicView<DataOf<A, F>>;
  useTopic<F extends string, S>(
    filter: Filters<F>,
    options: TopicReduceOptions<DataOf<A, F>, S>,
  ): TopicState<DataOf<A, F>, S>;
  useUpload<R = unknown, P = unknown>(): UploadView<R, P>;
}

/**
 * The hooks, typed by what `ringback types` wrote. Once, in a module of the application:
 *
 * ```ts
 * export const { RingbackProvider, useSubmit, useTopic } = createHooks<Api>();
 * ```
 */
export function createHooks<A extends Api>(): Hooks<A> {
  const hooks = {
    RingbackProvider,
    useClient,
    useConnection,
    useOperation,
    useSubmit,
    useTopic,
    useUpload,
  };
  return hooks as unknown as Hooks<A>;
}
