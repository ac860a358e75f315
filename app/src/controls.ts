/** Fields that change the network, each bound to its place in the notation. */

import { key, type Change } from "./edit.ts";
import { element } from "./markdown.ts";
import type { Control } from "./picture.ts";

/** Pause after the last key before a value counts. Milliseconds. */
const PAUSE = 400;
const DEEPEST = 10_000;

interface Field {
  control: Control;
  readonly input: HTMLInputElement | HTMLSelectElement;
}

export interface Controls {
  /** Take the controls of another picture, without disturbing the field that is being edited. */
  readonly sync: (controls: readonly Control[]) => void;
}

/** `changed` hears of every field that differs from the network that is drawn. */
export function showControls(box: HTMLElement, changed: (changes: readonly Change[]) => void): Controls {
  let fields: Field[] = [];
  let timer = 0;
  const announce = (): void => {
    clearTimeout(timer);
    if (fields.every(({ input }) => input.checkValidity())) changed(differing(fields));
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = window.setTimeout(announce, PAUSE);
  };
  return {
    sync: (controls) => {
      clearTimeout(timer);
      if (fields.map(({ control }) => key(control)).join() !== controls.map(key).join()) {
        fields = controls.map((control) => ({ control, input: inputFor(control) }));
        box.replaceChildren(...fields.map(({ control, input }) => labelled(control, input)));
        for (const { input } of fields) {
          input.addEventListener("input", later);
          input.addEventListener("change", announce);
        }
      }
      fields.forEach((field, index) => {
        field.control = controls[index] as Control;
        if (document.activeElement !== field.input || field.input instanceof HTMLSelectElement) {
          field.input.value = field.control.value;
        }
      });
    },
  };
}

function differing(fields: readonly Field[]): Change[] {
  return fields
    .filter(({ control, input }) => input.value !== control.value)
    .map(({ control, input }) => [control, input.value] as const);
}

function labelled(control: Control, input: HTMLElement): HTMLElement {
  const label = element("label", element("span", control.label), input);
  if (control.kind === "scale") label.append(suggestions(control, input));
  return label;
}

function inputFor(control: Control): HTMLInputElement | HTMLSelectElement {
  if (control.kind === "scale") return anyNumber();
  if (control.choices?.length) {
    const select = document.createElement("select");
    const offered = [...new Set([control.value, ...control.choices])];
    select.append(...offered.map((choice) => new Option(choice, choice)));
    return select;
  }
  const input = document.createElement("input");
  input.type = "number";
  input.required = true;
  input.min = "1";
  input.max = String(DEEPEST);
  return input;
}

/** A number, also as 1/sqrt(12), with the usual ones to choose from. */
function anyNumber(): HTMLInputElement {
  const input = document.createElement("input");
  input.required = true;
  input.pattern = String.raw`[+\-.0-9e]+|1/sqrt\([.0-9]+\)`;
  input.title = "A number, such as 0.5 or 1/sqrt(12)";
  return input;
}

function suggestions(control: Control, input: HTMLElement): HTMLElement {
  const offered = element("datalist", ...(control.choices ?? []).map((choice) => new Option(choice)));
  offered.id = `usual-${key(control).replace(/\W+/g, "-")}`;
  input.setAttribute("list", offered.id);
  return offered;
}
