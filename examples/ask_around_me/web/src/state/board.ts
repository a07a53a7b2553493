/**
 * The questions that are known, from whatever told of them: a read, a message, a task's result.
 *
 * Pure. A question is its id and its version: the higher version stands, an equal or lower one is
 * a duplicate, so it does not matter what comes first or comes twice.
 */

import { metres } from "../geo.js";
import type { Answer, Around, Point, Question } from "../types.js";

export interface Board {
  /** What was read last; null: nothing yet. */
  readonly area: { readonly centre: Point; readonly radius: number } | null;
  readonly questions: ReadonlyMap<string, Question>;
  /** One's own answers. */
  readonly mine: ReadonlyMap<string, Answer>;
  /** Those that were asked while one looked on, and were not looked at since. */
  readonly fresh: ReadonlySet<string>;
  /** There are more than one read has. */
  readonly more: boolean;
}

export type BoardAction =
  | { type: "read"; around: Around; centre: Point; radius: number }
  | { type: "told"; questions: readonly Question[] }
  | { type: "seen"; ids: readonly string[] }
  | { type: "answered"; question: string; answer: Answer | null }
  | { type: "left" };

export const EMPTY: Board = {
  area: null,
  questions: new Map(),
  mine: new Map(),
  fresh: new Set(),
  more: false,
};

/** A question that lies so many radii away is forgotten with the next read. */
const FAR = 2;

export function board(state: Board, action: BoardAction): Board {
  switch (action.type) {
    case "read":
      return read(state, action);
    case "told":
      return told(state, action.questions);
    case "seen": {
      const fresh = new Set(state.fresh);
      for (const id of action.ids) fresh.delete(id);
      return fresh.size === state.fresh.size ? state : { ...state, fresh };
    }
    case "answered": {
      const mine = new Map(state.mine);
      if (action.answer === null) mine.delete(action.question);
      else mine.set(action.question, action.answer);
      return { ...state, mine };
    }
    case "left":
      return state.mine.size === 0 ? state : { ...state, mine: new Map() };
  }
}

function read(
  state: Board,
  { around, centre, radius }: Extract<BoardAction, { type: "read" }>,
): Board {
  const questions = new Map<string, Question>();
  for (const known of state.questions.values()) {
    if (metres(centre, known.at) <= FAR * radius) questions.set(known.id, known);
  }
  const mine = new Map([...state.mine].filter(([id]) => questions.has(id)));
  for (const question of around.questions) {
    merge(questions, question);
    const own = around.mine[question.id];
    if (own === undefined) mine.delete(question.id);
    else mine.set(question.id, own);
  }
  const fresh = new Set([...state.fresh].filter((id) => questions.has(id)));
  return { area: { centre, radius }, questions, mine, fresh, more: around.more };
}

function told(state: Board, news: readonly Question[]): Board {
  const questions = new Map(state.questions);
  const fresh = new Set(state.fresh);
  let changed = false;
  for (const question of news) {
    if (!questions.has(question.id) && isInside(state, question)) fresh.add(question.id);
    changed = merge(questions, question) || changed;
  }
  return changed ? { ...state, questions, fresh } : state;
}

/** Put a question in, unless what stands there is as new; whether it was put. */
function merge(questions: Map<string, Question>, question: Question): boolean {
  const known = questions.get(question.id);
  if (known !== undefined && known.version >= question.version) return false;
  questions.set(question.id, question);
  return true;
}

function isInside({ area }: Board, question: Question): boolean {
  return area !== null && metres(area.centre, question.at) <= area.radius;
}

/** A question and how far away it is, in metres. */
export interface Near {
  readonly question: Question;
  readonly away: number;
}

/** What lies within the radius, nearest first; of two at one distance, the newer first. */
export function nearest(state: Board): readonly Near[] {
  const { area } = state;
  if (area === null) return [];
  return [...state.questions.values()]
    .map((question) => ({ question, away: metres(area.centre, question.at) }))
    .filter(({ away }) => away <= area.radius)
    .sort(
      (a, b) =>
        a.away - b.away ||
        Date.parse(b.question.created) - Date.parse(a.question.created) ||
        (a.question.id < b.question.id ? -1 : 1),
    );
}
