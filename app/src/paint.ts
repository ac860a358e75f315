/** Strokes, words and shapes on uPlot's canvas, whose pixels are finer than those of the page. */

import uPlot from "uplot";

import type { Quantity } from "./picture.ts";
import type { Colours } from "./theme.ts";

export type Draw = (u: uPlot) => void;

export const FONT_SIZE = 12;

export const ratio = (): number => uPlot.pxRatio;

/** Canvas pixels from one place to the next. */
export function placeWidth(u: uPlot): number {
  return Math.abs(u.valToPos(1, "x", true) - u.valToPos(0, "x", true));
}

/** Circle, square, triangle, diamond: told apart without colour. */
export function shape(ctx: CanvasRenderingContext2D, quantity: Quantity, x: number, y: number, r: number): void {
  ctx.beginPath();
  if (quantity === "second_moment") {
    ctx.arc(x, y, r, 0, 2 * Math.PI);
  } else if (quantity === "gradient") {
    ctx.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  } else {
    const corners =
      quantity === "weight_gradient"
        ? [
            [0, -1.2],
            [1.1, 0.9],
            [-1.1, 0.9],
          ]
        : [
            [0, -1.3],
            [1.1, 0],
            [0, 1.3],
            [-1.1, 0],
          ];
    corners.forEach(([dx = 0, dy = 0], index) => ctx[index ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
    ctx.closePath();
  }
}

export function line(
  u: uPlot,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
  colour: string,
  width: number,
  dash: readonly number[] = [],
): void {
  const { ctx } = u;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = width * ratio();
  ctx.setLineDash(dash.map((length) => length * ratio()));
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
  ctx.restore();
}

export function write(
  u: uPlot,
  text: string,
  x: number,
  y: number,
  align: CanvasTextAlign,
  base: CanvasTextBaseline,
  colour: string,
  colours: Colours,
  weight = 400,
): void {
  const { ctx } = u;
  ctx.save();
  ctx.font = `${weight} ${FONT_SIZE * ratio()}px ${colours.font}`;
  ctx.textAlign = align;
  ctx.textBaseline = base;
  ctx.lineWidth = 3 * ratio();
  ctx.strokeStyle = colours.back;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
  ctx.restore();
}
