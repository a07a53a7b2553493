/** What is asked around here: the list beside the map. */

import { useEffect, useRef, useState } from "react";
import type { Around } from "../feed.js";
import { count, sentence } from "../format.js";
import { PendingCard, QuestionCard, Skeletons } from "../parts/Cards.js";
import { ConnectionBanner } from "../parts/Connection.js";
import { Icon } from "../parts/icons.js";
import { useAnnounce, useServices, useStore } from "../services.js";
import type { Near } from "../state/board.js";
import { useNow } from "../state/hooks.js";
import { firstZoom, locate, type Place, placeName } from "../state/place.js";
import { hashOf } from "../state/route.js";

/** Milliseconds: the ages of questions are told in minutes. */
const TICK = 20_000;
/** Milliseconds in which new questions are told of together. */
const TOGETHER = 1_500;
/** Milliseconds that a new question stands out. */
const STANDS_OUT = 12_000;

interface HomeProps {
  readonly place: Place;
  readonly onPlace: (place: Place) => void;
  readonly around: Around;
  readonly near: readonly Near[];
}

export function Home({ place, onPlace, around, near }: HomeProps) {
  const { config, outbox } = useServices();
  const pending = useStore(outbox.entries);
  const now = useNow(TICK);
  const { board, phase, error, reload } = around;
  useNews(around);
  const km = config.radius / 1000;
  const total = sentence(`${board.more ? "more than " : ""}${count(near.length, "question")}`);
  return (
    <>
      <div className="view-head">
        <h1 tabIndex={-1}>Around {placeName(place, config)}</h1>
        <p className="muted">
          {phase === "ready" ? `${total} within ${km} km` : `Within ${km} km`}
          {board.more && ". These are the nearest; move the map for others."}
        </p>
        <div className="row">
          <a className="button primary ask" href={hashOf({ view: "ask" })}>
            <Icon name="plus" />
            Ask a question
          </a>
          <Locate onPlace={onPlace} />
        </div>
      </div>
      <ConnectionBanner />
      {phase === "ready" && error !== null && (
        <p className="banner" data-trouble="reconnecting">
          What is around here could not be read anew. {error}
        </p>
      )}
      {pending.length > 0 && (
        <ul className="cards" aria-label="What you asked, on its way">
          {pending.map((entry) => (
            <PendingCard key={entry.asking.id} entry={entry} />
          ))}
        </ul>
      )}
      {phase === "loading" && (
        <>
          <p className="hidden">Reading what is asked here.</p>
          <Skeletons />
        </>
      )}
      {phase === "failed" && (
        <div className="empty" role="alert">
          <h2>The questions cannot be read</h2>
          <p>{error} It is tried again by itself.</p>
          <button type="button" onClick={reload}>
            <Icon name="retry" />
            Try now
          </button>
        </div>
      )}
      {phase === "ready" && near.length === 0 && pending.length === 0 && (
        <div className="empty">
          <Emptiness />
          <h2>Nobody has asked here yet</h2>
          <p>Be the first: everybody within {km} km sees your question in a moment.</p>
        </div>
      )}
      {near.length > 0 && (
        <ol className="cards" aria-label="Questions, nearest first">
          {near.map(({ question, away }) => (
            <QuestionCard
              key={question.id}
              question={question}
              away={away}
              mine={board.mine.get(question.id)}
              fresh={board.fresh.has(question.id)}
              now={now}
            />
          ))}
        </ol>
      )}
    </>
  );
}

/** Tells of questions that came, and lets each stand out for a while. */
function useNews({ board: { fresh }, dispatch }: Around): void {
  const announce = useAnnounce();
  const known = useRef<ReadonlySet<string>>(new Set());
  const untold = useRef(0);
  useEffect(() => {
    const news = [...fresh].filter((id) => !known.current.has(id));
    known.current = fresh;
    if (news.length === 0) return;
    // Their timers run on while others come, and while another view is open.
    setTimeout(() => dispatch({ type: "seen", ids: news }), STANDS_OUT);
    if (untold.current === 0) {
      setTimeout(() => {
        announce(`${count(untold.current, "new question")} nearby.`);
        untold.current = 0;
      }, TOGETHER);
    }
    untold.current += news.length;
  }, [fresh, announce, dispatch]);
}

function Locate({ onPlace }: { onPlace: (place: Place) => void }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  async function find(): Promise<void> {
    setBusy(true);
    setError(null);
    try {
      onPlace({ at: await locate(), zoom: firstZoom(), source: "here" });
    } catch (cause) {
      setError(cause instanceof Error ? cause.message : "That did not work.");
    }
    setBusy(false);
  }
  return (
    <>
      <button type="button" aria-disabled={busy} onClick={() => busy || void find()}>
        <Icon name="here" />
        {busy ? "Looking…" : "Where I am"}
      </button>
      {error !== null && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
    </>
  );
}

/** A quiet place. */
function Emptiness() {
  return (
    <svg className="emptiness" viewBox="0 0 160 90" aria-hidden="true" focusable="false">
      <ellipse cx="80" cy="66" rx="68" ry="19" />
      <ellipse cx="80" cy="66" rx="42" ry="11" />
      <ellipse cx="80" cy="66" rx="17" ry="4.5" />
      <path d="M80 66c7-9 14-16 14-25a14 14 0 0 0-28 0c0 9 7 16 14 25z" />
      <circle cx="80" cy="41" r="5" />
    </svg>
  );
}
