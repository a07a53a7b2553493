/** How strong a cell of the heat map is. */

/** Shades that eyes tell apart; the style sheet has as many. */
export const SHADES = 5;

/** 1 … SHADES, by the share of the fullest cell. */
export function shadeOf(count: number, fullest: number): number {
  if (fullest <= 1) return SHADES;
  return Math.max(1, Math.ceil((SHADES * count) / fullest));
}
