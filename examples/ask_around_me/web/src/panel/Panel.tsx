/** What goes over the wire, and switches to disturb it: for the demo. */

import { useEffect, useId, useRef, useState } from "react";
import type { Traffic, TransportName } from "ringback";
import { bytes, clock, duration } from "../format.js";
import { TRANSPORT_NAMES } from "../parts/Connection.js";
import { Icon } from "../parts/icons.js";
import { ALL, useServices, useStore } from "../services.js";
import { type Entry, SILENCE, type Sieve, sift, TRANSPORTS, type Wire } from "../state/traffic.js";

/** Entries that are drawn; the rest is kept for the filter. */
const DRAWN = 150;

const NAMES: Readonly<Record<Traffic["transport"], string>> = { http: "HTTP", ...TRANSPORT_NAMES };

export function Panel({ onClose }: { onClose: () => void }) {
  const { wire } = useServices();
  const live = useStore(wire);
  const [held, setHeld] = useState<Wire | null>(null);
  const [sieve, setSieve] = useState<Sieve>({ transport: "all", text: "" });
  const title = useRef<HTMLHeadingElement>(null);
  const id = useId();
  useEffect(() => title.current?.focus(), []);
  const shown = held ?? live;
  const entries = sift(shown.entries, sieve);
  const missed = held === null ? 0 : live.seen - held.seen;
  return (
    <aside className="wire" aria-labelledby={`${id}-title`}>
      <div className="wire-head">
        <h2 id={`${id}-title`} ref={title} tabIndex={-1}>
          On the wire
        </h2>
        <button
          type="button"
          className="small"
          onClick={() => setHeld(held === null ? live : null)}
        >
          <Icon name={held === null ? "pause" : "play"} />
          {held === null ? "Pause" : `Go on${missed > 0 ? ` (${missed} more)` : ""}`}
        </button>
        <button
          type="button"
          className="small quiet"
          onClick={() => {
            wire.set(SILENCE);
            setHeld(null);
          }}
        >
          Clear
        </button>
        <button type="button" className="round" aria-label="Close the panel" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div className="wire-body">
        <div className="wire-side">
          <Switches />
          <SumsTable wire={shown} />
        </div>
        <section className="wire-log" aria-label="Requests and messages">
          <div className="wire-filter">
            <label htmlFor={`${id}-transport`} className="hidden">
              By transport
            </label>
            <select
              id={`${id}-transport`}
              value={sieve.transport}
              onChange={(event) => {
                const wanted = event.currentTarget.value;
                const transport = TRANSPORTS.find((each) => each === wanted) ?? "all";
                setSieve((before) => ({ ...before, transport }));
              }}
            >
              <option value="all">All transports</option>
              {TRANSPORTS.map((each) => (
                <option key={each} value={each}>
                  {NAMES[each]}
                </option>
              ))}
            </select>
            <label htmlFor={`${id}-text`} className="hidden">
              With this text
            </label>
            <input
              id={`${id}-text`}
              type="search"
              placeholder="Filter"
              value={sieve.text}
              onChange={(event) => {
                const text = event.currentTarget.value;
                setSieve((before) => ({ ...before, text }));
              }}
            />
          </div>
          {entries.length === 0 ? (
            <p className="muted">{shown.seen === 0 ? "Nothing yet." : "Nothing of the kind."}</p>
          ) : (
            <ol className="entries">
              {entries.slice(0, DRAWN).map((entry) => (
                <EntryRow key={entry.number} entry={entry} />
              ))}
            </ol>
          )}
        </section>
      </div>
    </aside>
  );
}

function EntryRow({ entry }: { entry: Entry }) {
  const { at, transport, direction, summary, status, data } = entry;
  const line = (
    <>
      <span className="entry-way" data-direction={direction}>
        <span aria-hidden="true">{direction === "out" ? "↑" : "↓"}</span>
        <span className="hidden">{direction === "out" ? "sent" : "received"}</span>
      </span>
      <span className="entry-kind">{NAMES[transport]}</span>
      <span className="entry-text">{summary}</span>
      {status !== undefined && (
        <span className="entry-status" data-bad={isBad(status) || undefined}>
          {status}
        </span>
      )}
      <span className="entry-bytes">{bytes(entry.bytes)}</span>
      <time className="entry-time" dateTime={new Date(at).toISOString()}>
        {clock(at)}
      </time>
    </>
  );
  return (
    <li className="entry" data-transport={transport}>
      {data === undefined ? (
        <div className="entry-line">{line}</div>
      ) : (
        <details>
          <summary className="entry-line">{line}</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
          <pre tabIndex={0}>{data}</pre>
        </details>
      )}
    </li>
  );
}

/** HTTP's errors, and closes that nobody wanted. */
function isBad(status: number): boolean {
  return status >= 400 && status !== 1000 && status !== 1001 && status !== 1005;
}

function SumsTable({ wire: { sums } }: { wire: Wire }) {
  const used = TRANSPORTS.filter((each) => sums[each].out.count + sums[each].in.count > 0);
  return (
    <table className="sums">
      <caption className="hidden">What went over the wire, by transport</caption>
      <thead>
        <tr>
          <th scope="col">By</th>
          <th scope="col">Sent</th>
          <th scope="col">Received</th>
        </tr>
      </thead>
      <tbody>
        {used.map((each) => (
          <tr key={each}>
            <th scope="row">{NAMES[each]}</th>
            <td>
              {sums[each].out.count} <span className="muted">{bytes(sums[each].out.bytes)}</span>
            </td>
            <td>
              {sums[each].in.count} <span className="muted">{bytes(sums[each].in.bytes)}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Switches() {
  const { network, forced, api, notice } = useServices();
  const isCut = useStore(network.isCut);
  const chosen = useStore(forced);
  const [killed, setKilled] = useState("");
  const id = useId();
  async function kill(): Promise<void> {
    setKilled("…");
    try {
      const { pid, lease } = await api.killWorker();
      setKilled(`Process ${pid} is gone. Its work goes on within ${duration(lease)}.`);
    } catch (cause) {
      setKilled(cause instanceof Error ? cause.message : "That did not work.");
    }
  }
  const option = (value: TransportName | null, label: string) => (
    <label className="segment" key={label}>
      <input
        type="radio"
        name={`${id}-transport`}
        checked={chosen === value}
        onChange={() => forced.set(value)}
      />
      <span>{label}</span>
    </label>
  );
  return (
    <div className="switches">
      <fieldset className="segments">
        <legend>Transport</legend>
        {option(null, "Best")}
        {ALL.map((each) => option(each, TRANSPORT_NAMES[each]))}
      </fieldset>
      <div className="row">
        <button
          type="button"
          role="switch"
          aria-checked={!isCut}
          className="switch"
          onClick={() => {
            if (isCut) network.mend();
            else network.cut();
            notice.set(isCut ? "The network is back." : "The network is cut.");
          }}
        >
          <span className="switch-track" aria-hidden="true" />
          Network
        </button>
        <button type="button" className="small" onClick={() => void kill()}>
          Kill a worker
        </button>
      </div>
      <p className="killed" role="status">
        {killed}
      </p>
    </div>
  );
}
