/** The Picture: the one document that the server draws, as `kaiming_mcp.picture` writes it. Logs are log10. */

export type Value = number | null;

export interface Place {
  readonly name: string;
  readonly label: string;
  readonly kind: "layer" | "sum";
  /** On the path that the text tells of; the others lie in branches, in the stem or in the head. */
  readonly main?: boolean;
}

export interface Variant {
  readonly name: string;
  readonly about: string;
  readonly second_moment: readonly Value[];
  /** Share that two inputs have in common, 0 to 1; the only one that is no logarithm. */
  readonly correlation: readonly Value[];
  readonly gradient: readonly Value[];
  readonly weight_gradient: readonly Value[];
  /** Half-width between seeds of the second moment, in decades. */
  readonly spread: readonly Value[];
  readonly notes: readonly (readonly string[])[];
}

export type Quantity = "second_moment" | "gradient" | "weight_gradient" | "correlation";

export interface Measured {
  readonly quantity: Quantity;
  readonly name: string;
  readonly place: number;
  /** null: only the bound `high` is known, or nothing but the note. */
  readonly value: Value;
  readonly low: Value;
  readonly high: Value;
  readonly note: string;
}

export interface Floor {
  readonly name: string;
  /** Below the normal floor digits are lost, below the subnormal one a number is 0. */
  readonly kind?: "normal" | "subnormal";
  readonly value: number;
  /** By place, where places have it at different heights. */
  readonly values?: readonly Value[];
  readonly about: string;
}

export interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly title: string;
  readonly place?: number | null;
  readonly text: string;
}

export type Span = readonly [start: number, end: number];
export type Insert = readonly [position: number, template: string];

export interface Control {
  readonly kind: string;
  readonly label: string;
  readonly spans: readonly Span[];
  /** What stands in each span, with {} for the value; the value alone where there are none. */
  readonly templates?: readonly string[];
  readonly insert?: readonly Insert[];
  readonly value: string;
  readonly choices?: readonly string[];
}

export type Arguments = Readonly<Record<string, string | number | boolean>> & { readonly architecture: string };

export interface Picture {
  readonly version: 1;
  readonly title: string;
  readonly tool: string;
  readonly verdict: string;
  /** In words, what each quantity is. */
  readonly axes?: Readonly<Partial<Record<Quantity, string>>>;
  readonly places: readonly Place[];
  readonly variants: readonly Variant[];
  readonly measured: readonly Measured[];
  readonly floors: readonly Floor[];
  readonly blocks: readonly { readonly first: number; readonly last: number; readonly label: string }[];
  readonly norms: readonly { readonly place: number; readonly label: string }[];
  readonly findings: readonly Finding[];
  readonly change: string;
  readonly call?: Arguments | null;
  readonly controls: readonly Control[];
}

/** One variant with the places that it runs over: what is drawn as a line. */
export interface Track extends Variant {
  readonly places: readonly Place[];
}

export const META_KEY = "kaiming/picture";

/** The document, when this is one that the page can draw; null otherwise. */
export function asPicture(value: unknown): Picture | null {
  if (typeof value !== "object" || value === null) return null;
  const given = value as Partial<Picture>;
  const drawable =
    given.version === 1 &&
    Array.isArray(given.places) &&
    given.places.length > 0 &&
    Array.isArray(given.variants) &&
    given.variants.every((variant) => variant.second_moment.length === given.places?.length);
  if (!drawable) return null;
  const nothing = { measured: [], floors: [], blocks: [], norms: [], findings: [], controls: [] };
  return { ...nothing, change: "", title: "", verdict: "", tool: "", ...given } as Picture;
}

export function track(picture: Picture, index: number): Track | null {
  const variant = picture.variants[index];
  return variant ? { ...variant, places: picture.places } : null;
}

/** Whether the line of a trace runs through this place. */
export function isMain(place: Place | undefined): boolean {
  return place?.main ?? true;
}
