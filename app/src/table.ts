/** The same numbers as a table, for those who read rather than look. */

import { element } from "./markdown.ts";
import { has, QUANTITIES, type Scene } from "./scene.ts";
import { told, value } from "./readout.ts";

/** Rows are made when the table is first opened: a thousand places cost nothing until then. */
export function fillTable(table: HTMLTableElement, scene: Scene): void {
  const quantities = QUANTITIES.filter(({ key }) => has(scene, key));
  const points = scene.picture.measured;
  const several = scene.tracks.length > 1;
  const columns = scene.tracks.flatMap((track) =>
    quantities.map(({ key, label }) => ({ track, key, head: several ? `${label}, ${track.name}` : label })),
  );
  const head = element(
    "tr",
    ...["place", "layer", ...columns.map((column) => column.head), ...(points.length ? ["measured"] : [])].map(heading),
  );
  const longest = scene.tracks.reduce(
    (long, { places }) => (places.length > long.length ? places : long),
    scene.picture.places,
  );
  const rows = longest.map((place, at) => {
    const row = element("th", String(at + 1));
    row.setAttribute("scope", "row");
    const cells = columns.map(({ track, key }) => {
      const found = track[key][at];
      return element("td", found == null ? "–" : value(key, found));
    });
    const measured = points.length
      ? [
          element(
            "td",
            points
              .filter((point) => point.place === at)
              .map(told)
              .join("; ") || "–",
          ),
        ]
      : [];
    return element("tr", row, element("td", `${place.name} ${place.label}`.trim()), ...cells, ...measured);
  });
  table.replaceChildren(
    element("caption", "Every place, in order of execution"),
    element("thead", head),
    element("tbody", ...rows),
  );
}

function heading(text: string): HTMLElement {
  const made = element("th", text);
  made.setAttribute("scope", "col");
  return made;
}
