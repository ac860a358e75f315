// Changing the network from the page: calls go through the host to the real server.
import assert from "node:assert/strict";
import { test } from "node:test";

import { openInHost } from "./harness.mjs";
import { CALL, drawn, field, hosted, text, traced } from "./hosting.mjs";

const host = hosted();

test("a depth that is changed is traced by the server and laid over", async () => {
  const { page, frame, calls, document } = await traced(host);
  await field(frame, "repeat 1").fill("40");
  await frame.getByText("Drawn over the trace as pasted.").waitFor();
  assert.deepEqual(
    calls.map(({ name }) => name),
    ["trace_signal"],
  );
  assert.equal(calls[0].arguments.architecture, document.call.architecture.replace("20", "40"));
  assert.equal(calls[0].arguments.input, "64");
  const button = frame.getByRole("button", { name: /repeat 1.* 20 → 40/ });
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  assert.match(await text(frame, "change"), /20 → 40/);
  await frame.locator("#plot").focus();
  await page.keyboard.press("End");
  assert.match(await text(frame, "readout"), /Place 40 of 40/);
  await frame.locator("#sent summary").click();
  assert.match(await text(frame, "sent-text"), /repeat 40 \{ linear 64 64 ; relu \}/);
  await page.close();
});

test("activation, initialization and norm change what is traced, one upon the other", async () => {
  const { page, frame, calls } = await traced(host);
  const status = frame.getByText("Drawn over the trace as pasted.");
  await field(frame, "activation").selectOption("tanh");
  await status.waitFor();
  await field(frame, "initialization").selectOption("xavier gain 5/3");
  await frame
    .getByText(/initialization pytorch default → xavier gain 5\/3/)
    .first()
    .waitFor();
  await field(frame, "norm").selectOption("layernorm");
  await frame
    .getByText(/norm none → layernorm/)
    .first()
    .waitFor();
  const sent = calls.at(-1).arguments;
  assert.equal(sent.initialization, "xavier gain 5/3");
  assert.match(sent.architecture, /layernorm ; tanh/);
  await page.close();
});

test("a branch scale is written into the notation, also as 1/sqrt(n)", async () => {
  const calls = [];
  const call = async (params) => (calls.push(params), host.server.callTool(params));
  const { page, frame, result } = await openInHost(host.run, { call });
  await result(
    await host.server.callTool({
      name: "trace_signal",
      arguments: {
        architecture: "repeat 12 { residual { linear 64 64 ; relu ; linear 64 64 } }",
        initialization: "he",
      },
    }),
  );
  await drawn(frame);
  await field(frame, "branch scale").fill("1/sqrt(12)");
  await frame.getByText("Drawn over the trace as pasted.").waitFor();
  assert.match(calls.at(-1).arguments.architecture, /scale 1\/sqrt\(12\)/);
  await field(frame, "branch scale").fill("much");
  await field(frame, "branch scale").blur();
  assert.equal(await field(frame, "branch scale").evaluate((input) => input.validity.valid), false);
  assert.equal(calls.length, 1, "a value that cannot be read was sent");
  await page.close();
});

test("undo takes back one change, and as pasted takes back all", async () => {
  const { page, frame } = await traced(host);
  assert.ok(await frame.locator("#undo").isHidden());
  await field(frame, "activation").selectOption("tanh");
  await frame
    .getByText(/activation relu → tanh/)
    .first()
    .waitFor();
  await field(frame, "initialization").selectOption("lecun");
  await frame
    .getByText(/→ lecun/)
    .first()
    .waitFor();
  await frame.locator("#undo").click();
  assert.match(await text(frame, "change"), /relu → tanh/);
  assert.doesNotMatch(await text(frame, "change"), /lecun/);
  assert.equal(await field(frame, "initialization").inputValue(), "pytorch default");
  assert.equal(await field(frame, "activation").inputValue(), "tanh");
  await frame.locator("#reset").click();
  assert.equal(await field(frame, "activation").inputValue(), "relu");
  await frame.getByRole("button", { name: "after the first change" }).waitFor();
  assert.ok(await frame.locator("#undo").isHidden());
  await page.close();
});

test("of two changes in a hurry the later one is drawn, with both in it", async () => {
  const held = [];
  const call = async (params) => {
    if (held.length === 0) {
      const answered = new Promise((release) => held.push(release));
      await answered;
    }
    return host.server.callTool(params);
  };
  const { page, frame, result, context } = await openInHost(host.run, { call });
  await result(await host.server.callTool({ name: "trace_signal", arguments: CALL }));
  await drawn(frame);
  await field(frame, "activation").selectOption("gelu");
  await frame.getByText("Computing…").waitFor();
  await field(frame, "initialization").selectOption("he");
  await frame
    .getByText(/activation relu → gelu, initialization pytorch default → he/)
    .first()
    .waitFor();
  await page.evaluate(() => {
    const { transport } = window.bridge;
    const send = transport.send.bind(transport);
    window.late = new Promise((sent) => {
      transport.send = (message) => send(message).then(() => message.result && sent());
    });
  });
  held[0]();
  await page.evaluate(() => window.late);
  // What the host sends after the late answer is read after it.
  await context({ theme: "dark" });
  await frame.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  assert.match(await text(frame, "change"), /relu → gelu, initialization pytorch default → he/);
  await page.close();
});

test("a call that fails is told of, and the trace stays", async () => {
  const answers = [{ content: [{ type: "text", text: "`architecture`: too deep." }], isError: true }, null];
  const call = async () => {
    const answer = answers.shift();
    if (answer) return answer;
    throw new Error("the server is gone");
  };
  const { page, frame, result } = await openInHost(host.run, { call });
  await result(await host.server.callTool({ name: "trace_signal", arguments: CALL }));
  await drawn(frame);
  await field(frame, "repeat 1").fill("9999");
  await frame.getByText("`architecture`: too deep.").waitFor();
  assert.equal(await frame.locator("#error").getAttribute("role"), "alert");
  await frame.getByRole("button", { name: "after the first change" }).waitFor();
  await field(frame, "activation").selectOption("tanh");
  await frame.getByText("the server is gone").waitFor();
  await page.close();
});

test("a change is brought into the conversation where the host takes it", async () => {
  for (const [capability, kind] of [
    ["message", "message"],
    ["updateModelContext", "context"],
  ]) {
    const { page, frame } = await traced(host, { capabilities: { serverTools: {}, [capability]: { text: {} } } });
    assert.ok(await frame.locator("#tell").isHidden());
    await field(frame, "activation").selectOption("tanh");
    await frame.locator("#tell").click();
    await frame.getByText("Sent to the conversation.").waitFor();
    const [[told, { content }]] = page.told;
    assert.equal(told, kind);
    assert.match(content[0].text, /activation relu → tanh[^]*repeat 20 \{ linear 64 64 ; tanh \}/);
    await page.close();
  }
  const { page, frame } = await traced(host);
  await field(frame, "activation").selectOption("tanh");
  await frame.getByText("Drawn over the trace as pasted.").waitFor();
  assert.ok(await frame.locator("#tell").isHidden());
  await page.close();
});

test("a host that passes no calls on shows no controls", async () => {
  const { page, frame } = await traced(host, { capabilities: {} });
  assert.ok(await frame.locator("#controls").isHidden());
  await page.close();
});
