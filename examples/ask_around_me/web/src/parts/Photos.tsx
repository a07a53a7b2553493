/** Photos: to choose, on their way, and to look at. */

import { useEffect, useId, useMemo, useRef, useState, useSyncExternalStore } from "react";
import type { Upload } from "ringback";
import { atMost, bytes } from "../format.js";
import { useOperation } from "../ringback.js";
import { useServices } from "../services.js";
import { focusOn } from "../state/hooks.js";
import type { Photo } from "../types.js";
import type { Sending } from "../uploads.js";
import { Fault } from "./Fault.js";
import { Icon } from "./icons.js";
import { Line } from "./State.js";

/** Why a file is not taken; null: it is. */
export function objection(
  file: File,
  { types, max_size }: { types: readonly string[]; max_size: number },
): string | null {
  if (!types.includes(file.type)) return `${file.name} is no JPEG, PNG or WebP.`;
  if (file.size > max_size) return `${file.name} is larger than ${atMost(max_size)}.`;
  return null;
}

interface PhotoPickerProps {
  /** How many more there may be. */
  readonly room: number;
  readonly onChoose: (files: readonly File[]) => void;
}

export function PhotoPicker({ room, onChoose }: PhotoPickerProps) {
  const { photos } = useServices().config;
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  function choose(list: FileList | null): void {
    const files = [...(list ?? [])];
    const wrong = files.map((file) => objection(file, photos)).filter((each) => each !== null);
    const good = files.filter((file) => objection(file, photos) === null);
    if (good.length > room) wrong.push(`A question has at most ${photos.max} photos.`);
    setError(wrong.length > 0 ? wrong.join(" ") : null);
    if (good.length > 0) onChoose(good.slice(0, room));
  }
  return (
    <div className="picker">
      <input
        id={id}
        className="hidden"
        type="file"
        multiple
        accept={photos.types.join(",")}
        disabled={room <= 0}
        aria-describedby={`${id}-hint`}
        onChange={(event) => {
          choose(event.currentTarget.files);
          event.currentTarget.value = "";
        }}
      />
      <label htmlFor={id} className="button">
        <Icon name="photo" />
        Add photos
      </label>
      <span id={`${id}-hint`} className="muted">
        {room > 0
          ? `up to ${photos.max}, ${atMost(photos.max_size)} each`
          : "that is all it may have"}
      </span>
      {error !== null && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}

/** A file that was chosen, as a picture with a button that takes it out. */
export function Preview({ file, onRemove }: { file: File; onRemove: () => void }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return (
    <li className="preview">
      {url !== undefined && <img src={url} alt={file.name} />}
      <button type="button" className="round" aria-label={`Remove ${file.name}`} onClick={onRemove}>
        <Icon name="close" />
      </button>
    </li>
  );
}

/** The bytes that the server has, live. */
function useSent(upload: Upload<Photo> | null): number {
  const [subscribe, sent] = useMemo(
    () => [
      (listener: () => void) => upload?.onChange(listener) ?? (() => {}),
      () => upload?.sent ?? 0,
    ],
    [upload],
  );
  return useSyncExternalStore(subscribe, sent);
}

/** A photo on its way: its bytes first, then the work on it. */
export function SendingRow({ sending }: { sending: Sending }) {
  const { uploads } = useServices();
  const { upload, file, failure, preview, key } = sending;
  const sent = useSent(upload);
  const { status, progress } = useOperation(upload);
  const isThere = upload !== null && sent >= file.size;
  let [text, fraction] = ["Waits for the question", 0];
  if (isThere) {
    text =
      status === "running" ? (progress?.message ?? "Being made smaller") : "Sent, in the queue";
    fraction = 0.5 + (progress?.fraction ?? 0) / 2;
  } else if (upload !== null) {
    text = `${bytes(sent)} of ${bytes(file.size)} sent`;
    fraction = sent / file.size / 2;
  }
  return (
    <li className="sending">
      <img src={preview} alt="" />
      <div className="grow">
        <p className="file-name">{file.name}</p>
        {failure === null ? (
          <Line text={text} fraction={fraction} />
        ) : (
          <Fault
            failure={failure}
            onAgain={failure.reason === null ? () => uploads.again(key) : undefined}
            dismiss="Leave it out"
            onDismiss={() => {
              focusOn("h1");
              uploads.remove(key);
            }}
          />
        )}
      </div>
    </li>
  );
}

/** A question's photos, small; one opens large. */
export function PhotoStrip({ photos, about }: { photos: readonly Photo[]; about: string }) {
  const [open, setOpen] = useState<number | null>(null);
  if (photos.length === 0) return null;
  return (
    <>
      <ul className="strip">
        {photos.map((photo, index) => (
          <li key={photo.id}>
            <button
              type="button"
              className="thumb"
              aria-label={`Photo ${index + 1} of ${photos.length}, larger`}
              onClick={() => setOpen(index)}
            >
              <img src={photo.medium} alt="" loading="lazy" decoding="async" />
            </button>
          </li>
        ))}
      </ul>
      {open !== null && (
        <Lightbox
          photos={photos}
          index={Math.min(open, photos.length - 1)}
          about={about}
          onIndex={setOpen}
          onClose={() => setOpen(null)}
        />
      )}
    </>
  );
}

interface LightboxProps {
  readonly photos: readonly Photo[];
  readonly index: number;
  readonly about: string;
  readonly onIndex: (index: number) => void;
  readonly onClose: () => void;
}

function Lightbox({ photos, index, about, onIndex, onClose }: LightboxProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const photo = photos[index];
  const go = (by: number): void => onIndex((index + by + photos.length) % photos.length);
  const name = `Photo ${index + 1} of ${photos.length}`;
  return (
    <dialog
      ref={dialog}
      className="lightbox"
      aria-label={`Photos of “${about}”`}
      onClose={onClose}
      onKeyDown={(event) => {
        if (photos.length < 2) return;
        if (event.key === "ArrowLeft") go(-1);
        if (event.key === "ArrowRight") go(1);
      }}
      // A click beside the picture is one on the dialog itself.
      onClick={(event) => event.target === event.currentTarget && dialog.current?.close()}
    >
      {photo !== undefined && (
        <img
          key={photo.id}
          src={photo.large}
          width={photo.width}
          height={photo.height}
          alt={`${name} of “${about}”`}
        />
      )}
      <div className="lightbox-bar">
        {photos.length > 1 && (
          <>
            <button type="button" className="round" aria-label="Previous" onClick={() => go(-1)}>
              <Icon name="back" />
            </button>
            <span aria-live="polite">{name}</span>
            <button type="button" className="round" aria-label="Next" onClick={() => go(1)}>
              <Icon name="next" />
            </button>
          </>
        )}
        <button
          type="button"
          className="round"
          aria-label="Close"
          onClick={() => dialog.current?.close()}
        >
          <Icon name="close" />
        </button>
      </div>
    </dialog>
  );
}
