/** How many gave how many stars. */

import { count, halves, stars } from "../format.js";
import { bars } from "../state/answers.js";

export function Distribution({ distribution }: { distribution: readonly number[] }) {
  return (
    <ol className="bars" aria-label="Answers by stars">
      {bars(distribution).map((bar) => (
        <li key={bar.stars}>
          <span className="bars-count" aria-hidden="true">
            {bar.count > 0 ? bar.count : ""}
          </span>
          <span className="bars-track" aria-hidden="true">
            <span className="bars-fill" style={{ blockSize: `${bar.length * 100}%` }} />
          </span>
          <span className="bars-stars" aria-hidden="true">
            {halves(bar.stars)}
          </span>
          <span className="hidden">
            {stars(bar.stars)}: {count(bar.count, "answer")}
          </span>
        </li>
      ))}
    </ol>
  );
}
