/**
 * The questions around a place, kept up to date: a read first, then the topics of all cells that
 * touch the circle, from the position of the read on. What was asked in between comes as a message.
 */

import { useCallback, useEffect, useReducer, useState } from "react";
import { ApiError } from "./api.js";
import { useTopic } from "./ringback.js";
import { useServices, useStore } from "./services.js";
import { type Board, type BoardAction, board, EMPTY } from "./state/board.js";
import type { Point } from "./types.js";

/** Milliseconds that the map has to rest before the server is asked. */
const REST = 350;
/** Milliseconds until a read that failed is tried again: doubled each time, up to the second. */
const RETRY = [1_500, 20_000] as const;

export type Phase = "loading" | "ready" | "failed";

export interface Around {
  readonly board: Board;
  readonly phase: Phase;
  /** Why the last read failed; what was known before still stands. */
  readonly error: string | null;
  readonly dispatch: (action: BoardAction) => void;
  readonly reload: () => void;
}

interface Cover {
  readonly topics: readonly `questions/${string}`[];
  readonly position: string;
}

export function useAround(centre: Point): Around {
  const { api, config, signIn } = useServices();
  const [state, dispatch] = useReducer(board, EMPTY);
  const [cover, setCover] = useState<Cover | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [round, setRound] = useState(0);
  const person = useStore(signIn.person);
  const { lat, lng } = centre;

  useEffect(() => {
    void person?.id; // what is one's own is another's now
    dispatch({ type: "left" });
  }, [person?.id]);
  useEffect(() => {
    // Whose answers are one's own is part of the read.
    void person?.id;
    void round;
    const controller = new AbortController();
    const { signal } = controller;
    let timer: ReturnType<typeof setTimeout>;
    const read = async (failures: number): Promise<void> => {
      try {
        const token = await signIn.soon();
        const around = await api.around({ lat, lng }, config.radius, { token, signal });
        dispatch({ type: "read", around, centre: { lat, lng }, radius: config.radius });
        setCover({
          topics: around.topics as readonly `questions/${string}`[],
          position: around.position,
        });
        setError(null);
      } catch (cause) {
        if (signal.aborted) return;
        if (cause instanceof ApiError && cause.status === 401) signIn.distrust();
        setError(cause instanceof ApiError ? cause.message : "The questions cannot be read.");
        timer = setTimeout(() => read(failures + 1), Math.min(RETRY[1], RETRY[0] * 2 ** failures));
      }
    };
    timer = setTimeout(() => read(0), REST);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [api, config.radius, signIn, person?.id, lat, lng, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  useTopic(cover?.topics ?? null, {
    after: cover?.position,
    limit: 0,
    onMessage: ({ data }) => dispatch({ type: "told", questions: [data] }),
    onGap: reload,
  });

  const phase = state.area !== null ? "ready" : error !== null ? "failed" : "loading";
  return { board: state, phase, error, dispatch, reload };
}
