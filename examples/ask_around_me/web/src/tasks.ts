// Written by `ringback types`: changes here are lost when it runs again.

/** What `ask-around-me` can be asked for: `connect<Api>()`. */
export interface Api {
  tasks: {
    /** Ask a question, and tell all who are around. */
    ask: {
      input: Asking;
      result: Question;
    };
    /** Answer a question, or change one's answer. */
    answer: {
      input: Answering;
      result: Answered;
    };
    /** Take one's answer back. */
    withdraw: {
      input: Withdrawing;
      result: Answered;
    };
  };
  topics: {
    "questions/{cell}": Question;
    "answers/{question}": Detail;
  };
}

/** The input of ``ask``. */
export interface Asking {
  id: string;
  text: string;
  kind: "stars" | "place";
  at: Point;
}

/** A position, kept to about a metre. */
export interface Point {
  lat: number;
  lng: number;
}

/** A question and what became of it. */
export interface Question {
  id: string;
  version: number;
  text: string;
  kind: "stars" | "place";
  at: Point;
  cell: string;
  author: Person;
  created: string;
  photos: Photo[];
  answers: Answers;
}

/** Somebody, as all others see them. */
export interface Person {
  id: string;
  name: string;
}

/** A picture in three sizes: where they are, and what the largest measures. */
export interface Photo {
  id: string;
  width: number;
  height: number;
  small: string;
  medium: string;
  large: string;
}

/** What all answers together say. */
export interface Answers {
  count: number;
  average: number | null;
  distribution: number[] | null;
}

/** The input of ``answer``: stars or a place, as the question wants. */
export interface Answering {
  question: string;
  /** @default null */
  stars?: number | null;
  /** @default null */
  place?: Point | null;
}

/** What became of an answer, or of its withdrawal. */
export interface Answered {
  question: Question;
  answer: Answer | null;
}

/** One person's. */
export interface Answer {
  question: string;
  stars: number | null;
  place: Point | null;
  at: string;
}

/** The input of ``withdraw``. */
export interface Withdrawing {
  question: string;
}

/** A question with the places that were named, the most named first. */
export interface Detail {
  question: Question;
  heat: HeatCell[];
}

/** How many answers lie in a cell, and where that is. */
export interface HeatCell {
  cell: string;
  count: number;
  at: Point;
  outline: [number, number][];
}
