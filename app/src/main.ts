/** Where the page begins: with the document inside it, or with a host. */

import { offerModes } from "./display.ts";
import { Page } from "./page.ts";
import { asPicture } from "./picture.ts";
import { applyLook, followTheme } from "./theme.ts";

const page = new Page();
followTheme(() => page.draw());

const embedded = document.getElementById("picture");
if (embedded) {
  showEmbedded(embedded.textContent ?? "");
} else if (window.parent === window) {
  page.say(
    "This page draws a result of kaiming-mcp. Open it in a client that shows MCP Apps, or write one with its picture inside: kaiming-mcp plot FILE -o out.html",
  );
} else {
  page.say("Waiting for the result…");
  void meetHost();
}

function showEmbedded(json: string): void {
  let value: unknown = null;
  try {
    value = JSON.parse(json);
  } catch {
    // Said below, as for any other document that is no picture.
  }
  const picture = asPicture(value);
  if (picture) page.show(picture);
  else page.say("The document inside this page is not a picture that it can draw.");
  drawn();
}

async function meetHost(): Promise<void> {
  // Loaded here alone: a page with its document inside never runs it.
  const { connect } = await import("./host.ts");
  const display = offerModes(
    document.getElementById("enlarge") as HTMLElement,
    () => page.draw(),
    (error) => page.say(`The host did not change the size: ${told(error)}`),
  );
  try {
    const host = await connect({
      asked: (args) => page.say(`Computing… ${excerpt(args)}`),
      answered: (answer) => {
        page.answer(answer);
        drawn();
      },
      cancelled: (reason) => page.say(`The call was cancelled. ${reason}`),
      looks: (look) => {
        applyLook(look);
        display.heard(look);
      },
    });
    page.attach(host);
    display.through(host.show);
  } catch (error) {
    page.say(`No host answered: ${told(error)}`);
  }
}

function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function excerpt(args: Readonly<Record<string, unknown>>): string {
  const text = typeof args["architecture"] === "string" ? args["architecture"] : "";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** The frame after the first drawing, for those who measure. */
function drawn(): void {
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("drawn")));
}
