/** How large the host shows the page: within the conversation, or over the whole window. */

export type Mode = "inline" | "fullscreen";

/** What the host's context says of it; a partial context changes only what it names. */
export interface Told {
  readonly displayMode?: string | undefined;
  readonly availableDisplayModes?: readonly string[] | undefined;
}

export interface Display {
  readonly heard: (told: Told) => void;
  /** From now on the button asks this; it resolves to the mode that the host then shows. */
  readonly through: (ask: (mode: Mode) => Promise<string>) => void;
}

/** A button for the other mode, there only where the host offers both; `changed` runs when there is more or less room. */
export function offerModes(button: HTMLElement, changed: () => void, failed: (error: unknown) => void): Display {
  let mode = "inline";
  let offered: readonly string[] = [];
  let ask: ((mode: Mode) => Promise<string>) | null = null;
  const other = (): Mode => (mode === "fullscreen" ? "inline" : "fullscreen");
  const show = (): void => {
    button.hidden = !ask || !offered.includes(other());
    button.textContent = mode === "fullscreen" ? "Back to the conversation" : "Full screen";
    document.documentElement.dataset["display"] = mode;
  };
  const heard = (told: Told): void => {
    mode = told.displayMode ?? mode;
    offered = told.availableDisplayModes ?? offered;
    show();
    changed();
  };
  window.addEventListener("resize", () => {
    if (mode === "fullscreen") changed();
  });
  button.addEventListener("click", () => {
    ask?.(other()).then((displayMode) => heard({ displayMode }), failed);
  });
  return {
    heard,
    through: (host) => {
      ask = host;
      show();
    },
  };
}
