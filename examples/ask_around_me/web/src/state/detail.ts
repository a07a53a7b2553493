/** One question with its heat map and one's own answer, from reads, messages and results. Pure. */

import type { Answer, Answered, Detail, HeatCell, Looked, Question } from "../types.js";

export interface DetailState {
  readonly question: Question | null;
  readonly heat: readonly HeatCell[];
  /** null: none. */
  readonly mine: Answer | null;
  /** The question's version when one's own answer was told of last: a read of before is too old. */
  readonly since: number;
}

export type DetailAction =
  | { type: "read"; looked: Looked }
  | { type: "told"; detail: Detail }
  | { type: "answered"; answered: Answered }
  | { type: "left" };

export const UNKNOWN: DetailState = { question: null, heat: [], mine: null, since: 0 };

export function detail(state: DetailState, action: DetailAction): DetailState {
  switch (action.type) {
    case "read": {
      const { question, mine } = action.looked;
      const isOld = question.version < state.since;
      return { ...newer(state, action.looked), mine: isOld ? state.mine : mine };
    }
    case "told":
      return newer(state, action.detail);
    case "answered": {
      // A result has no heat map: the message that goes with it brings that.
      const { question, answer } = action.answered;
      const isNewer = state.question === null || state.question.version < question.version;
      const newest = isNewer ? question : state.question;
      return { ...state, question: newest, mine: answer, since: question.version };
    }
    case "left":
      return { ...state, mine: null, since: 0 };
  }
}

/** With the same version a detail still has the heat map that a result had not. */
function newer(state: DetailState, { question, heat }: Detail): DetailState {
  if (state.question !== null && state.question.version > question.version) return state;
  return { ...state, question, heat };
}
