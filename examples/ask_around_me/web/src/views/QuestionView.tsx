/** One question: what others answered, live, and one's own answer. */

import { useEffect, useMemo, useState } from "react";
import { type DetailView, useDetail } from "../detail.js";
import { ago, average, count, distance } from "../format.js";
import { direction, metres } from "../geo.js";
import { ConnectionBanner } from "../parts/Connection.js";
import { Distribution } from "../parts/Distribution.js";
import { Icon } from "../parts/icons.js";
import { PhotoPicker, PhotoStrip, SendingRow } from "../parts/Photos.js";
import { StarsShown } from "../parts/Stars.js";
import { useServices, useStore } from "../services.js";
import { foreseen, topPlaces } from "../state/answers.js";
import { useNow } from "../state/hooks.js";
import { useOverlay } from "../state/overlay.js";
import { hashOf } from "../state/route.js";
import type { Answers, HeatCell, Point, Question } from "../types.js";
import { AnswerForm, useAnswering } from "./Answer.js";

const TICK = 20_000;
/** Places in the list beside the heat map. */
const TOP = 5;

interface QuestionViewProps {
  readonly id: string;
  /** What the list knows of it already. */
  readonly known: Question | undefined;
  /** Where one looks from. */
  readonly centre: Point;
  /** The middle of the map. */
  readonly middle: Point;
  readonly onDetail: (detail: DetailView) => void;
}

export function QuestionView({ id, known, centre, middle, onDetail }: QuestionViewProps) {
  const detail = useDetail(id);
  useEffect(() => onDetail(detail), [detail, onDetail]);
  const newest =
    detail.question === null || (known !== undefined && known.version > detail.question.version)
      ? known
      : detail.question;
  const { error } = detail;
  return (
    <>
      <a className="back" href={hashOf({ view: "home" })}>
        <Icon name="back" />
        All questions
      </a>
      {newest !== undefined ? (
        <Shown question={newest} detail={detail} centre={centre} middle={middle} />
      ) : error === null ? (
        <div className="skeleton">
          <h1 tabIndex={-1} className="hidden">
            Reading the question
          </h1>
          <span className="bone tall" />
          <span className="bone thin" />
          <span className="bone block" />
        </div>
      ) : (
        <div className="empty">
          <h1 tabIndex={-1}>{error.gone ? "There is no such question" : "It cannot be read"}</h1>
          <p>
            {error.gone
              ? "It may have been taken away, or the address is not right."
              : `${error.text} It is tried again by itself.`}
          </p>
          {!error.gone && (
            <button type="button" onClick={detail.reload}>
              <Icon name="retry" />
              Try now
            </button>
          )}
        </div>
      )}
    </>
  );
}

interface ShownProps {
  readonly question: Question;
  readonly detail: DetailView;
  readonly centre: Point;
  readonly middle: Point;
}

function Shown({ question, detail, centre, middle }: ShownProps) {
  const now = useNow(TICK);
  const answering = useAnswering(question, detail);
  const [draft, setDraft] = useState<Point | null>(null);
  const [looking, setLooking] = useState<Point | null>(null);
  const isPlace = question.kind === "place";
  const { pending, before } = answering;
  const answers =
    pending !== null && pending.version === question.version
      ? foreseen(question.answers, question.kind, before, pending.given)
      : question.answers;
  const pick = draft ?? answering.given?.place ?? null;
  useOverlay(
    useMemo(
      () => ({
        heat: detail.heat,
        pick: isPlace ? pick : null,
        onPick: isPlace ? setDraft : undefined,
        focus: looking ?? question.at,
        only: question.id,
      }),
      [detail.heat, isPlace, pick, looking, question.at, question.id],
    ),
  );
  return (
    <article className="question">
      <h1 tabIndex={-1}>{question.text}</h1>
      <p className="card-meta">
        <span className="card-author">{question.author.name}</span>
        <span>{ago(question.created, now)}</span>
        <span>{distance(metres(centre, question.at))}</span>
      </p>
      <ConnectionBanner />
      {detail.error !== null && <p className="banner">{detail.error.text}</p>}
      <PhotoStrip photos={question.photos} about={question.text} />
      <OwnPhotos question={question} />
      {isPlace ? (
        <Places
          count={answers.count}
          heat={detail.heat}
          from={question.at}
          onLook={(point) => setLooking({ ...point })}
        />
      ) : (
        <Rating answers={answers} />
      )}
      <AnswerForm
        question={question}
        answering={answering}
        draft={draft}
        middle={middle}
        onDraft={setDraft}
      />
    </article>
  );
}

function Rating({ answers }: { answers: Answers }) {
  const value = answers.average === null ? null : average(answers.average);
  return (
    <section className="panel" aria-labelledby="rating">
      <h2 id="rating">What people say</h2>
      {answers.average === null || value === null ? (
        <p className="muted">Nobody has answered yet. You could be the first.</p>
      ) : (
        <p className="score">
          <span className="score-value">{value}</span>
          <span>
            <StarsShown value={answers.average} label={`${value} of 5 stars`} />
            <span className="muted">{count(answers.count, "answer")}</span>
          </span>
        </p>
      )}
      <Distribution distribution={answers.distribution ?? []} />
    </section>
  );
}

interface PlacesProps {
  readonly count: number;
  readonly heat: readonly HeatCell[];
  readonly from: Point;
  readonly onLook: (point: Point) => void;
}

function Places({ count: total, heat, from, onLook }: PlacesProps) {
  const top = topPlaces(heat, TOP);
  return (
    <section className="panel" aria-labelledby="places">
      <h2 id="places">Where people point</h2>
      {top.length === 0 ? (
        <p className="muted">Nobody has pointed anywhere yet. You could be the first.</p>
      ) : (
        <>
          <p className="muted">{count(total, "place")}; the map shows where most lie.</p>
          <ol className="places">
            {top.map(({ cell, share }) => (
              <li key={cell.cell}>
                <button type="button" onClick={() => onLook(cell.at)}>
                  <span className="places-share">{Math.round(share * 100)}%</span>
                  <span className="grow">
                    {distance(metres(from, cell.at))}
                    {metres(from, cell.at) >= 30 && ` ${direction(from, cell.at)}`}
                  </span>
                  <span className="muted">{count(cell.count, "answer")}</span>
                  <span className="hidden">, show on the map</span>
                </button>
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

/** Photos on their way, and more of them, for whoever asked. */
function OwnPhotos({ question }: { question: Question }) {
  const { signIn, uploads, config } = useServices();
  const person = useStore(signIn.person);
  const sending = useStore(uploads.list).filter((each) => each.question === question.id);
  if (person?.id !== question.author.id) return null;
  const room = config.photos.max - question.photos.length - sending.length;
  return (
    <section className="own-photos" aria-label="Your photos">
      {sending.length > 0 && (
        <ul className="sendings">
          {sending.map((each) => (
            <SendingRow key={each.key} sending={each} />
          ))}
        </ul>
      )}
      {room > 0 && (
        <PhotoPicker
          room={room}
          onChoose={(files) => {
            uploads.hold(question.id, files);
            uploads.start(question.id);
          }}
        />
      )}
    </section>
  );
}
