// A host with the real server behind it, and the result of one call in the page.
import { after, before } from "node:test";

import { connectServer, openInHost, start } from "./harness.mjs";

export const CALL = { architecture: "repeat 20 { linear 64 64 ; relu }", input: "64" };
export const text = (frame, id) => frame.locator(`#${id}`).innerText();
export const drawn = (frame) => frame.locator("#log canvas").waitFor();
export const field = (frame, label) => frame.locator("#fields").getByLabel(label);

/** What the tests of a file share: `run` and `server`, there while they run. */
export function hosted() {
  const shared = {};
  before(async () => {
    [shared.run, shared.server] = await Promise.all([start(), connectServer()]);
  });
  after(async () => {
    await shared.server?.close();
    await shared.run?.close();
  });
  return shared;
}

/** The page with the server's own result in it, every further call recorded. */
export async function traced({ run, server }, options = {}) {
  const calls = [];
  const call = async (params) => {
    calls.push(params);
    return server.callTool(params);
  };
  const host = await openInHost(run, { call, ...options });
  const result = await server.callTool({ name: "trace_signal", arguments: CALL });
  await host.input(CALL);
  await host.result(result);
  await drawn(host.frame);
  return { ...host, calls, document: result._meta["kaiming/picture"] };
}
