/** One question, kept up to date: a read, then its topic from the position of the read on. */

import { useCallback, useEffect, useReducer, useState } from "react";
import { ApiError } from "./api.js";
import { useTopic } from "./ringback.js";
import { useServices, useStore } from "./services.js";
import { type DetailState, detail, UNKNOWN } from "./state/detail.js";
import type { Answered, Looked } from "./types.js";

export interface DetailView extends DetailState {
  /** Why it cannot be shown or is not up to date. */
  readonly error: { readonly gone: boolean; readonly text: string } | null;
  readonly answered: (answered: Answered) => void;
  readonly reload: () => void;
}

/** Milliseconds until a read that failed is tried again. */
const RETRY = 4_000;

export function useDetail(id: string): DetailView {
  const { api, signIn } = useServices();
  const [state, dispatch] = useReducer(detail, UNKNOWN);
  const [source, setSource] = useState<Pick<Looked, "topics" | "position"> | null>(null);
  const [error, setError] = useState<DetailView["error"]>(null);
  const [round, setRound] = useState(0);
  const person = useStore(signIn.person);

  useEffect(() => {
    void person?.id; // what is one's own is another's now
    dispatch({ type: "left" });
  }, [person?.id]);
  useEffect(() => {
    void person?.id;
    void round;
    const controller = new AbortController();
    const { signal } = controller;
    let timer: ReturnType<typeof setTimeout>;
    const read = async (): Promise<void> => {
      try {
        const token = await signIn.soon();
        const looked = await api.look(id, { token, signal });
        dispatch({ type: "read", looked });
        setSource(looked);
        setError(null);
      } catch (cause) {
        if (signal.aborted) return;
        const status = cause instanceof ApiError ? cause.status : 0;
        if (status === 401) signIn.distrust();
        const gone = status === 404 || status === 422;
        setError({ gone, text: cause instanceof Error ? cause.message : "It cannot be read." });
        if (!gone) timer = setTimeout(read, RETRY);
      }
    };
    void read();
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [api, signIn, id, person?.id, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  useTopic((source?.topics as readonly `answers/${string}`[] | undefined) ?? null, {
    after: source?.position,
    limit: 0,
    onMessage: ({ data }) => dispatch({ type: "told", detail: data }),
    onGap: reload,
  });
  const answered = useCallback(
    (news: Answered) => dispatch({ type: "answered", answered: news }),
    [],
  );
  return { ...state, error, answered, reload };
}
