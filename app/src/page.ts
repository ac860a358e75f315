/** The page: holds what is shown now, and draws it again when something changes. */

import { keyboardCursor } from "./a11y.ts";
import { drawCharts, type Charts } from "./charts.ts";
import { showControls } from "./controls.ts";
import { difference, edited, given, type Change } from "./edit.ts";
import { showFindings, type Findings } from "./findings.ts";
import type { Answer, Host } from "./host.ts";
import { keyOf, showLegend, swatch } from "./legend.ts";
import { element, inline } from "./markdown.ts";
import { track, type Picture, type Quantity, type Track } from "./picture.ts";
import { readout } from "./readout.ts";
import { alikeFrom } from "./scale.ts";
import { depth, has, reference, type Scene } from "./scene.ts";
import { fillTable } from "./table.ts";
import { colours } from "./theme.ts";

const HINT = "Point at the plot, or focus it and use the arrow keys, to read the facts of a place.";

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export class Page {
  readonly #shown = new Set<Quantity>(["second_moment", "gradient", "correlation"]);
  readonly #hidden = new Set<number>();
  readonly #slider = keyboardCursor(byId("plot"), (place) => this.#point(place));
  readonly #controls = showControls(byId("fields"), (changes) => void this.#change(changes));
  #base: Picture | null = null;
  /** What the person's changes gave, the latest last. */
  #steps: Picture[] = [];
  #host: Pick<Host, "call" | "tell"> = { call: null, tell: null };
  #charts: Charts | null = null;
  #findings: Findings | null = null;
  #cursor: number | null = null;
  #width = 0;
  #asked = 0;

  constructor() {
    new ResizeObserver(() => {
      if (this.#base && byId("plot").clientWidth !== this.#width) this.draw();
    }).observe(byId("plot"));
    byId("undo").addEventListener("click", () => this.#back(this.#steps.length - 1));
    byId("reset").addEventListener("click", () => this.#back(0));
    byId("tell").addEventListener("click", () => void this.#tell());
    byId("rows").addEventListener("toggle", () => this.#fillTable());
  }

  /** A message in place of a picture. */
  say(text: string): void {
    byId("message").textContent = text;
    byId("message").hidden = false;
  }

  /** What came from a tool: its picture, or the text where it brought none. */
  answer(answer: Answer): void {
    if (answer.picture) {
      this.show(answer.picture);
      return;
    }
    this.say(answer.failed ? "The call failed:" : "This result came without a picture. Its text:");
    byId("text").textContent = answer.text || "(no text)";
    byId("text").hidden = false;
    byId("view").hidden = true;
  }

  show(picture: Picture): void {
    this.#base = picture;
    // What was measured is seen without a click, whatever quantity it is.
    for (const { quantity } of picture.measured) this.#shown.add(quantity);
    this.#steps = [];
    this.#cursor = null;
    byId("message").hidden = byId("text").hidden = true;
    byId("view").hidden = false;
    byId("title").textContent = picture.title || "Signal over depth";
    document.title = byId("title").textContent;
    byId("verdict").replaceChildren(...inline(picture.verdict));
    this.#findings = showFindings(byId("markers"), byId("findings"), picture.findings);
    byId("findings-box").hidden = picture.findings.length === 0;
    this.#changed();
  }

  /** From now on calls go through this host. */
  attach(host: Host): void {
    this.#host = host;
    this.#showControls();
  }

  draw(): void {
    const scene = this.#scene();
    if (!scene) return;
    this.#charts?.destroy();
    byId("key").replaceChildren(...keyOf(scene));
    showLegend(byId("legend"), scene, {
      quantity: (key) => this.#toggle(this.#shown, key),
      track: (index) => this.#toggle(this.#hidden, index),
    });
    this.#width = byId("plot").clientWidth;
    const charts = drawCharts(
      { log: byId("log"), correlation: byId("correlation") },
      scene,
      colours(),
      (place) => this.#point(place),
      ({ left }) => {
        this.#findings?.lay(left, this.#width);
      },
    );
    this.#charts = charts;
    byId("correlation-caption").hidden = byId("correlation").hidden;
    byId("log-caption").textContent = axisWords(scene);
    const course = reference(scene);
    const from = course && alikeFrom(course);
    byId("correlation-caption").textContent =
      `share that two inputs have in common${from === null ? "" : `: alike from place ${from + 1} on`}`;
    this.#point(this.#cursor);
    this.#fillTable();
  }

  #scene(): Scene | null {
    const picture = this.#base;
    if (!picture) return null;
    const tracks = [track(picture, 0), this.#overlay(picture)].filter((found) => found !== null);
    return { picture, tracks, shown: this.#shown, hidden: this.#hidden };
  }

  #overlay(picture: Picture): Track | null {
    const latest = this.#steps.at(-1);
    const changed = latest && track(latest, 0);
    if (!latest || !changed) return track(picture, 1);
    return { ...changed, name: difference(picture, latest) || "changed", about: latest.verdict };
  }

  #changed(): void {
    this.#hidden.clear();
    const over = this.#scene()?.tracks[1];
    const words = this.#steps.length ? `${over?.name}: ${over?.about}` : (this.#base?.change ?? "");
    const [first = "", rest = ""] = sentences(words);
    const [summary, more] = byId("change").children;
    summary?.replaceChildren(...(over ? [swatch("any", true, "")] : []), ...inline(first));
    more?.replaceChildren(...inline(rest));
    byId("change").classList.toggle("whole", !rest);
    byId("change").hidden = !words;
    this.#showControls();
    this.draw();
  }

  #current(): Picture | null {
    return this.#steps.at(-1) ?? this.#base;
  }

  #showControls(): void {
    const current = this.#current();
    const can = this.#host.call && current?.call && current.controls.length;
    byId("controls").hidden = !can;
    if (!can || !current?.call) return;
    this.#controls.sync(current.controls);
    byId("undo").hidden = byId("reset").hidden = byId("sent").hidden = this.#steps.length === 0;
    byId("tell").hidden = this.#steps.length === 0 || !this.#host.tell;
    byId("sent-text").textContent = sentence(current);
  }

  async #change(changes: readonly Change[]): Promise<void> {
    const current = this.#current();
    if (!this.#host.call || !current?.call || changes.length === 0) return;
    const mine = (this.#asked += 1);
    const call = edited(current.call, changes);
    byId("status").textContent = "Computing…";
    byId("error").hidden = true;
    const answer = await this.#host.call("trace_signal", given(call)).catch(
      (error: unknown): Answer => ({
        picture: null,
        text: error instanceof Error ? error.message : String(error),
        failed: true,
      }),
    );
    // A later change has been sent meanwhile: its answer counts.
    if (mine !== this.#asked) return;
    byId("status").textContent = "";
    if (answer.picture) {
      this.#steps.push({ ...answer.picture, call: answer.picture.call ?? call });
      this.#changed();
      byId("status").textContent = "Drawn over the trace as pasted.";
      return;
    }
    byId("error").textContent = answer.failed
      ? answer.text
      : "The answer came without a picture: the host left it out.";
    byId("error").hidden = false;
  }

  #back(steps: number): void {
    this.#asked += 1;
    this.#steps.length = Math.max(steps, 0);
    byId("error").hidden = true;
    byId("status").textContent = "";
    this.#changed();
    if (this.#steps.length === 0) byId("fields").querySelector<HTMLElement>("input, select")?.focus();
  }

  async #tell(): Promise<void> {
    const current = this.#current();
    if (!this.#host.tell || !this.#base || !current) return;
    const text = `In the plot I changed ${difference(this.#base, current) || "the network"}. ${current.verdict}\n\n${sentence(current)}`;
    try {
      await this.#host.tell(text);
      byId("status").textContent = "Sent to the conversation.";
    } catch (error) {
      byId("error").textContent = `Not sent: ${error instanceof Error ? error.message : String(error)}`;
      byId("error").hidden = false;
    }
  }

  #toggle<T>(set: Set<T>, key: T): void {
    if (!set.delete(key)) set.add(key);
    this.draw();
  }

  #point(place: number | null): void {
    const scene = this.#scene();
    if (!scene) return;
    this.#cursor = place;
    this.#charts?.point(place);
    const box = byId("readout");
    if (place === null) {
      this.#slider.set(depth(scene), null, "no place chosen");
      box.replaceChildren(element("p", HINT));
      return;
    }
    const read = readout(scene, place);
    this.#slider.set(depth(scene), place, read.place);
    const facts = read.facts.map(({ of, text }) => element("p", ...(of ? [element("strong", `${of}: `)] : []), text));
    box.replaceChildren(element("p", element("strong", read.place), ` ${read.label}`), ...facts);
  }

  #fillTable(): void {
    const scene = this.#scene();
    if (scene && byId<HTMLDetailsElement>("rows").open) fillTable(byId<HTMLTableElement>("table"), scene);
  }
}

/** The first sentence, and the others. */
function sentences(text: string): string[] {
  const end = text.indexOf(". ") + 1;
  return end ? [text.slice(0, end), text.slice(end + 1)] : [text];
}

function axisWords(scene: Scene): string {
  const drawn = [
    has(scene, "second_moment") && "E[x²]",
    has(scene, "gradient") && "squared gradient relative to the last place",
  ];
  return `${drawn.filter((part) => part).join(", and ")}; log scale, input left`;
}

/** A call as a person may copy it. */
function sentence(picture: Picture): string {
  const { architecture, ...others } = given(picture.call ?? { architecture: "" });
  const named = Object.entries(others).map(([name, value]) => `${name}: ${value}`);
  return [String(architecture), ...named].join("\n");
}
