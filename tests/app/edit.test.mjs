// Values written into the notation, as the server's side writes them.
import assert from "node:assert/strict";
import { test } from "node:test";

import { command, pageModule, picture } from "./harness.mjs";

const APPLIED = `
import json, sys
from kaiming_mcp.picture.controls import applied
from kaiming_mcp.picture.model import Control
print(json.dumps([applied(text, [(Control(**c), v) for c, v in changes]) for text, changes in json.load(sys.stdin)]))
`;
const VALUES = { depth: "7", activation: "tanh", scale: "1/sqrt(12)", norm: "rmsnorm" };

test("the page edits the notation as the server does, one control and all together", async () => {
  const { edited } = await pageModule("edit");
  const cases = [];
  for (const name of ["mlp", "residual", "encoder", "resnet18"]) {
    const { call, controls } = picture(name);
    const changes = controls.filter(({ kind }) => VALUES[kind]).map((control) => [control, VALUES[control.kind]]);
    assert.ok(changes.length >= 2, name);
    const norm = controls.find(({ kind }) => kind === "norm");
    for (const some of [
      ...changes.map((change) => [change]),
      changes,
      [...changes].reverse(),
      ...(norm ? [[[norm, "none"]]] : []),
    ])
      cases.push([call, some]);
  }
  const asked = JSON.stringify(cases.map(([call, changes]) => [call.architecture, changes]));
  const expected = JSON.parse(command(["-c", APPLIED], asked));
  cases.forEach(([call, changes], index) => assert.equal(edited(call, changes).architecture, expected[index]));
});

test("positions count characters beyond the first plane as one", async () => {
  const { edited } = await pageModule("edit");
  const control = { kind: "depth", label: "repeat 1", value: "3", spans: [[12, 13]] };
  const changed = edited({ architecture: "# 𝜑𝜑\nrepeat 3 { relu }" }, [[control, "5"]]);
  assert.equal(changed.architecture, "# 𝜑𝜑\nrepeat 5 { relu }");
});

test("the initialization is an argument of its own", async () => {
  const { edited, given } = await pageModule("edit");
  const call = { architecture: "linear 4 4", input: "", batch: 0, initialization: "he" };
  const changed = edited(call, [
    [{ kind: "initialization", label: "initialization", value: "he", spans: [] }, "xavier"],
  ]);
  assert.deepEqual(given(changed), { architecture: "linear 4 4", initialization: "xavier" });
});

test("a departure is one that lasts, not a transient", async () => {
  const { signalDeparture, gradientDeparture, alikeFrom } = await pageModule("scale");
  const course = (second_moment, gradient = [], correlation = []) => ({
    places: second_moment.map(() => ({})),
    second_moment,
    gradient,
    correlation,
  });
  assert.equal(signalDeparture(course([0, -2, -2, 0, 0, 0])), null);
  assert.equal(signalDeparture(course([0, 0, 0, 0, 0, -3])), null);
  assert.deepEqual(signalDeparture(course([0.5, 0, -1, -2, -3])), { first: 2, last: 4, scale: 0.5, log: -3.5 });
  assert.deepEqual(gradientDeparture(course([0, 0, 0, 0, 0], [-4, -3, -2, -0.5, 0])), {
    first: 0,
    last: 2,
    scale: 0,
    log: -4,
  });
  assert.equal(alikeFrom(course([0, 0, 0, 0], [], [0, 0.995, 1, 1])), 1);
  assert.equal(alikeFrom(course([0, 0, 0, 0], [], [0, 1, 1, 0.5])), null);
});

test("numbers far below the smallest double are written from their logarithm", async () => {
  const { fromLog, factor, decade, decades } = await pageModule("numbers");
  assert.equal(fromLog(-483.5), "3.16e-484");
  assert.equal(fromLog(Math.log10(0.00625)), "0.00625");
  assert.equal(fromLog(-14.0000001), "1.00e-14");
  assert.equal(factor(Math.log10(1020)), "×1,000");
  assert.equal(factor(-14.78), "÷6.0e14");
  assert.equal(decade(-12), "10⁻¹²");
  assert.deepEqual(decades(-3, 0, 10), [-3, -2, -1, 0]);
  assert.deepEqual(decades(-483, 0, 5), [-400, -300, -200, -100, 0]);
});
