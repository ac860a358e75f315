/** What is drawn now: the picture as it came, the variant laid over it, and what the person switched on. */

import type { Picture, Quantity, Track, Value } from "./picture.ts";
import { measuredCourse, type Course } from "./scale.ts";

export interface Scene {
  readonly picture: Picture;
  /** The picture's own trace, then the one laid over it; none where there are measurements alone. */
  readonly tracks: readonly Track[];
  readonly shown: ReadonlySet<Quantity>;
  readonly hidden: ReadonlySet<number>;
}

export const QUANTITIES: readonly { readonly key: Quantity; readonly label: string }[] = [
  { key: "second_moment", label: "E[x²] signal" },
  { key: "gradient", label: "gradient" },
  { key: "weight_gradient", label: "weight gradient" },
  { key: "correlation", label: "input correlation" },
];

export function visible(scene: Scene): readonly { readonly track: Track; readonly index: number }[] {
  return scene.tracks.map((track, index) => ({ track, index })).filter(({ index }) => !scene.hidden.has(index));
}

/** Places along the axis: those of the longest trace. */
export function depth(scene: Scene): number {
  return Math.max(scene.picture.places.length, ...scene.tracks.map((track) => track.places.length));
}

/** What the tinted depths tell of: the trace as pasted, or the measurements where there is none. */
export function reference(scene: Scene): Course | null {
  if (scene.tracks.length === 0) return measuredCourse(scene.picture);
  return scene.hidden.has(0) ? null : (scene.tracks[0] ?? null);
}

export function has(scene: Scene, quantity: Quantity): boolean {
  const known = (value: Value): boolean => value !== null;
  return (
    scene.tracks.some((track) => track[quantity].some(known)) ||
    scene.picture.measured.some((point) => point.quantity === quantity)
  );
}
