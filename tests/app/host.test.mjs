// The page inside a host that uses the official library: results, look, and the frame that it lives in.
import assert from "node:assert/strict";
import { test } from "node:test";

import { around, colourOf, near, openInHost, PAGE, picture, position, resultWith, violations } from "./harness.mjs";
import { CALL, drawn, field, hosted, text, traced } from "./hosting.mjs";

const host = hosted();

test("the server serves this very page, and says that it needs no network", async () => {
  const { contents } = await host.server.readResource({ uri: "ui://kaiming/signal.html" });
  assert.equal(contents[0].text, PAGE);
  assert.equal(contents[0].mimeType, "text/html;profile=mcp-app");
  for (const domains of Object.values(contents[0]._meta.ui.csp)) assert.deepEqual(domains, []);
});

test("both tools name the page", async () => {
  const { tools } = await host.server.listTools();
  const named = tools
    .filter((tool) => tool._meta?.ui?.resourceUri === "ui://kaiming/signal.html")
    .map(({ name }) => name);
  assert.deepEqual(named.sort(), ["diagnose_gradients", "trace_signal"]);
});

test("the page waits, says what is computed, then draws the server's result", async () => {
  const { page, frame, input, result } = await openInHost(host.run);
  assert.match(await text(frame, "message"), /Waiting/);
  await input(CALL);
  await frame.getByText("Computing… repeat 20 { linear 64 64 ; relu }").waitFor();
  const answer = await host.server.callTool({ name: "trace_signal", arguments: CALL });
  await result(answer);
  await drawn(frame);
  const document = answer._meta["kaiming/picture"];
  assert.equal(await text(frame, "verdict"), document.verdict);
  assert.ok(await frame.locator("#message").isHidden());
  const colour = await colourOf(frame, "gradient");
  assert.ok(
    (await around(frame, "log", await position(frame, "log", 9, document.variants[0].gradient[9]))).every((pixel) =>
      near(pixel, colour),
    ),
  );
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("a diagnosis is drawn with what was measured", async () => {
  const { page, frame, result } = await openInHost(host.run);
  const measurements = JSON.stringify({
    "layer 0": { grad_norm: 4.4e-9 },
    "layer 1": { grad_norm: 2.6e-6 },
    "layer 2": { grad_norm: 1.5e-3 },
    "layer 3": { grad_norm: 0.9 },
  });
  const answer = await host.server.callTool({
    name: "diagnose_gradients",
    arguments: { symptom: "nothing moves", architecture: "repeat 4 { linear 64 64 ; sigmoid }", measurements },
  });
  await result(answer);
  await drawn(frame);
  assert.match(await text(frame, "key"), /measured/);
  await page.close();
});

test("a result of an old server is shown as its text", async () => {
  const { page, frame, result } = await openInHost(host.run);
  await result({ content: [{ type: "text", text: "**Verdict.** The signal keeps its scale.\n\n| place | layer |" }] });
  await frame.getByText("without a picture").waitFor();
  assert.match(await text(frame, "text"), /The signal keeps its scale/);
  assert.ok(await frame.locator("#view").isHidden());
  await result({
    content: [{ type: "text", text: "Error executing tool trace_signal: what was sent" }],
    isError: true,
  });
  await frame.getByText("The call failed:").waitFor();
  assert.match(await text(frame, "text"), /what was sent/);
  assert.deepEqual(await violations(frame), []);
  await page.close();
});

test("a call that is cancelled is told of", async () => {
  const { page, frame, cancel } = await openInHost(host.run);
  await cancel("by the person");
  await frame.getByText("The call was cancelled. by the person").waitFor();
  await page.close();
});

test("the host's theme and colours are taken, then and later", async () => {
  const variables = {
    "--color-background-primary": "light-dark(rgb(250, 240, 230), rgb(10, 20, 30))",
    "--font-sans": "monospace",
  };
  const { page, frame, context } = await traced(host, {
    context: { theme: "dark", styles: { variables } },
    scheme: "light",
  });
  const back = () => frame.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await back(), "rgb(10, 20, 30)");
  assert.equal(await frame.evaluate(() => getComputedStyle(document.body).fontFamily), "monospace");
  const dark = await colourOf(frame, "gradient");
  await context({ theme: "light" });
  await frame.waitForFunction(() => document.documentElement.dataset.theme === "light");
  assert.equal(await back(), "rgb(250, 240, 230)");
  const light = await colourOf(frame, "gradient");
  assert.notDeepEqual(light, dark);
  const at = await position(frame, "log", 9, picture("mlp").variants[0].gradient[9]);
  assert.ok(
    (await around(frame, "log", at)).every((pixel) => near(pixel, light)),
    "the plot kept its dark colours",
  );
  await page.close();
});

test("the host learns the height, and nothing is cut off", async () => {
  const { page, frame } = await traced(host);
  await page.waitForFunction(() => document.querySelector("iframe").getBoundingClientRect().height > 500);
  const [height, needed] = [
    await page.evaluate(() => document.querySelector("iframe").getBoundingClientRect().height),
    await frame.evaluate(() => document.documentElement.scrollHeight),
  ];
  assert.ok(height >= needed - 1, `${height} for ${needed}`);
  await page.close();
});

test("the page fills the window where the host offers that, and comes back", async () => {
  const context = { theme: "light", displayMode: "inline", availableDisplayModes: ["inline", "fullscreen"] };
  const { page, frame } = await traced(host, { context });
  const height = () => frame.evaluate(() => document.querySelector("#log canvas").clientHeight);
  const before = await height();
  await frame.getByRole("button", { name: "Full screen" }).click();
  const back = frame.getByRole("button", { name: "Back to the conversation" });
  await back.waitFor();
  await frame.waitForFunction(() => innerHeight === 900 && document.querySelector("#log canvas").clientHeight >= 450);
  assert.ok(before < 450, String(before));
  await back.click();
  await frame.waitForFunction(
    (low) => document.querySelector("#log canvas").clientHeight === low,
    before,
  );
  await page.close();
});

test("a host that has one size only shows no button for another", async () => {
  const { page, frame } = await traced(host, { context: { theme: "light", availableDisplayModes: ["inline"] } });
  assert.equal(await frame.locator("#enlarge").isVisible(), false);
  await page.close();
});

test("nothing leaves the frame, under the policy of the specification", async () => {
  const { page, frame } = await traced(host);
  await field(frame, "activation").selectOption("tanh");
  await frame.getByText("Drawn over the trace as pasted.").waitFor();
  assert.deepEqual(
    page.requests.map((url) => new URL(url).pathname),
    ["/", "/host.js"],
  );
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("axe finds no violation in the host, with a change drawn: light, dark and narrow", async () => {
  for (const [theme, width] of [
    ["light", 720],
    ["dark", 720],
    ["light", 360],
  ]) {
    const { page, frame } = await traced(host, { context: { theme }, width });
    await field(frame, "activation").selectOption("tanh");
    await frame.getByText("Drawn over the trace as pasted.").waitFor();
    await frame.locator("#sent summary").click();
    assert.deepEqual(await violations(frame), [], `${theme} ${width}`);
    const scroll = await frame.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(scroll <= width, `${scroll} wide`);
    await page.close();
  }
});

test("a picture for another time of the person's own is drawn in place of the last", async () => {
  const { page, frame, result } = await openInHost(host.run);
  await result(resultWith(picture("mlp")));
  await drawn(frame);
  await result(resultWith(picture("encoder")));
  await frame.getByText(picture("encoder").verdict).first().waitFor();
  assert.equal(await frame.locator("#log canvas").count(), 1);
  await page.close();
});
