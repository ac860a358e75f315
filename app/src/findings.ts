/** Findings: a marker above the place, and the text that it opens. */

import { blocks, element, inline } from "./markdown.ts";
import type { Finding } from "./picture.ts";

const WIDTH = 30;
const RANKS = ["high", "medium", "low"];
/** Severity as a shape too, for those who do not see the colour. */
const SIGNS: Readonly<Record<string, string>> = { high: "▲", medium: "◆", low: "●" };

export interface Findings {
  /** Put the markers above their places. */
  readonly lay: (left: (place: number) => number, width: number) => void;
}

export function showFindings(strip: HTMLElement, list: HTMLElement, findings: readonly Finding[]): Findings {
  const entries = findings.map((finding) => entry(finding));
  list.replaceChildren(...entries.map(({ details }) => details));
  const placed = entries.filter(({ finding }) => finding.place != null);
  strip.replaceChildren(...placed.map(({ marker }) => marker));
  strip.hidden = placed.length === 0;
  for (const { marker, details, summary } of entries) {
    marker.addEventListener("click", () => {
      for (const other of entries) other.details.open = other.details === details;
      summary.focus();
      details.scrollIntoView({ block: "nearest" });
    });
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      details.open = false;
      (marker.isConnected ? marker : summary).focus();
    });
    details.addEventListener("toggle", () => marker.setAttribute("aria-expanded", String(details.open)));
  }
  return {
    lay: (left, width) => {
      const order = [...placed].sort((a, b) => (a.finding.place ?? 0) - (b.finding.place ?? 0));
      const at = spaced(
        order.map(({ finding }) => left(finding.place ?? 0)),
        width,
      );
      order.forEach(({ marker }, index) => (marker.style.left = `${at[index]}px`));
    },
  };
}

/** Centres in ascending order, moved apart so that no two markers overlap and none leaves the width. */
export function spaced(centres: readonly number[], width: number): number[] {
  const at = [...centres];
  for (let i = 0; i < at.length; i += 1) at[i] = Math.max(at[i] ?? 0, i ? (at[i - 1] ?? 0) + WIDTH : WIDTH / 2);
  for (let i = at.length - 1; i >= 0; i -= 1) {
    at[i] = Math.min(at[i] ?? 0, i + 1 < at.length ? (at[i + 1] ?? 0) - WIDTH : width - WIDTH / 2);
  }
  return at;
}

interface Entry {
  readonly finding: Finding;
  readonly marker: HTMLElement;
  readonly details: HTMLDetailsElement;
  readonly summary: HTMLElement;
}

function entry(finding: Finding): Entry {
  const severity = RANKS.includes(finding.severity) ? finding.severity : "low";
  const id = `finding-${finding.id}`;
  const marker = element("button", finding.id);
  marker.className = `marker ${severity}`;
  marker.setAttribute("type", "button");
  marker.setAttribute("aria-controls", id);
  marker.setAttribute("aria-expanded", "false");
  const where = finding.place == null ? "" : `, place ${finding.place + 1}`;
  marker.setAttribute("aria-label", `Finding ${finding.id}, ${finding.severity}${where}: ${finding.title}`);
  marker.title = finding.title;
  const sign = element("span", SIGNS[severity] ?? "●");
  sign.className = `sign ${severity}`;
  sign.setAttribute("aria-hidden", "true");
  const summary = element("summary", sign, element("strong", finding.id), " ", ...inline(finding.title));
  summary.append(element("small", ` ${finding.severity}${where}`));
  const details = element("details", summary, ...blocks(finding.text)) as HTMLDetailsElement;
  details.id = id;
  return { finding, marker, details, summary };
}
