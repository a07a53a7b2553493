/** Writing a question: what, how it is answered, where, and photos. */

import { type FormEvent, useId, useMemo, useRef, useState } from "react";
import { length } from "../format.js";
import { Icon } from "../parts/icons.js";
import { PhotoPicker, Preview } from "../parts/Photos.js";
import { useSignIn } from "../parts/SignIn.js";
import { StarsShown } from "../parts/Stars.js";
import { useAnnounce, useServices } from "../services.js";
import { focusOn, useLeaving } from "../state/hooks.js";
import { BARE, useOverlay } from "../state/overlay.js";
import { hashOf } from "../state/route.js";
import type { Kind, Point } from "../types.js";

/** Characters left when the counter is told of. */
const NEAR_END = 10;

export function Ask({ centre }: { centre: Point }) {
  const { config, outbox, uploads } = useServices();
  const ensure = useSignIn();
  const announce = useAnnounce();
  const [text, setText] = useState("");
  const [kind, setKind] = useState<Kind>("stars");
  const [chosen, setChosen] = useState<Point | null>(null);
  const [files, setFiles] = useState<readonly File[]>([]);
  const [tried, setTried] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const at = chosen ?? centre;
  useOverlay(useMemo(() => ({ ...BARE, pick: at, onPick: setChosen }), [at]));
  useLeaving(files.length > 0);

  const used = length(text);
  const left = config.max_text - used;
  const problem =
    used === 0
      ? "Write your question first."
      : left < 0
        ? `That is ${-left} characters too long.`
        : null;

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    setTried(true);
    if (problem !== null) {
      field.current?.focus();
      return;
    }
    if (!(await ensure())) return;
    const question = crypto.randomUUID();
    uploads.hold(question, files);
    outbox.ask({ id: question, text: text.trim().replace(/\s+/g, " "), kind, at });
    announce("Your question is on its way.");
    location.hash = hashOf({ view: "home" });
  }

  const shown = tried ? problem : null;
  return (
    <form className="form" onSubmit={(event) => void submit(event)} noValidate>
      <a className="back" href={hashOf({ view: "home" })}>
        <Icon name="back" />
        All questions
      </a>
      <h1 tabIndex={-1}>Ask around you</h1>

      <div className="field">
        <label htmlFor={`${id}-text`}>Your question</label>
        <textarea
          id={`${id}-text`}
          ref={field}
          className="ask-text"
          rows={3}
          value={text}
          placeholder="How good is the coffee at the market hall?"
          aria-describedby={`${id}-count${shown === null ? "" : ` ${id}-error`}`}
          aria-invalid={shown !== null || left < 0}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <p className="counter" id={`${id}-count`} data-over={left < 0 || undefined}>
          {left} <span className="hidden">characters </span>left
        </p>
        <span className="hidden" role="status">
          {left <= NEAR_END ? `${left} characters left` : ""}
        </span>
        {shown !== null && (
          <p className="error" role="alert" id={`${id}-error`}>
            {shown}
          </p>
        )}
      </div>

      <fieldset className="choices">
        <legend>Others answer with</legend>
        <label className="choice">
          <input
            type="radio"
            name="kind"
            checked={kind === "stars"}
            onChange={() => setKind("stars")}
          />
          <span className="choice-face">
            <StarsShown value={3.5} />
            <strong>Stars</strong>
            <span className="muted">How good is it?</span>
          </span>
        </label>
        <label className="choice">
          <input
            type="radio"
            name="kind"
            checked={kind === "place"}
            onChange={() => setKind("place")}
          />
          <span className="choice-face">
            <Icon name="pin" />
            <strong>A place</strong>
            <span className="muted">Where is it?</span>
          </span>
        </label>
      </fieldset>

      <div className="field">
        <p className="label">Asked from</p>
        <p className="muted">
          {chosen === null
            ? "The middle of the map. Click the map to ask from another place."
            : "The place you chose on the map."}
        </p>
        {chosen !== null && (
          <button type="button" className="small" onClick={() => setChosen(null)}>
            Use the middle of the map
          </button>
        )}
      </div>

      <div className="field">
        <p className="label">Photos</p>
        <PhotoPicker
          room={config.photos.max - files.length}
          onChoose={(more) => setFiles((before) => [...before, ...more])}
        />
        {files.length > 0 && (
          <ul className="strip">
            {files.map((file) => (
              <Preview
                key={`${file.name} ${file.size} ${file.lastModified}`}
                file={file}
                onRemove={() => {
                  focusOn(".picker input");
                  setFiles((before) => before.filter((each) => each !== file));
                }}
              />
            ))}
          </ul>
        )}
      </div>

      <button type="submit" className="primary wide">
        Ask
      </button>
    </form>
  );
}
