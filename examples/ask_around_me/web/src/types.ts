/**
 * What goes over the wire: the shapes of the server's own routes. Those of its tasks and topics are
 * in `tasks.ts`, as `ringback types` writes them.
 */

import type { Answer, Detail, Person, Point, Question } from "./tasks.js";

export type {
  Answer,
  Answered,
  Answering,
  Answers,
  Api as AskApi,
  Asking,
  Detail,
  HeatCell,
  Person,
  Photo,
  Point,
  Question,
} from "./tasks.js";

export type Kind = Question["kind"];

/** `GET /api/questions` */
export interface Around {
  readonly questions: readonly Question[];
  readonly cells: readonly string[];
  readonly topics: readonly string[];
  readonly position: string;
  readonly more: boolean;
  readonly mine: Readonly<Record<string, Answer>>;
}

/** `GET /api/questions/{id}` */
export interface Looked extends Detail {
  readonly topics: readonly string[];
  readonly position: string;
  readonly mine: Answer | null;
}

/** `GET /api/config` */
export interface Config {
  readonly radius: number;
  readonly max_text: number;
  readonly home: Point & { readonly name: string };
  readonly tiles: { readonly url: string; readonly attribution: string } | null;
  readonly photos: {
    readonly max_size: number;
    readonly types: readonly string[];
    readonly max: number;
  };
  readonly sign_in:
    | { readonly kind: "name" }
    | { readonly kind: "oidc"; readonly issuer: string | null; readonly audience: string | null };
  /** Where the WebSocket is, unless it is with the rest. */
  readonly web_socket: string | null;
  readonly demo: Readonly<Record<string, unknown>> | null;
}

/** `POST /api/session` */
export interface Session {
  readonly token: string;
  readonly expires_at: string;
  readonly expires_in: number;
  readonly person: Person;
}
