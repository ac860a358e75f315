/** The host that shows the page: results come from it, and calls go through it. */

import { App, PostMessageTransport } from "@modelcontextprotocol/ext-apps";

import type { Mode, Told } from "./display.ts";
import { asPicture, META_KEY, type Picture } from "./picture.ts";
import type { HostLook } from "./theme.ts";

/** A host that does not answer for so long is none. Milliseconds. */
const PATIENCE = 15_000;

export interface Answer {
  readonly picture: Picture | null;
  readonly text: string;
  readonly failed: boolean;
}

export interface Host {
  /** Call a tool of the server; null where the host does not pass calls on. */
  readonly call: ((name: string, args: Record<string, unknown>) => Promise<Answer>) | null;
  /** Bring a text into the conversation; null where the host does not take any. */
  readonly tell: ((text: string) => Promise<void>) | null;
  /** Ask for another mode; resolves to the one that is shown then. */
  readonly show: (mode: Mode) => Promise<string>;
}

export interface Listener {
  readonly asked: (args: Readonly<Record<string, unknown>>) => void;
  readonly answered: (answer: Answer) => void;
  readonly cancelled: (reason: string) => void;
  readonly looks: (look: HostLook & Told) => void;
}

/**
 * Shake hands with the host; the listener hears of what comes before and after.
 *
 * @throws {Error} when the window around this page does not speak the protocol.
 */
export async function connect(listener: Listener): Promise<Host> {
  const app = new App(
    { name: "kaiming-mcp signal", version: "1.0.0" },
    { availableDisplayModes: ["inline", "fullscreen"] },
  );
  app.ontoolinput = (input) => listener.asked(input.arguments ?? {});
  app.ontoolresult = (result) => listener.answered(answer(result));
  app.ontoolcancelled = (cancel) => listener.cancelled(cancel.reason ?? "");
  app.onhostcontextchanged = (context) => listener.looks(context);
  app.onteardown = () => ({});
  await app.connect(new PostMessageTransport(window.parent, window.parent), { timeout: PATIENCE });
  listener.looks(app.getHostContext() ?? {});
  const can = app.getHostCapabilities() ?? {};
  return {
    call: can.serverTools ? async (name, args) => answer(await app.callServerTool({ name, arguments: args })) : null,
    tell: can.message
      ? async (text) => accepted(await app.sendMessage({ role: "user", content: [{ type: "text", text }] }))
      : can.updateModelContext
        ? async (text) => void (await app.updateModelContext({ content: [{ type: "text", text }] }))
        : null,
    show: async (mode) => (await app.requestDisplayMode({ mode })).mode,
  };
}

function accepted(result: { readonly isError?: boolean | undefined }): void {
  if (result.isError) throw new Error("the host did not take the message");
}

interface Result {
  readonly content?: readonly { readonly type: string; readonly text?: unknown }[] | undefined;
  readonly isError?: boolean | undefined;
  readonly _meta?: Readonly<Record<string, unknown>> | undefined;
}

function answer(result: Result): Answer {
  return {
    picture: asPicture(result._meta?.[META_KEY]),
    text: (result.content ?? []).flatMap((block) => (typeof block.text === "string" ? [block.text] : [])).join("\n\n"),
    failed: result.isError ?? false,
  };
}
