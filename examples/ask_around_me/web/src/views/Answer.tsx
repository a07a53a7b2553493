/** One's own answer: given, changed, withdrawn; shown at once, with its operation's state. */

import { useRef, useState } from "react";
import type { Operation } from "ringback";
import type { DetailView } from "../detail.js";
import { distance, stars } from "../format.js";
import { direction, metres } from "../geo.js";
import { failureOf } from "../outbox.js";
import { Fault } from "../parts/Fault.js";
import { Icon } from "../parts/icons.js";
import { useSignIn } from "../parts/SignIn.js";
import { StarsInput } from "../parts/Stars.js";
import { OperationState } from "../parts/State.js";
import { useSubmit } from "../ringback.js";
import { useAnnounce } from "../services.js";
import type { Given } from "../state/answers.js";
import { focusOn } from "../state/hooks.js";
import type { Failure } from "../state/outbox.js";
import type { Answer, Answered, Point, Question } from "../types.js";

export interface Answering {
  /** What the server knows. */
  readonly before: Given;
  /** What is shown: what was given last, or what the server knows. */
  readonly given: Given;
  /** What is on its way; null: nothing. */
  readonly pending: {
    readonly given: Given;
    /** The question's version when it was given: with the next one it is counted. */
    readonly version: number;
    readonly operation: Operation<Answered> | null;
  } | null;
  /** It is not accepted yet: until then there is no other, so that what is given last counts. */
  readonly sending: boolean;
  readonly failure: Failure | null;
  readonly give: (given: Given) => Promise<void>;
  readonly again: () => void;
  readonly forget: () => void;
}

function givenOf(answer: Answer | null): Given {
  if (answer?.stars != null) return { stars: answer.stars, place: null };
  if (answer?.place != null) return { stars: null, place: answer.place };
  return null;
}

export function useAnswering(question: Question, detail: DetailView): Answering {
  const answer = useSubmit("answer");
  const withdraw = useSubmit("withdraw");
  const ensure = useSignIn();
  const announce = useAnnounce();
  const [pending, setPending] = useState<Answering["pending"]>(null);
  const [failed, setFailed] = useState<{ given: Given; failure: Failure | null } | null>(null);
  // Only what was given last is shown: what was given before it is overtaken.
  const round = useRef(0);

  function submit(given: Given): Promise<Operation<Answered> | null> {
    // Behind the other it is never the same again, however soon: no click's second, and no retry.
    (given === null ? answer : withdraw).reset();
    if (given === null) return withdraw.submit({ question: question.id });
    return given.stars !== null
      ? answer.submit({ question: question.id, stars: given.stars })
      : answer.submit({ question: question.id, place: given.place });
  }

  async function give(given: Given): Promise<void> {
    if (!(await ensure())) return;
    round.current += 1;
    const mine = round.current;
    const isLast = (): boolean => round.current === mine;
    setFailed(null);
    setPending({ given, version: question.version, operation: null });
    let failure: Failure | null = null;
    const operation = await submit(given);
    if (operation !== null) {
      setPending((now) => (isLast() && now !== null ? { ...now, operation } : now));
      try {
        const answered = await operation.result();
        if (!isLast()) return;
        detail.answered(answered);
        announce(given === null ? "Your answer is withdrawn." : "Your answer counts.");
        setPending(null);
        return;
      } catch (cause) {
        failure = failureOf(cause, Date.now());
      }
    }
    if (!isLast()) return;
    setPending(null);
    setFailed({ given, failure });
  }

  const refused = answer.error ?? withdraw.error;
  const before = givenOf(detail.mine);
  return {
    before,
    given: pending === null ? before : pending.given,
    pending,
    sending: answer.pending || withdraw.pending,
    failure:
      failed === null
        ? null
        : (failed.failure ?? (refused === null ? null : failureOf(refused, Date.now()))),
    give,
    again: () => void (failed === null || give(failed.given)),
    forget: () => {
      setFailed(null);
      answer.reset();
      withdraw.reset();
    },
  };
}

interface AnswerFormProps {
  readonly question: Question;
  readonly answering: Answering;
  /** The place that is chosen, and not given yet. */
  readonly draft: Point | null;
  readonly onDraft: (point: Point | null) => void;
  /** The middle of the map. */
  readonly middle: Point;
}

export function AnswerForm(props: AnswerFormProps) {
  const { question, answering } = props;
  const { given, pending, failure } = answering;
  return (
    <section className="panel answer" aria-labelledby="own">
      <h2 id="own" tabIndex={-1}>
        {given === null ? "Your answer" : "You answered"}
      </h2>
      {question.kind === "stars" ? <StarsForm {...props} /> : <PlaceForm {...props} />}
      {pending !== null && <OperationState operation={pending.operation} />}
      {failure !== null && (
        <Fault
          failure={failure}
          onAgain={
            failure.reason === null
              ? () => {
                  answering.again();
                  focusOn("#own");
                }
              : undefined
          }
          dismiss="Leave it"
          onDismiss={() => {
            answering.forget();
            focusOn("#own");
          }}
        />
      )}
    </section>
  );
}

function StarsForm({ answering }: AnswerFormProps) {
  const { given, give, sending } = answering;
  const current = given?.stars ?? 0;
  const [draft, setDraft] = useState<number | null>(null);
  const value = draft ?? current;
  const isNew = value !== current && value > 0;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!isNew || sending) return;
        setDraft(null);
        void give({ stars: value, place: null });
      }}
    >
      <StarsInput
        label={given === null ? "How many stars do you give?" : "You can change your mind"}
        value={value}
        onChange={setDraft}
      />
      <div className="row">
        <button type="submit" className="primary" aria-disabled={!isNew || sending}>
          {value === 0
            ? "Choose your stars"
            : given === null
              ? `Give ${stars(value)}`
              : "Change it"}
        </button>
        <Withdraw answering={answering} onDone={() => setDraft(null)} />
      </div>
    </form>
  );
}

function PlaceForm({ question, answering, draft, onDraft, middle }: AnswerFormProps) {
  const { given, give, sending } = answering;
  const place = draft ?? given?.place ?? null;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (draft === null || sending) return;
        onDraft(null);
        void give({ stars: null, place: draft });
      }}
    >
      <p className="muted">
        {place === null
          ? "Click the place on the map, or move the map and take its middle."
          : `${describe(question.at, place)}${draft === null ? "" : ", not sent yet"}.`}
      </p>
      <div className="row">
        <button type="submit" className="primary" aria-disabled={draft === null || sending}>
          {given === null ? "Send this place" : "Change to this place"}
        </button>
        <button type="button" onClick={() => onDraft(middle)}>
          <Icon name="pin" />
          Middle of the map
        </button>
        <Withdraw answering={answering} onDone={() => onDraft(null)} />
      </div>
    </form>
  );
}

function describe(from: Point, place: Point): string {
  const away = metres(from, place);
  return away < 30
    ? "Right where it was asked"
    : `${distance(away)} ${direction(from, place)} of where it was asked`;
}

function Withdraw({ answering, onDone }: { answering: Answering; onDone: () => void }) {
  const { given, give, sending } = answering;
  if (given === null) return null;
  return (
    <button
      type="button"
      className="quiet"
      aria-disabled={sending}
      onClick={() => {
        if (sending) return;
        onDone();
        focusOn("#own");
        void give(null);
      }}
    >
      Withdraw
    </button>
  );
}
