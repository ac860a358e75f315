/** The cursor over depth for the keyboard: a slider whose value is a place. */

const PAGE = 10;

export interface Slider {
  /** Say how many places there are, and where the cursor is. */
  readonly set: (places: number, place: number | null, text: string) => void;
}

/** `moved` hears of the place that a key asks for. */
export function keyboardCursor(box: HTMLElement, moved: (place: number) => void): Slider {
  let last = 0;
  let now: number | null = null;
  box.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const asked = place(event.key, now, last);
    if (asked === null) return;
    event.preventDefault();
    moved(asked);
  });
  return {
    set: (places, at, text) => {
      last = places - 1;
      now = at;
      box.setAttribute("aria-valuemax", String(places));
      box.setAttribute("aria-valuenow", String((at ?? 0) + 1));
      box.setAttribute("aria-valuetext", text);
    },
  };
}

function place(key: string, now: number | null, last: number): number | null {
  const from = now ?? -1;
  const steps: Readonly<Record<string, number>> = {
    ArrowRight: from + 1,
    ArrowUp: from + 1,
    ArrowLeft: (now ?? 1) - 1,
    ArrowDown: (now ?? 1) - 1,
    PageUp: from + PAGE,
    PageDown: from - PAGE,
    Home: 0,
    End: last,
  };
  const asked = steps[key];
  return asked === undefined ? null : Math.min(Math.max(asked, 0), last);
}
