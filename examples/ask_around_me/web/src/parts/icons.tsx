/** Drawings of 24 by 24, in the colour of the text around them; what they say stands beside them. */

const PATHS = {
  back: "M14.5 5.5 8 12l6.5 6.5",
  close: "M6.5 6.5l11 11m0-11-11 11",
  next: "M9.5 5.5 16 12l-6.5 6.5",
  here: "M12 3v3m0 12v3m9-9h-3M6 12H3m14.5 0a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0z",
  photo: "M4 8.5h3.2L9 6h6l1.8 2.5H20v10H4zM15.2 13.3a3.2 3.2 0 1 1-6.4 0 3.2 3.2 0 0 1 6.4 0z",
  pin: "M12 21c3.5-4.3 6.5-7.3 6.5-11a6.5 6.5 0 0 0-13 0c0 3.7 3 6.7 6.5 11zm2.3-11a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0z",
  plus: "M12 5v14M5 12h14",
  retry: "M19 12a7 7 0 1 1-2-4.9M19 4v4h-4",
  star: "M12 4l2.5 5.2 5.7.8-4.1 4 1 5.7L12 17l-5.1 2.7 1-5.7-4.1-4 5.7-.8z",
  wire: "M3 12h4l2.5-7 5 14L17 12h4",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.5v13l10.5-6.5z",
  check: "M5.5 12.5l4.2 4.2 8.8-9.4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
