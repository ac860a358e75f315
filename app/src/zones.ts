/** Where a quantity is off its scale, as it is seen at the first glance. */

import type uPlot from "uplot";

import { factor } from "./numbers.ts";
import { ratio, write, type Draw } from "./paint.ts";
import { isMain, type Value } from "./picture.ts";
import { alikeFrom, gradientDeparture, signalDeparture, type Course, type Departure } from "./scale.ts";
import { reference, type Scene } from "./scene.ts";
import type { Colours } from "./theme.ts";

/** Height of one caption inside the plot, CSS pixels. */
export const CAPTION = 22;

/** Where the network as pasted is off its scale: the gap between the line and the scale that it left. */
export function gaps(scene: Scene, colours: Colours): Draw {
  const course = reference(scene);
  const { signal, gradient } = departures(scene);
  return (u) => {
    if (!course) return;
    if (signal) gap(u, course, course.second_moment, signal, colours.second_moment);
    if (gradient) gap(u, course, course.gradient, gradient, colours.gradient);
  };
}

/** A bar over those depths, with what becomes of the quantity at their end. */
export function captions(scene: Scene, colours: Colours): Draw {
  const { signal, gradient } = departures(scene);
  return (u) => {
    if (gradient)
      caption(
        u,
        gradient,
        0,
        "left",
        `gradient² ${factor(gradient.log)} at place ${gradient.first + 1}`,
        colours.gradient,
        colours,
      );
    if (signal)
      caption(
        u,
        signal,
        gradient ? 1 : 0,
        "right",
        `E[x²] ${factor(signal.log)} at place ${signal.last + 1}`,
        colours.second_moment,
        colours,
      );
  };
}

/** The captions of the zones need so many rows. */
export function captionRows(scene: Scene): number {
  const { signal, gradient } = departures(scene);
  return Number(signal !== null) + Number(gradient !== null);
}

function departures(scene: Scene): { readonly signal: Departure | null; readonly gradient: Departure | null } {
  const course = reference(scene);
  return {
    signal: course && scene.shown.has("second_moment") ? signalDeparture(course) : null,
    gradient: course && scene.shown.has("gradient") ? gradientDeparture(course) : null,
  };
}

/** Depth from which on two inputs are alike. */
export function alikeZone(scene: Scene, colours: Colours): Draw {
  const course = reference(scene);
  const from = course && alikeFrom(course);
  return (u) => {
    if (course && from !== null) tint(u, from, course.places.length - 1, colours.correlation);
  };
}

function tint(u: uPlot, first: number, last: number, colour: string): void {
  const left = u.valToPos(first - 0.5, "x", true);
  const right = u.valToPos(last + 0.5, "x", true);
  u.ctx.save();
  u.ctx.globalAlpha = 0.09;
  u.ctx.fillStyle = colour;
  u.ctx.fillRect(left, u.bbox.top, right - left, u.bbox.height);
  u.ctx.restore();
}

function gap(
  u: uPlot,
  course: Course,
  values: readonly Value[],
  { first, last, scale }: Departure,
  colour: string,
): void {
  const { ctx } = u;
  const level = u.valToPos(scale, "y", true);
  const inside = values.flatMap((value, place): [number, number][] =>
    value === null || place < first || place > last || !isMain(course.places[place])
      ? []
      : [[u.valToPos(place, "x", true), u.valToPos(value, "y", true)]],
  );
  ctx.save();
  ctx.beginPath();
  inside.forEach(([x, y], index) => ctx[index ? "lineTo" : "moveTo"](x, y));
  ctx.lineTo(inside.at(-1)?.[0] ?? 0, level);
  ctx.lineTo(inside[0]?.[0] ?? 0, level);
  ctx.closePath();
  ctx.globalAlpha = 0.13;
  ctx.fillStyle = colour;
  ctx.fill();
  ctx.restore();
}

function caption(
  u: uPlot,
  { first, last }: Departure,
  row: number,
  align: "left" | "right",
  text: string,
  colour: string,
  colours: Colours,
): void {
  const left = u.valToPos(first - 0.5, "x", true);
  const right = u.valToPos(last + 0.5, "x", true);
  const top = u.bbox.top + row * CAPTION * ratio();
  u.ctx.fillStyle = colour;
  u.ctx.fillRect(left, top + 16 * ratio(), right - left, 3 * ratio());
  write(u, text, align === "left" ? left : right, top, align, "top", colour, colours, 600);
}
