/** Changing the network: values of controls written into the layer notation. */

import type { Arguments, Control, Picture } from "./picture.ts";

export const NOTHING = "none";

export type Change = readonly [control: Control, value: string];

/** The arguments of a call with some controls set to other values, all of them at once. */
export function edited(call: Arguments, changes: readonly Change[]): Arguments {
  const replacements = changes.flatMap(([control, value]) => replacementsOf(control, value));
  // From the end, so that positions before it stay true; where both stand at one position, the insertion lands before
  // the replacement. Characters are counted as Python counts them.
  const notation = replacements
    .sort((a, b) => b.start - a.start || b.end - a.end)
    .reduce(
      (characters, { start, end, put }) => {
        characters.splice(start, end - start, ...put);
        return characters;
      },
      [...call.architecture],
    );
  const initialization = changes.find(([control]) => control.kind === "initialization")?.[1];
  return { ...call, architecture: notation.join(""), ...(initialization === undefined ? {} : { initialization }) };
}

/** What is sent: without the arguments that were not given. */
export function given(call: Arguments): Record<string, string | number | boolean> {
  return Object.fromEntries(Object.entries(call).filter(([, value]) => value !== "" && value !== 0));
}

/** Names the difference between two pictures by their controls, as "depth 20 → 40". */
export function difference(before: Picture, after: Picture): string {
  const named = before.controls.flatMap((control) => {
    const same = after.controls.find((other) => key(other) === key(control));
    return same && same.value !== control.value ? [`${control.label} ${control.value} → ${same.value}`] : [];
  });
  return named.join(", ");
}

/** The same control in two pictures. */
export function key(control: Control): string {
  return `${control.kind} ${control.label}`;
}

interface Replacement {
  readonly start: number;
  readonly end: number;
  readonly put: readonly string[];
}

function replacementsOf(control: Control, value: string): Replacement[] {
  const filled = (template: string): string[] => (value === NOTHING ? [] : [...template.replaceAll("{}", value)]);
  return [
    ...control.spans.map(([start, end], index) => ({ start, end, put: filled(control.templates?.[index] ?? "{}") })),
    ...(control.insert ?? []).map(([at, template]) => ({ start: at, end: at, put: filled(template) })),
  ];
}
