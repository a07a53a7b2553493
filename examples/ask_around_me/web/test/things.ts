/** Things for tests, of which each test says what matters to it. */

import type { Answer, Around, HeatCell, Question } from "../src/types.js";

export function question(id: string, parts: Partial<Question> = {}): Question {
  return {
    id,
    version: 1,
    text: `What of ${id}?`,
    kind: "stars",
    at: { lat: 47.3769, lng: 8.5417 },
    cell: "851f8edbfffffff",
    author: { id: "ada", name: "Ada" },
    created: "2026-01-01T12:00:00Z",
    photos: [],
    answers: { count: 0, average: null, distribution: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    ...parts,
  };
}

export function around(parts: Partial<Around> = {}): Around {
  return { questions: [], cells: [], topics: [], position: "e-1", more: false, mine: {}, ...parts };
}

export function answer(id: string, stars: number): Answer {
  return { question: id, stars, place: null, at: "2026-01-01T12:00:00Z" };
}

export function cell(id: string, count: number): HeatCell {
  return { cell: id, count, at: { lat: 47, lng: 8 }, outline: [] };
}
