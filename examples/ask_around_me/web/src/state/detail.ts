/** One question with its heat map and one's own answer, from reads, messages and results. Pure. */

import type { Answer, Answered, Detail, HeatCell, Looked, Question } from "../types.js";

export interface DetailState {
  readonly question: Question | null;
  readonly heat: readonly HeatCell[];
  /** null: none. */
  readonly mine: Answer | null;
}

export type DetailAction =
  | { type: "read"; looked: Looked }
  | { type: "told"; detail: Detail }
  | { type: "answered"; answered: Answered };

export const UNKNOWN: DetailState = { question: null, heat: [], mine: null };

export function detail(state: DetailState, action: DetailAction): DetailState {
  switch (action.type) {
    case "read":
      return { ...newer(state, action.looked), mine: action.looked.mine };
    case "told":
      return newer(state, action.detail);
    case "answered": {
      // A result has no heat map: the message that goes with it brings that.
      const { question, answer } = action.answered;
      const isNewer = state.question === null || state.question.version < question.version;
      return { ...state, question: isNewer ? question : state.question, mine: answer };
    }
  }
}

/** With the same version a detail still has the heat map that a result had not. */
function newer(state: DetailState, { question, heat }: Detail): DetailState {
  if (state.question !== null && state.question.version > question.version) return state;
  return { ...state, question, heat };
}
