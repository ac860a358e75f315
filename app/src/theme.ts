/** Light and dark: the host's theme and colours where it gives them, else the person's own setting. */

export type Theme = "light" | "dark";

export interface Colours {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly back: string;
  readonly second_moment: string;
  readonly gradient: string;
  readonly weight_gradient: string;
  readonly correlation: string;
  readonly high: string;
  readonly font: string;
}

export interface HostLook {
  readonly theme?: Theme | undefined;
  readonly styles?: { readonly variables?: Readonly<Record<string, string | undefined>> | undefined } | undefined;
  readonly safeAreaInsets?: Readonly<Record<"top" | "right" | "bottom" | "left", number>> | undefined;
}

const DARK = matchMedia("(prefers-color-scheme: dark)");
let fromHost: Theme | null = null;

/** Follow the person's setting until a host says otherwise; `changed` runs after each change. */
export function followTheme(changed: () => void): void {
  show(DARK.matches ? "dark" : "light");
  DARK.addEventListener("change", () => {
    if (fromHost) return;
    show(DARK.matches ? "dark" : "light");
    changed();
  });
}

/** Take what the host's context says of its look; a partial context changes only what it names. */
export function applyLook(look: HostLook): void {
  const root = document.documentElement;
  if (look.theme) {
    fromHost = look.theme;
    show(look.theme);
  }
  for (const [name, value] of Object.entries(look.styles?.variables ?? {})) {
    if (value !== undefined) root.style.setProperty(name, value);
  }
  for (const [side, width] of Object.entries(look.safeAreaInsets ?? {})) {
    root.style.setProperty(`--inset-${side}`, `${width}px`);
  }
}

/** The colours of the moment, resolved: a canvas knows neither var() nor light-dark(). */
export function colours(): Colours {
  const probe = document.createElement("span");
  document.body.append(probe);
  const resolved = (token: string): string => {
    probe.style.color = `var(--${token})`;
    return getComputedStyle(probe).color;
  };
  const found: Colours = {
    text: resolved("text"),
    muted: resolved("muted"),
    grid: resolved("grid"),
    back: resolved("back"),
    second_moment: resolved("second-moment"),
    gradient: resolved("gradient"),
    weight_gradient: resolved("weight-gradient"),
    correlation: resolved("correlation"),
    high: resolved("high"),
    font: getComputedStyle(document.body).fontFamily,
  };
  probe.remove();
  return found;
}

function show(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
  document.documentElement.style.colorScheme = theme;
}
