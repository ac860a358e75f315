/** Where a quantity leaves its scale for good, not as a transient. */

import { isMain, type Picture, type Place, type Value } from "./picture.ts";

/** A factor of ten either way still counts as the same scale. */
const ONE_DECADE = 1;
/** From here on two inputs share all but a hundredth. */
const ALIKE = 0.99;
/** A departure at the last place alone is the head of the network, not its depth. */
const SHORTEST = 3;

/** What is looked at: quantities along places. */
export interface Course {
  readonly places: readonly Place[];
  readonly second_moment: readonly Value[];
  readonly gradient: readonly Value[];
  readonly correlation: readonly Value[];
}

export interface Departure {
  /** Places [first, last] that are off the scale. */
  readonly first: number;
  readonly last: number;
  /** log10 of the scale that was left. */
  readonly scale: number;
  /** log10 of the factor at the far end. */
  readonly log: number;
}

/** The signal runs from the input on: a departure reaches to the last place. */
export function signalDeparture(course: Course): Departure | null {
  return departure(main(course, course.second_moment));
}

/** The gradient runs from the output back: a departure reaches to the first place. */
export function gradientDeparture(course: Course): Departure | null {
  return departure(main(course, course.gradient).reverse());
}

/** The place from which on two inputs are alike, or null. */
export function alikeFrom(course: Course): number | null {
  const points = main(course, course.correlation);
  const from = suffix(points, (value) => value >= ALIKE);
  return points.length - from >= SHORTEST ? (points[from]?.[0] ?? null) : null;
}

type Point = readonly [place: number, value: number];

/** What was measured, as a course of its own: for a picture without a theory. */
export function measuredCourse(picture: Picture): Course {
  const of = (quantity: "second_moment" | "gradient" | "correlation"): Value[] =>
    picture.places.map(
      (_, at) => picture.measured.find(({ place, quantity: q }) => place === at && q === quantity)?.value ?? null,
    );
  return {
    places: picture.places,
    second_moment: of("second_moment"),
    gradient: of("gradient"),
    correlation: of("correlation"),
  };
}

function main({ places }: Course, values: readonly Value[]): Point[] {
  return values.flatMap((value, place): Point[] => (value !== null && isMain(places[place]) ? [[place, value]] : []));
}

function departure(points: readonly Point[]): Departure | null {
  const start = points[0];
  const end = points[points.length - 1];
  if (!start || !end) return null;
  const from = suffix(points, (value) => Math.abs(value - start[1]) >= ONE_DECADE);
  const edge = points[from];
  if (!edge || points.length - from < SHORTEST) return null;
  return { first: Math.min(edge[0], end[0]), last: Math.max(edge[0], end[0]), scale: start[1], log: end[1] - start[1] };
}

/** Index from which on every point holds. */
function suffix(points: readonly Point[], holds: (value: number) => boolean): number {
  let from = points.length;
  while (from > 0 && holds((points[from - 1] as Point)[1])) from -= 1;
  return from;
}
