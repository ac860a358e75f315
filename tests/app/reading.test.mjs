// What a person gets out of the picture: by pointer, finger, keyboard, buttons and table.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { around, colourOf, near, openFile, picture, position, start } from "./harness.mjs";

let run;
before(async () => (run = await start()));
after(() => run.close());

const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.closest("[id]")?.id);
const text = (page, id) => page.locator(`#${id}`).innerText();

test("hovering reads the facts of the place", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  const canvas = await page.locator("#log canvas").boundingBox();
  const { x, y } = await position(page, "log", 6, -3);
  await page.mouse.move(canvas.x + x, canvas.y + y);
  const read = await text(page, "readout");
  assert.match(read, /Place 7 of 20/);
  for (const note of mlp.variants[0].notes[6]) assert.ok(read.includes(note), note);
  assert.match(read, /after the first change:/);
  await page.mouse.move(5, 5);
  assert.match(await text(page, "readout"), /Point at the plot/);
  await page.close();
});

test("a finger reads the facts as well", async () => {
  const page = await openFile(run, picture("mlp"));
  const over = page.locator("#log .u-over");
  const box = await over.boundingBox();
  await over.dispatchEvent("pointerdown", {
    pointerType: "touch",
    clientX: box.x + box.width - 2,
    clientY: box.y + 20,
  });
  await over.dispatchEvent("pointerleave", { pointerType: "touch" });
  assert.match(await text(page, "readout"), /Place 20 of 20/);
  await page.close();
});

test("the keyboard moves from place to place, and what it finds is announced", async () => {
  const page = await openFile(run, picture("mlp"));
  await page.keyboard.press("Tab");
  const plot = page.locator("#plot");
  await plot.focus();
  const presses = [
    ["ArrowRight", 1],
    ["ArrowRight", 2],
    ["ArrowLeft", 1],
    ["ArrowLeft", 1],
    ["End", 20],
    ["ArrowRight", 20],
    ["PageDown", 10],
    ["Home", 1],
    ["PageUp", 11],
  ];
  for (const [key, place] of presses) {
    await page.keyboard.press(key);
    assert.equal(await plot.getAttribute("aria-valuenow"), String(place), key);
    assert.match(await plot.getAttribute("aria-valuetext"), new RegExp(`^Place ${place} of 20`));
    assert.match(await text(page, "readout"), new RegExp(`^Place ${place} of 20`));
  }
  assert.equal(await page.locator("#readout").getAttribute("aria-live"), "polite");
  const outline = await plot.evaluate((element) => getComputedStyle(element).outlineStyle);
  assert.notEqual(outline, "none", "the focus cannot be seen");
  await page.close();
});

test("a finding opens by click and by Enter, and Escape leads back", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  const [finding] = mlp.findings;
  const marker = page.locator(".marker");
  const box = await marker.boundingBox();
  const plot = await page.locator("#log canvas").boundingBox();
  const { x } = await position(page, "log", finding.place, 0);
  assert.ok(Math.abs(box.x + box.width / 2 - plot.x - x) < 2, "the marker is not above its place");
  await marker.click();
  assert.equal(await page.locator(`#finding-${finding.id}`).getAttribute("open"), "");
  assert.equal(await focused(page), `finding-${finding.id}`);
  assert.ok((await text(page, "findings")).includes("log E[x²] and log gradient per layer at step 0"));
  await page.keyboard.press("Escape");
  assert.equal(await page.locator(`#finding-${finding.id}`).getAttribute("open"), null);
  assert.equal(await page.evaluate(() => document.activeElement.className), `marker ${finding.severity}`);
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(`#finding-${finding.id}`).getAttribute("open"), "");
  await page.close();
});

test("many findings at one place do not cover each other", async () => {
  const mlp = picture("mlp");
  for (const place of [0, 19]) {
    const findings = Array.from({ length: 9 }, (_, index) => ({ ...mlp.findings[0], id: `D${index + 1}`, place }));
    const page = await openFile(run, { ...mlp, findings }, { width: 360 });
    const boxes = await page
      .locator(".marker")
      .evaluateAll((all) => all.map((one) => one.getBoundingClientRect()).map(({ left, right }) => [left, right]));
    boxes.sort(([a], [b]) => a - b);
    boxes.forEach(([left, right], index) => {
      assert.ok(left >= 0 && right <= 360, `${left} to ${right}`);
      if (index) assert.ok(left >= boxes[index - 1][1], "two overlap");
    });
    await page.close();
  }
});

test("what is text stays text", async () => {
  const mlp = picture("mlp");
  const hostile =
    '<img src=x onerror="window.hit = 1"> **bold** `code` [link](javascript:alert(1)) </script><script>window.hit = 1</script>';
  const findings = [{ ...mlp.findings[0], title: hostile, text: hostile }];
  const places = mlp.places.map((place) => ({ ...place, name: hostile, label: hostile }));
  const variants = mlp.variants.map((variant) => ({
    ...variant,
    name: hostile,
    notes: variant.notes.map(() => [hostile]),
  }));
  const page = await openFile(run, {
    ...mlp,
    title: hostile,
    verdict: hostile,
    change: hostile,
    findings,
    places,
    variants,
  });
  await page.locator(".marker").click();
  await page.locator("#rows summary").click();
  await page.locator("#plot").focus();
  await page.keyboard.press("End");
  assert.equal(await page.evaluate(() => window.hit), undefined);
  assert.equal(await page.locator("main img, main a, main script").count(), 0);
  assert.ok((await text(page, "verdict")).includes('<img src=x onerror="window.hit = 1">'));
  await page.close();
});

test("lines are switched by their buttons", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  const colour = await colourOf(page, "weight_gradient");
  const at = async () => around(page, "log", await position(page, "log", 1, mlp.variants[0].weight_gradient[1]));
  const button = page.getByRole("button", { name: "weight gradient" });
  assert.equal(await button.getAttribute("aria-pressed"), "false");
  assert.ok(!(await at()).some((pixel) => near(pixel, colour)), "shown before it was asked for");
  await button.press("Enter");
  assert.ok(
    (await at()).every((pixel) => near(pixel, colour)),
    "not shown",
  );
  assert.equal(await page.evaluate(() => document.activeElement.dataset.key), "weight_gradient");
  await page.getByRole("button", { name: "input correlation" }).click();
  assert.ok(await page.locator("#correlation").isHidden());
  await page.getByRole("button", { name: "after the first change" }).click();
  await page.locator("#plot").focus();
  await page.keyboard.press("End");
  assert.doesNotMatch(await text(page, "readout"), /after the first change:/);
  await page.close();
});

test("the table has every place with its numbers", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  assert.equal(await page.locator("#table tr").count(), 0);
  await page.locator("#rows summary").click();
  await page.locator("#table tbody tr").first().waitFor();
  const rows = await page
    .locator("#table tr")
    .evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.equal(rows.length, 21);
  assert.deepEqual(rows[0].slice(0, 4), ["place", "layer", "E[x²] signal, as pasted", "gradient, as pasted"]);
  assert.deepEqual(rows[1].slice(0, 4), ["1", `${mlp.places[0].name} linear 64 64`, "0.339", "1.64e-15"]);
  await page.close();
});
