/** Signing in with a name: a dialog that comes when a name is needed, and goes on from there. */

import {
  createContext,
  type FormEvent,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { useAnnounce, useServices, useStore } from "../services.js";

/** Characters of a name; the server has the same bound. */
const MAX_NAME = 40;

/** Whether one is signed in; asks for a name first where one is not. */
type Ensure = () => Promise<boolean>;
const Context = createContext<Ensure>(() => Promise.resolve(false));
export const useSignIn = (): Ensure => useContext(Context);

export function SignInProvider({ children }: { children: ReactNode }) {
  const { signIn } = useServices();
  const [waiting, setWaiting] = useState<((done: boolean) => void) | null>(null);
  const ensure = useCallback(async () => {
    // Not known yet, without a network: what is asked waits with the session for it.
    if (signIn.person.get() !== null) return true;
    return new Promise<boolean>((resolve) => setWaiting(() => resolve));
  }, [signIn]);
  const end = useCallback(
    (done: boolean) => {
      waiting?.(done);
      setWaiting(null);
    },
    [waiting],
  );
  return (
    <Context.Provider value={ensure}>
      {children}
      {waiting !== null && <SignInDialog onEnd={end} />}
    </Context.Provider>
  );
}

function SignInDialog({ onEnd }: { onEnd: (done: boolean) => void }) {
  const { config, signIn, client } = useServices();
  const announce = useAnnounce();
  // Closing gives the focus back to what had it; then it goes.
  const dialog = useRef<HTMLDialogElement>(null);
  const done = useRef(false);
  const close = (): void => dialog.current?.close();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    try {
      await signIn.signIn(name);
      client.setToken(await signIn.next());
      announce(`You are ${signIn.person.get()?.name ?? name}.`);
      done.current = true;
      dialog.current?.close();
    } catch (cause) {
      setError(cause instanceof Error ? cause.message : "That did not work.");
      setBusy(false);
    }
  }

  return (
    <dialog
      ref={dialog}
      className="dialog"
      aria-labelledby={`${id}-title`}
      onClose={() => onEnd(done.current)}
    >
      <h2 id={`${id}-title`}>What may others call you?</h2>
      {config.sign_in.kind === "oidc" ? (
        <OidcNote issuer={config.sign_in.issuer} onClose={close} />
      ) : (
        <form onSubmit={submit}>
          <p className="muted" id={`${id}-hint`}>
            A name is enough. It stands with what you ask; your answers are counted without it.
          </p>
          <label htmlFor={`${id}-name`}>Name</label>
          <input
            id={`${id}-name`}
            value={name}
            maxLength={MAX_NAME}
            autoComplete="nickname"
            required
            aria-describedby={error === null ? `${id}-hint` : `${id}-error`}
            aria-invalid={error !== null}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          {error !== null && (
            <p className="error" role="alert" id={`${id}-error`}>
              {error}
            </p>
          )}
          <div className="row end">
            <button type="button" className="quiet" onClick={close}>
              Not now
            </button>
            <button type="submit" className="primary" disabled={busy || name.trim() === ""}>
              {busy ? "One moment" : "Go on"}
            </button>
          </div>
        </form>
      )}
    </dialog>
  );
}

function OidcNote({ issuer, onClose }: { issuer: string | null; onClose: () => void }) {
  return (
    <>
      <p>
        This server takes the tokens of <strong>{issuer ?? "another service"}</strong>. The sample
        signs in by name only: its README says where to put your own sign-in.
      </p>
      <div className="row end">
        <button type="button" className="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </>
  );
}

/** Who one is, in the header. */
export function Identity() {
  const { signIn, client } = useServices();
  const person = useStore(signIn.person);
  const ensure = useSignIn();
  const announce = useAnnounce();
  const out = useMemo(
    () => async () => {
      try {
        await signIn.signOut();
        client.setToken(undefined);
        announce("You are signed out.");
      } catch {
        announce("You are still signed in: the server cannot be reached.");
      }
    },
    [signIn, client, announce],
  );
  if (person === undefined) return null;
  if (person === null) {
    return (
      <button type="button" className="quiet" onClick={() => void ensure()}>
        Sign in
      </button>
    );
  }
  return (
    <details className="menu">
      <summary>
        <span className="avatar" aria-hidden="true">
          {[...person.name][0]?.toLocaleUpperCase()}
        </span>
        <span className="menu-name">{person.name}</span>
      </summary>
      <div className="menu-items">
        <p className="muted">
          Signed in as <strong>{person.name}</strong>
        </p>
        <button type="button" onClick={() => void out()}>
          Sign out
        </button>
      </div>
    </details>
  );
}
