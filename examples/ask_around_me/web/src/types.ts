/**
 * What goes over the wire: the shapes of the server's routes, tasks and topics.
 *
 * `ringback types` writes those of tasks from the server's OpenAPI; here they stand by hand, so
 * that they can be read.
 */

export interface Point {
  readonly lat: number;
  readonly lng: number;
}

export interface Person {
  readonly id: string;
  readonly name: string;
}

export type Kind = "stars" | "place";

export interface Photo {
  readonly id: string;
  /** Of the large one, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly small: string;
  readonly medium: string;
  readonly large: string;
}

/** What all answers say together. Of places: no average, no distribution. */
export interface Answers {
  readonly count: number;
  readonly average: number | null;
  /** How many gave half a star, one, … five. */
  readonly distribution: readonly number[] | null;
}

export interface Question {
  readonly id: string;
  /** Of two with the same id the higher one is the newer one. */
  readonly version: number;
  readonly text: string;
  readonly kind: Kind;
  readonly at: Point;
  readonly cell: string;
  readonly author: Person;
  readonly created: string;
  readonly photos: readonly Photo[];
  readonly answers: Answers;
}

export interface Answer {
  readonly question: string;
  readonly stars: number | null;
  readonly place: Point | null;
  readonly at: string;
}

export interface HeatCell {
  readonly cell: string;
  readonly count: number;
  readonly at: Point;
  readonly outline: readonly (readonly [number, number])[];
}

/** A message of `answers/{question}`. */
export interface Detail {
  readonly question: Question;
  readonly heat: readonly HeatCell[];
}

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
    | { readonly kind: "oidc"; readonly issuer: string; readonly audience: string };
  readonly demo: Readonly<Record<string, unknown>> | null;
}

/** `POST /api/session` */
export interface Session {
  readonly token: string;
  readonly expires_at: string;
  readonly expires_in: number;
  readonly person: Person;
}

/** The input of `ask`. */
export interface Asking {
  readonly id: string;
  readonly text: string;
  readonly kind: Kind;
  readonly at: Point;
}

/** The input of `answer`: one of both. */
export type Answering =
  | { readonly question: string; readonly stars: number }
  | { readonly question: string; readonly place: Point };

export interface Answered {
  readonly question: Question;
  readonly answer: Answer | null;
}

/** The server's tasks and topics, for `connect`. */
export interface AskApi {
  tasks: {
    ask: { input: Asking; result: Question };
    answer: { input: Answering; result: Answered };
    withdraw: { input: { readonly question: string }; result: Answered };
  };
  topics: { "questions/{cell}": Question; "answers/{question}": Detail };
}
