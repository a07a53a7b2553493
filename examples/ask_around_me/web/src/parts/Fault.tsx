/** What did not work, why, and how to try again. */

import { duration, secondsUntil } from "../format.js";
import { useNow } from "../state/hooks.js";
import type { Failure } from "../state/outbox.js";
import { Icon } from "./icons.js";

interface FaultProps {
  readonly failure: Failure;
  /** Not given: trying again would not help. */
  readonly onAgain?: (() => void) | undefined;
  readonly onDismiss: () => void;
  readonly dismiss: string;
}

export function Fault({ failure, onAgain, onDismiss, dismiss }: FaultProps) {
  const now = useNow(1000);
  const wait = failure.retryAt === null ? 0 : secondsUntil(failure.retryAt, now);
  return (
    <div className="fault" role="alert">
      <p>{failure.detail}</p>
      <div className="row">
        {onAgain !== undefined && (
          <button type="button" className="small" onClick={onAgain} disabled={wait > 0}>
            <Icon name="retry" />
            {wait > 0 ? `Try again in ${duration(wait)}` : "Try again"}
          </button>
        )}
        <button type="button" className="small quiet" onClick={onDismiss}>
          {dismiss}
        </button>
      </div>
    </div>
  );
}
