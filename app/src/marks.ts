/** What stands beside the lines: places, measurements, floors, findings, and the structure along the axis. */

import type uPlot from "uplot";

import { line, placeWidth, ratio, shape, write, type Draw } from "./paint.ts";
import { isMain, type Floor, type Measured, type Quantity, type Track } from "./picture.ts";
import { visible, type Scene } from "./scene.ts";
import type { Colours } from "./theme.ts";

/** More places than this are a line without a mark at each. */
const MARKS = 80;

/** A mark at each place, in the shape of its quantity; smaller and fainter off the main path, hollow in the trace laid over. */
export function placeMarks(scene: Scene, quantities: readonly Quantity[], scale: string, colours: Colours): Draw {
  return (u) => {
    for (const { track, index } of visible(scene)) {
      for (const quantity of quantities.filter((key) => scene.shown.has(key))) {
        marksOf(u, track, quantity, scale, colours, index > 0);
      }
    }
  };
}

/** Measured points with their interval. */
export function measurements(scene: Scene, scale: (quantity: Quantity) => string | null, colours: Colours): Draw {
  return (u) => {
    for (const point of scene.picture.measured) {
      const axis = scale(point.quantity);
      if (axis && scene.shown.has(point.quantity)) measurement(u, point, axis, colours);
    }
  };
}

/** The smallest numbers of the floating-point formats, as far as they are in view. */
export function floors(scene: Scene, colours: Colours): Draw {
  return (u) => {
    const { min = 0, max = 0 } = u.scales["y"] ?? {};
    const inView = scene.picture.floors.filter(({ value }) => value >= min && value <= max);
    const named: number[] = [];
    // Where names would overlap, the floor of zero keeps its own.
    for (const floor of [...inView].sort((a, b) => Number(a.kind === "normal") - Number(b.kind === "normal"))) {
      step(u, floor, colours.muted);
      const y = u.valToPos(floor.value, "y", true);
      if (named.some((other) => Math.abs(other - y) < 16 * ratio())) continue;
      named.push(y);
      const words = floor.kind === "normal" ? `${floor.name} loses digits` : `${floor.name} is 0`;
      write(
        u,
        words,
        u.bbox.left + u.bbox.width - 4 * ratio(),
        y + 3 * ratio(),
        "right",
        "top",
        colours.muted,
        colours,
      );
    }
  };
}

/** A level line, or a stair where places differ. */
function step(u: uPlot, floor: Floor, colour: string): void {
  const { ctx } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = ratio();
  ctx.setLineDash([2 * ratio(), 3 * ratio()]);
  ctx.beginPath();
  if (!floor.values?.length) {
    const y = u.valToPos(floor.value, "y", true);
    ctx.moveTo(u.bbox.left, y);
    ctx.lineTo(u.bbox.left + u.bbox.width, y);
  }
  floor.values?.forEach((value, place) => {
    if (value === null) return;
    const y = u.valToPos(value, "y", true);
    ctx[place ? "lineTo" : "moveTo"](u.valToPos(place - 0.5, "x", true), y);
    ctx.lineTo(u.valToPos(place + 0.5, "x", true), y);
  });
  ctx.stroke();
  ctx.restore();
}

/** Brackets for residual blocks and ticks for norms, below the axis. */
export function structure(scene: Scene, colours: Colours, top: number): Draw {
  return (u) => {
    const y = u.bbox.top + u.bbox.height + top * ratio();
    const half = placeWidth(u) / 2;
    const dense = half < 2 * ratio();
    for (const block of scene.picture.blocks) {
      const left = u.valToPos(block.first, "x", true) - half * 0.7;
      const right = u.valToPos(block.last, "x", true) + half * 0.7;
      const foot = y + 6 * ratio();
      const { ctx } = u;
      ctx.save();
      ctx.strokeStyle = colours.muted;
      ctx.lineWidth = 1.5 * ratio();
      ctx.beginPath();
      ctx.moveTo(left, dense ? foot : y);
      ctx.lineTo(left, foot);
      ctx.lineTo(right, foot);
      ctx.lineTo(right, dense ? foot : y);
      ctx.stroke();
      ctx.restore();
    }
    for (const norm of scene.picture.norms) {
      const x = u.valToPos(norm.place, "x", true);
      line(u, x, y - 3 * ratio(), x, y + 3 * ratio(), colours.correlation, dense ? 0.5 : 2.5);
    }
  };
}

/** What the numbers below the panel count. */
export function axisName(colours: Colours, gap: number): Draw {
  return (u) => {
    const top = u.bbox.top + u.bbox.height + gap * ratio();
    write(u, "place", u.bbox.left - 6 * ratio(), top, "right", "top", colours.muted, colours);
  };
}

/** A fine line from each finding's marker down to its place. */
export function stems(scene: Scene, colours: Colours): Draw {
  return (u) => {
    for (const { place } of scene.picture.findings) {
      if (place === null || place === undefined) continue;
      const x = u.valToPos(place, "x", true);
      line(u, x, u.bbox.top, x, u.bbox.top + u.bbox.height, colours.high, 1, [1, 3]);
    }
  };
}

function marksOf(u: uPlot, track: Track, quantity: Quantity, scale: string, colours: Colours, over: boolean): void {
  const many = track.places.length > MARKS || (over && placeWidth(u) < 18 * ratio());
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = colours[quantity];
  ctx.lineWidth = 1.25 * ratio();
  ctx.setLineDash([]);
  track[quantity].forEach((value, place) => {
    if (value === null) return;
    const inside = !isMain(track.places[place]);
    if (over ? inside || many : many && !inside) return;
    const x = u.valToPos(place, "x", true);
    const y = u.valToPos(value, scale, true);
    ctx.globalAlpha = inside ? 0.4 : 1;
    shape(ctx, quantity, x, y, (many ? 1 : inside ? 1.9 : over ? 2.6 : 3.4) * ratio());
    ctx.fillStyle = over ? colours.back : colours[quantity];
    ctx.fill();
    if (over) ctx.stroke();
  });
  ctx.restore();
}

function measurement(u: uPlot, point: Measured, scale: string, colours: Colours): void {
  const x = u.valToPos(point.place, "x", true);
  if (point.value === null) {
    if (point.high !== null) bound(u, x, u.valToPos(point.high, scale, true), colours[point.quantity]);
    return;
  }
  const y = u.valToPos(point.value, scale, true);
  const low = u.valToPos(point.low ?? point.value, scale, true);
  const high = u.valToPos(point.high ?? point.value, scale, true);
  const cap = 4 * ratio();
  if (low - high > cap / 2) {
    line(u, x, low, x, high, colours.text, 1.5);
    line(u, x - cap, low, x + cap, low, colours.text, 1.5);
    line(u, x - cap, high, x + cap, high, colours.text, 1.5);
  }
  const { ctx } = u;
  ctx.save();
  ctx.fillStyle = colours[point.quantity];
  ctx.strokeStyle = colours.text;
  ctx.lineWidth = 1.5 * ratio();
  shape(ctx, point.quantity, x, y, 5 * ratio());
  ctx.fill();
  ctx.stroke();
  ctx.restore();
}

/** Somewhere below: a bar with an arrow down. */
function bound(u: uPlot, x: number, y: number, colour: string): void {
  const size = 5 * ratio();
  line(u, x - size, y, x + size, y, colour, 2);
  line(u, x, y, x, y + 3 * size, colour, 2);
  line(u, x - size * 0.7, y + 2 * size, x, y + 3 * size, colour, 2);
  line(u, x + size * 0.7, y + 2 * size, x, y + 3 * size, colour, 2);
}
