"use client";

/**
 * `ringback/react`: hooks for React 18 and later. They work under StrictMode and with server
 * rendering: a server opens no connection, the page does once it is mounted.
 */

export type { DataOf } from "../topics.js";
export { useConnection } from "./connection.js";
export { type OperationRef, type OperationView, useOperation } from "./operation.js";
export { RingbackProvider, type RingbackProviderProps, useClient } from "./provider.js";
export { type Submission, type SubmissionOptions, useSubmit } from "./submit.js";
export {
  type Filters,
  type TopicOptions,
  type TopicReduceOptions,
  type TopicState,
  type TopicStatus,
  type TopicView,
  useTopic,
} from "./topic.js";
export { createHooks, type Hooks } from "./typed.js";
export { type UploadView, useUpload } from "./upload.js";
