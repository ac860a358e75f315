/** What is known of one place, in words. */

import { fromLog, plain } from "./numbers.ts";
import type { Measured, Quantity, Track } from "./picture.ts";
import { depth, visible, type Scene } from "./scene.ts";

export interface Fact {
  /** Whose fact it is; empty for the trace that was pasted, where it is the only one. */
  readonly of: string;
  readonly text: string;
}

export interface Readout {
  readonly place: string;
  readonly label: string;
  readonly facts: readonly Fact[];
}

/** The facts of a place, for the readout and for the spoken value of the cursor. */
export function readout(scene: Scene, place: number): Readout {
  const named = [scene.picture, ...scene.tracks]
    .map(({ places }) => places[place])
    .find((found) => found !== undefined);
  const block = scene.picture.blocks.find(({ first, last }) => first <= place && place <= last);
  const traces = visible(scene).map(({ track, index }) => ({
    of: scene.tracks.length > 1 ? (scene.tracks[index]?.name ?? "") : "",
    text: factsOf(track, place),
  }));
  const measured = scene.picture.measured
    .filter((point) => point.place === place)
    .map((point) => ({ of: `measured (${point.name})`, text: told(point) }));
  return {
    place: `Place ${place + 1} of ${depth(scene)}`,
    label: [named?.name, named?.label, block?.label].filter((part) => part).join(" · "),
    facts: [...traces, ...measured],
  };
}

const WORDS: Readonly<Record<Quantity, string>> = {
  second_moment: "E[x²]",
  gradient: "gradient",
  weight_gradient: "weight gradient",
  correlation: "correlation",
};

export function value(quantity: Quantity, given: number): string {
  return quantity === "correlation" ? plain(given) : fromLog(given);
}

export function told(point: Measured): string {
  return `${WORDS[point.quantity]} ${size(point)}${point.note && ` (${point.note})`}`;
}

function size({ quantity, value: found, low, high }: Measured): string {
  if (found === null) return high === null ? "0 or not a number" : `at most ${value(quantity, high)}`;
  const interval =
    low === null || high === null || low === high ? "" : ` [${value(quantity, low)}, ${value(quantity, high)}]`;
  return value(quantity, found) + interval;
}

function factsOf(track: Track, place: number): string {
  if (place >= track.places.length) return "ends before this place";
  const notes = track.notes[place] ?? [];
  if (notes.length) return notes.join(" · ");
  const known = (Object.keys(WORDS) as Quantity[]).flatMap((quantity) => {
    const found = track[quantity][place];
    return found == null ? [] : [`${WORDS[quantity]} ${value(quantity, found)}`];
  });
  return known.join(" · ") || "not known here";
}
