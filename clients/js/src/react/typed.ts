/** The hooks with the types of one server's tasks and topics. Types only: the hooks are the same. */

import type { ReactElement } from "react";
import type { DataOf } from "../topics.js";
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
