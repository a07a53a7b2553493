/** Questions in the list: published, on their way, and not there yet. */

import { memo } from "react";
import { ago, average, count, distance, halves } from "../format.js";
import { useServices, useStore } from "../services.js";
import { focusOn } from "../state/hooks.js";
import type { Pending } from "../state/outbox.js";
import { hashOf } from "../state/route.js";
import type { Answer, Question } from "../types.js";
import { Fault } from "./Fault.js";
import { Icon } from "./icons.js";
import { useSignIn } from "./SignIn.js";
import { StarsShown } from "./Stars.js";
import { OperationState } from "./State.js";

interface QuestionCardProps {
  readonly question: Question;
  /** Metres. */
  readonly away: number;
  readonly mine: Answer | undefined;
  readonly fresh: boolean;
  readonly now: number;
}

export const QuestionCard = memo(function QuestionCard(props: QuestionCardProps) {
  const { question, away, mine, fresh, now } = props;
  const [photo] = question.photos;
  return (
    <li className="card" data-fresh={fresh || undefined} data-question={question.id}>
      <div className="grow">
        <h2 className="card-text">
          <a href={hashOf({ view: "question", id: question.id })}>{question.text}</a>
          {fresh && <span className="tag">New</span>}
        </h2>
        <p className="card-answers">
          <Tally question={question} />
          {mine !== undefined && (
            <span className="mine">
              <Icon name="check" />
              {mine.stars === null ? "You pointed" : `You: ${halves(mine.stars)}`}
            </span>
          )}
        </p>
        <p className="card-meta">
          <span>{distance(away)}</span>
          <span>{ago(question.created, now)}</span>
          <span className="card-author">{question.author.name}</span>
        </p>
      </div>
      {photo !== undefined && (
        <span className="card-photo">
          <img src={photo.small} alt="" loading="lazy" decoding="async" />
          {question.photos.length > 1 && (
            <span className="card-photos">
              {question.photos.length}
              <span className="hidden"> photos</span>
            </span>
          )}
        </span>
      )}
    </li>
  );
});

/** What the answers say, in short. */
function Tally({ question: { kind, answers } }: { question: Question }) {
  if (kind === "place") {
    return (
      <>
        <Icon name="pin" />
        <span>{count(answers.count, "place")}</span>
      </>
    );
  }
  if (answers.average === null) {
    return (
      <>
        <Icon name="star" />
        <span>no answers yet</span>
      </>
    );
  }
  const value = average(answers.average);
  return (
    <>
      <StarsShown value={answers.average} label={`${value} of 5 stars`} />
      <strong aria-hidden="true">{value}</strong>
      <span className="muted">{count(answers.count, "answer")}</span>
    </>
  );
}

/** One's own question, until it is published. */
export function PendingCard({ entry }: { entry: Pending }) {
  const { outbox, uploads } = useServices();
  const ensure = useSignIn();
  const photos = useStore(uploads.list).filter(({ question }) => question === entry.asking.id);
  const { asking, failure } = entry;
  const again = async (): Promise<void> => {
    if (!(await ensure())) return;
    focusOn("h1");
    const id = outbox.again(asking.id);
    if (id !== asking.id) uploads.move(asking.id, id);
  };
  return (
    <li className="card pending" data-failed={failure !== null || undefined}>
      <div className="grow">
        <h2 className="card-text">{asking.text}</h2>
        {failure === null ? (
          <OperationState operation={outbox.operation(asking.id)} />
        ) : (
          <Fault
            failure={failure}
            onAgain={() => void again()}
            dismiss="Do not ask"
            onDismiss={() => {
              focusOn("h1");
              outbox.dismiss(asking.id);
              uploads.drop(asking.id);
            }}
          />
        )}
        {photos.length > 0 && (
          <p className="card-meta">
            <span>{count(photos.length, "photo")} will follow</span>
          </p>
        )}
      </div>
    </li>
  );
}

/** Where questions will be, while they are read. */
export function Skeletons() {
  return (
    <ul className="cards" aria-hidden="true">
      {[0.9, 0.6, 0.8, 0.5].map((width) => (
        <li key={width} className="card skeleton">
          <div className="grow">
            <span className="bone" style={{ inlineSize: `${width * 100}%` }} />
            <span className="bone thin" style={{ inlineSize: "45%" }} />
            <span className="bone thin" style={{ inlineSize: "60%" }} />
          </div>
        </li>
      ))}
    </ul>
  );
}
