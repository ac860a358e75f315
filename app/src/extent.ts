/** The range of the logarithmic axis. */

import { visible, type Scene } from "./scene.ts";

const LOGS = ["second_moment", "gradient", "weight_gradient"] as const;
/** A flat network looks flat: the axis spans at least this many decades. */
const SMALLEST_SPAN = 3;
/** A floor is drawn when a gradient comes within so many decades of it. */
const NEAR_A_FLOOR = 2;

/** [low, high] in decades, without headroom. */
export function logExtent(scene: Scene): [number, number] {
  const values: number[] = [];
  const gradients: number[] = [];
  for (const { track } of visible(scene)) {
    for (const quantity of LOGS.filter((key) => scene.shown.has(key))) {
      const into = quantity === "second_moment" ? values : gradients;
      for (const value of track[quantity]) if (value !== null) into.push(value);
    }
    if (scene.shown.has("second_moment")) {
      track.second_moment.forEach((value, place) => {
        const spread = track.spread[place] ?? 0;
        if (value !== null) values.push(value - spread, value + spread);
      });
    }
  }
  for (const point of scene.picture.measured) {
    if (point.quantity === "correlation" || !scene.shown.has(point.quantity)) continue;
    const into = point.quantity === "second_moment" ? values : gradients;
    for (const value of [point.value, point.low, point.high]) if (value !== null) into.push(value);
  }
  const lowest = gradients.reduce((low, value) => Math.min(low, value), Infinity);
  for (const floor of scene.picture.floors) {
    for (const value of [floor.value, ...(floor.values ?? [])]) {
      if (value !== null && lowest < value + NEAR_A_FLOOR) values.push(value);
    }
  }
  const all = values.concat(gradients);
  let low = all.reduce((least, value) => Math.min(least, value), 0);
  let high = all.reduce((most, value) => Math.max(most, value), 0);
  const missing = SMALLEST_SPAN - (high - low);
  if (missing > 0) {
    low -= missing / 2;
    high += missing / 2;
  }
  return [low, high];
}
