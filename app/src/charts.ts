/** The two panels over depth: the logarithmic one, and the correlation of inputs from 0 to 1. */

import uPlot from "uplot";

import { logExtent } from "./extent.ts";
import * as marks from "./marks.ts";
import { decade, decades } from "./numbers.ts";
import { FONT_SIZE } from "./paint.ts";
import { isMain, type Quantity, type Track, type Value } from "./picture.ts";
import { depth, has, visible, type Scene } from "./scene.ts";
import type { Colours } from "./theme.ts";
import * as zones from "./zones.ts";

const LOGS: readonly Quantity[] = ["second_moment", "gradient", "weight_gradient"];
/** The trace that is laid over another. */
const DASH = [7, 5];
const GUTTER = 50;
const RIGHT = 16;
const X_AXIS = 22;
const STRUCTURE = 14;
const PANEL = 92;
/** Room for the names of the axis between a tick and the next. */
const TICK_SPACE = 26;

export interface Charts {
  /** Put the cursor on a place, or take it away. */
  readonly point: (place: number | null) => void;
  /** Where a place lies, in CSS pixels from the left of the panels. */
  readonly left: (place: number) => number;
  readonly destroy: () => void;
}

/** Draw the scene into two boxes at their present width; `picked` hears of the place under the pointer. */
export function drawCharts(
  boxes: { readonly log: HTMLElement; readonly correlation: HTMLElement },
  scene: Scene,
  colours: Colours,
  picked: (place: number | null) => void,
  laid: (charts: Charts) => void,
): Charts {
  const width = Math.max(boxes.log.clientWidth, 240);
  const first: uPlot = new uPlot(
    logOptions(scene, colours, width, () => laid(drawn)),
    logData(scene),
    boxes.log,
  );
  const charts = [first];
  tellRange(first, boxes.log, depth(scene));
  boxes.correlation.hidden = !(has(scene, "correlation") && scene.shown.has("correlation"));
  if (!boxes.correlation.hidden) {
    const second = new uPlot(correlationOptions(scene, colours, width), correlationData(scene), boxes.correlation);
    tellRange(second, boxes.correlation, depth(scene));
    charts.push(second);
  }
  const places = depth(scene);
  for (const chart of charts) followPointer(chart, places, picked);
  const drawn: Charts = {
    point: (place) => {
      for (const chart of charts) {
        chart.setCursor({ left: place === null ? -10 : chart.valToPos(place, "x"), top: place === null ? -10 : 0 });
      }
    },
    left: (place) => first.over.offsetLeft + first.valToPos(place, "x"),
    destroy: () => charts.forEach((chart) => chart.destroy()),
  };
  return drawn;
}

/** What the panel shows, for whoever reads positions off it. */
function tellRange(chart: uPlot, box: HTMLElement, places: number): void {
  queueMicrotask(() => {
    const { min, max } = chart.scales["y"] ?? {};
    Object.assign(box.dataset, { low: min, high: max, places });
  });
}

/** uPlot's own handlers know the mouse alone; these serve touch and pen as well. */
function followPointer(chart: uPlot, places: number, picked: (place: number | null) => void): void {
  const at = (event: PointerEvent): void => {
    const box = chart.over.getBoundingClientRect();
    const place = Math.round(chart.posToVal(event.clientX - box.left, "x"));
    picked(Math.min(Math.max(place, 0), places - 1));
  };
  chart.over.addEventListener("pointermove", at);
  chart.over.addEventListener("pointerdown", at);
  chart.over.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") picked(null);
  });
}

function logOptions(scene: Scene, colours: Colours, width: number, laid: () => void): uPlot.Options {
  const below = structured(scene) ? STRUCTURE : 0;
  const gap = below || 2;
  const height = Math.max(width < 480 ? 250 : 320, roomAbove()) + below;
  const [low, high] = logExtent(scene);
  const plot = height - X_AXIS - below;
  const headroom = zones.captionRows(scene) * zones.CAPTION + 10;
  const decadesPerPixel = (high - low) / (plot - headroom - 10);
  const range: [number, number] = [low - 10 * decadesPerPixel, high + headroom * decadesPerPixel];
  return {
    ...common(colours, width, height),
    scales: { x: xScale(scene), y: { range: () => range } },
    axes: [
      { ...axis(colours), ...placeTicks(scene, width), size: X_AXIS + below, gap },
      {
        ...axis(colours),
        size: GUTTER,
        splits: (_u, _index, min, max) =>
          decades(min + 6 * decadesPerPixel, Math.min(max, high + 1e-9), plot / TICK_SPACE),
        values: (_u, ticks) => ticks.map(decade),
      },
    ],
    series: [{}, ...visible(scene).flatMap(({ index }) => logSeries(scene, colours, index))],
    bands: visible(scene).map((_, order) => ({
      series: [5 * order + 4, 5 * order + 5],
      fill: faded(colours.second_moment, order ? 0.12 : 0.2),
    })),
    hooks: {
      drawClear: [zones.gaps(scene, colours)],
      draw: [
        marks.floors(scene, colours),
        marks.stems(scene, colours),
        marks.placeMarks(scene, LOGS, "y", colours),
        marks.measurements(scene, (quantity) => (quantity === "correlation" ? null : "y"), colours),
        zones.captions(scene, colours),
        marks.structure(scene, colours, 5),
        marks.axisName(colours, gap),
        laid,
      ],
    },
  };
}

/** Three lines and the two edges of the spread, for one trace. */
function logSeries(scene: Scene, colours: Colours, index: number): uPlot.Series[] {
  const edge = {
    stroke: "transparent",
    points: { show: false },
    show: scene.shown.has("second_moment"),
    spanGaps: true,
  };
  return [...LOGS.map((quantity) => series(scene, colours, index, quantity)), edge, { ...edge }];
}

function series(scene: Scene, colours: Colours, index: number, quantity: Quantity): uPlot.Series {
  return {
    stroke: colours[quantity],
    width: index === 0 ? 2.25 : 1.75,
    dash: index === 0 ? [] : DASH,
    points: { show: false },
    show: scene.shown.has(quantity),
  };
}

function logData(scene: Scene): uPlot.AlignedData {
  const length = depth(scene);
  const lines = visible(scene).flatMap(({ track, index }) => [
    ...LOGS.map((quantity) => along(track, track[quantity], index > 0)),
    along(track, shifted(track, 1), true),
    along(track, shifted(track, -1), true),
  ]);
  return [Array.from({ length }, (_, place) => place), ...lines.map((line) => padded(line, length))];
}

function shifted(track: Track, by: 1 | -1): Value[] {
  return track.second_moment.map((value, place) => {
    const spread = track.spread[place] ?? null;
    return value === null || spread === null ? null : value + by * spread;
  });
}

function correlationOptions(scene: Scene, colours: Colours, width: number): uPlot.Options {
  return {
    ...common(colours, width, PANEL),
    scales: { x: xScale(scene), y: { range: () => [-0.06, 1.06] } },
    axes: [{ show: false }, { ...axis(colours), size: GUTTER, splits: () => [0, 0.5, 1] }],
    series: [{}, ...visible(scene).map(({ index }) => series(scene, colours, index, "correlation"))],
    hooks: {
      drawClear: [zones.alikeZone(scene, colours)],
      draw: [
        marks.placeMarks(scene, ["correlation"], "y", colours),
        marks.measurements(scene, (quantity) => (quantity === "correlation" ? "y" : null), colours),
      ],
    },
  };
}

function correlationData(scene: Scene): uPlot.AlignedData {
  const length = depth(scene);
  const lines = visible(scene).map(({ track, index }) => padded(along(track, track.correlation, index > 0), length));
  return [Array.from({ length }, (_, place) => place), ...lines];
}

type Line = (number | null | undefined)[];

/**
 * The line runs along the main path, past places in branches. What is not known is a gap (null), but not in a trace
 * that is laid over another: there it is a place that this one does not have (undefined).
 */
function along(track: Track, values: readonly Value[], joined: boolean): Line {
  return values.map((value, place) =>
    isMain(track.places[place]) ? (value ?? (joined ? undefined : null)) : undefined,
  );
}

/** Half of the window where the page has all of it; elsewhere the window is as high as what is drawn. */
function roomAbove(): number {
  return document.documentElement.dataset["display"] === "fullscreen" ? Math.round(innerHeight / 2) : 0;
}

function padded(line: Line, length: number): Line {
  return [...line, ...Array.from<undefined>({ length: length - line.length })];
}

function common(colours: Colours, width: number, height: number): Omit<uPlot.Options, "series"> {
  return {
    width,
    height,
    padding: [6, RIGHT, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      bind: {
        mousedown: nothing,
        mouseup: nothing,
        click: nothing,
        dblclick: nothing,
        mousemove: nothing,
        mouseleave: nothing,
        mouseenter: nothing,
      },
      points: {
        size: (u, index) => (u.series[index]?.stroke === "transparent" ? 0 : 9),
        width: 2,
        stroke: colours.back,
      },
    },
  };
}

const nothing = (): null => null;

function xScale(scene: Scene): uPlot.Scale {
  const places = depth(scene);
  return { time: false, range: () => [-0.5, places - 0.5] };
}

function axis(colours: Colours): uPlot.Axis {
  return {
    stroke: colours.muted,
    font: `${FONT_SIZE}px ${colours.font}`,
    grid: { stroke: colours.grid, width: 1 },
    ticks: { show: false },
    gap: 4,
  };
}

/** Places are counted from one: 1, 5, 10, 15, … */
function placeTicks(scene: Scene, width: number): uPlot.Axis {
  const places = depth(scene);
  const most = (width - GUTTER) / 42;
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((candidate) => places / candidate <= most) ?? 1000;
  const ticks = Array.from({ length: Math.floor(places / step) }, (_, index) => (index + 1) * step - 1);
  return {
    grid: { show: false },
    splits: () => (step > 1 ? [0, ...ticks] : ticks),
    values: (_u, shown) => shown.map((tick) => String(tick + 1)),
  };
}

function structured(scene: Scene): boolean {
  return scene.picture.blocks.length + scene.picture.norms.length > 0;
}

function faded(colour: string, alpha: number): string {
  return colour.replace(/^rgb\(([^)]+)\)$/, `rgba($1, ${alpha})`);
}
