/** Stars to look at, and stars to give. */

import { useId } from "react";
import { halves, stars as inWords } from "../format.js";

const STAR = "M12 2.6l2.9 6 6.6.9-4.8 4.6 1.2 6.5L12 17.5l-5.9 3.1 1.2-6.5L2.5 9.5l6.6-.9z";

/** Five stars of which some are full, exactly. */
function Row({ value }: { value: number }) {
  const id = useId();
  return (
    <svg className="stars-row" viewBox="0 0 120 24" aria-hidden="true" focusable="false">
      <clipPath id={id}>
        <rect width={value * 24} height="24" />
      </clipPath>
      <g className="stars-empty">{FIVE}</g>
      <g className="stars-full" clipPath={`url(#${id})`}>
        {FIVE}
      </g>
    </svg>
  );
}

const FIVE = [0, 24, 48, 72, 96].map((x) => (
  <path key={x} d={STAR} transform={`translate(${x} 0)`} />
));

interface StarsShownProps {
  readonly value: number;
  /** Not given: what stands beside them says it. */
  readonly label?: string;
}

export function StarsShown({ value, label }: StarsShownProps) {
  return label === undefined ? (
    <span className="stars">
      <Row value={value} />
    </span>
  ) : (
    <span className="stars" role="img" aria-label={label}>
      <Row value={value} />
    </span>
  );
}

interface StarsInputProps {
  readonly label: string;
  /** 0: none yet. */
  readonly value: number;
  readonly onChange: (value: number) => void;
}

/**
 * A slider in the shape of five stars: touched or dragged anywhere, moved by half a star with the
 * arrow keys. Its thumb is half a star wide and unseen, so that what is touched is what is given.
 */
export function StarsInput({ label, value, onChange }: StarsInputProps) {
  const id = useId();
  return (
    <div className="stars-input">
      <label htmlFor={id}>{label}</label>
      <div className="stars-touch">
        <input
          id={id}
          type="range"
          min="0"
          max="5"
          step="0.5"
          value={value}
          aria-valuetext={value === 0 ? "no stars yet" : inWords(value)}
          onChange={(event) => onChange(event.currentTarget.valueAsNumber)}
        />
        <Row value={value} />
      </div>
      <output htmlFor={id} aria-hidden="true">
        {value === 0 ? "–" : halves(value)}
      </output>
    </div>
  );
}
