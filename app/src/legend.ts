/** What the lines are, and switches for them. */

import { element } from "./markdown.ts";
import { isMain, type Quantity } from "./picture.ts";
import { has, QUANTITIES, type Scene } from "./scene.ts";

const SVG = "http://www.w3.org/2000/svg";
const SHAPES: Readonly<Record<Quantity, string>> = {
  second_moment: "M17 8a4 4 0 1 1-8 0a4 4 0 1 1 8 0",
  gradient: "M9.5 4.5h7v7h-7z",
  weight_gradient: "M13 3.5l4.5 8h-9z",
  correlation: "M13 3l4 5l-4 5l-4-5z",
};

export interface Switches {
  readonly quantity: (key: Quantity) => void;
  readonly track: (index: number) => void;
}

export function showLegend(box: HTMLElement, scene: Scene, switched: Switches): void {
  const focused = box.contains(document.activeElement)
    ? (document.activeElement as HTMLElement).dataset["key"]
    : undefined;
  const quantities = QUANTITIES.filter(({ key }) => has(scene, key)).map(({ key, label }) =>
    toggle(key, swatch(key, false, SHAPES[key]), label, scene.shown.has(key), scene.picture.axes?.[key], () =>
      switched.quantity(key),
    ),
  );
  const tracks =
    scene.tracks.length < 2
      ? []
      : scene.tracks.map((track, index) =>
          toggle(
            `track-${index}`,
            swatch("any", index > 0, ""),
            track.name,
            !scene.hidden.has(index),
            track.about,
            () => switched.track(index),
          ),
        );
  box.replaceChildren(...quantities, ...tracks);
  if (focused) box.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus();
}

/** What the other marks mean, for those that this picture has. */
export function keyOf(scene: Scene): HTMLElement[] {
  const { picture } = scene;
  const named = (items: readonly { readonly label: string }[]): string =>
    [...new Set(items.map(({ label }) => label))].slice(0, 3).join(", ");
  const marks: readonly (readonly [shown: boolean, mark: SVGElement, words: string])[] = [
    [
      scene.tracks.some((track) => track.spread.some((spread) => spread)),
      area("second_moment", "M1 3h24v10h-24z"),
      "spread between seeds (1 σ)",
    ],
    [
      scene.tracks.some(({ places }) => !places.every(isMain)),
      area("off", "M9 8a2 2 0 1 1-4 0a2 2 0 1 1 4 0M19 6h4v4h-4z"),
      "off the main path",
    ],
    [picture.measured.length > 0, swatch("measured", false, SHAPES.second_moment), "measured, with its interval"],
    [picture.blocks.length > 0, outline("M3 4v7h20v-7"), named(picture.blocks)],
    [picture.norms.length > 0, outline("M13 3v10", "correlation"), named(picture.norms)],
  ];
  return marks.flatMap(([shown, mark, words]) => (shown ? [element("span", mark, words)] : []));
}

function toggle(
  key: string,
  mark: SVGElement,
  label: string,
  on: boolean,
  about: string | undefined,
  press: () => void,
): HTMLElement {
  const button = element("button", mark, label);
  button.setAttribute("type", "button");
  button.setAttribute("aria-pressed", String(on));
  button.dataset["key"] = key;
  if (about) button.title = about;
  button.addEventListener("click", press);
  return button;
}

/** A line with its mark; the class gives the colour. */
export function swatch(kind: string, dashed: boolean, shape: string): SVGElement {
  const line = path("M1 8h24");
  if (dashed) line.setAttribute("stroke-dasharray", "6 4");
  return drawing(kind, line, path(shape, "mark"));
}

function area(kind: string, shape: string): SVGElement {
  return drawing(kind, path(shape, "mark faint"));
}

function outline(shape: string, kind = "any"): SVGElement {
  return drawing(kind, path(shape));
}

function drawing(kind: string, ...paths: SVGElement[]): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 26 16");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `swatch ${kind}`);
  svg.append(...paths);
  return svg;
}

function path(shape: string, kind = ""): SVGElement {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("d", shape);
  made.setAttribute("class", kind);
  return made;
}
