// For everybody and anywhere: dark, narrow, by screen reader, without a network, without a host, and at once.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { around, colourOf, command, near, opened, openFile, picture, position, start, violations } from "./harness.mjs";

let run;
before(async () => (run = await start()));
after(() => run.close());

const text = (page, id) => page.locator(`#${id}`).innerText();

test("dark is dark, by the person's own setting, and follows it", async () => {
  const page = await openFile(run, picture("mlp"), { scheme: "dark" });
  const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(await back(), "rgb(23, 24, 27)");
  const dark = await colourOf(page, "gradient");
  const at = async () => around(page, "log", await position(page, "log", 9, picture("mlp").variants[0].gradient[9]));
  assert.ok((await at()).every((pixel) => near(pixel, dark)));
  await page.emulateMedia({ colorScheme: "light" });
  await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
  assert.equal(await back(), "rgb(255, 255, 255)");
  const light = await colourOf(page, "gradient");
  assert.notDeepEqual(light, dark);
  assert.ok(
    (await at()).every((pixel) => near(pixel, light)),
    "the plot kept its dark colours",
  );
  await page.close();
});

test("360 pixels are enough, and no text is smaller than 12", async () => {
  for (const name of ["mlp", "encoder", "resnet18", "diagnosed"]) {
    const page = await openFile(run, picture(name), { width: 360 });
    if (await page.locator(".marker").count()) await page.locator(".marker").first().click();
    const found = await page.evaluate(() => {
      const texts = [...document.querySelectorAll("main *")].filter((one) =>
        [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()),
      );
      return {
        scroll: document.documentElement.scrollWidth,
        smallest: Math.min(...texts.map((one) => Number.parseFloat(getComputedStyle(one).fontSize))),
      };
    });
    assert.ok(found.scroll <= 360, `${name} is ${found.scroll} wide`);
    assert.ok(found.smallest >= 12, `${name} has text of ${found.smallest}`);
    await page.close();
  }
});

test("axe finds no violation: light, dark, narrow, with everything open", async () => {
  for (const [name, options] of [
    ["mlp", {}],
    ["encoder", { scheme: "dark" }],
    ["resnet18", { width: 360 }],
    ["simulated", { width: 360, scheme: "dark" }],
  ]) {
    const page = await openFile(run, picture(name), options);
    for (const marker of await page.locator(".marker").all()) await marker.click();
    for (const id of ["change", "rows"]) {
      if (await page.locator(`#${id} > summary`).isVisible()) await page.locator(`#${id} > summary`).click();
    }
    await page.getByRole("button", { name: "weight gradient" }).click();
    await page.locator("#plot").focus();
    await page.keyboard.press("End");
    assert.deepEqual(await violations(page), [], name);
    await page.close();
  }
});

test("nothing leaves the page, and nothing is tried", async () => {
  const page = await openFile(run, picture("mlp"));
  await page.locator(".marker").click();
  await page.locator("#rows summary").click();
  assert.equal(page.requests.length, 1, page.requests.join());
  assert.match(page.requests[0], /^file:/);
  assert.deepEqual(page.faults, []);
  const refused = await page.evaluate(() =>
    fetch("https://example.org/").then(
      () => "sent",
      () => "refused",
    ),
  );
  assert.equal(refused, "refused");
  assert.ok(
    page.faults.some((fault) => fault.includes("Content Security Policy")),
    "the page's own policy did not refuse it",
  );
  await page.close();
});

test("nothing moves by itself where less motion is asked for", async () => {
  const moving = (page) =>
    page.evaluate(
      () =>
        [...document.querySelectorAll("*")].filter((one) => getComputedStyle(one).transitionDuration !== "0s").length,
    );
  const still = await openFile(run, picture("mlp"));
  assert.equal(await moving(still), 0);
  await still.close();
  const page = await openFile(run, picture("mlp"), { reducedMotion: "no-preference" });
  assert.ok((await moving(page)) > 0);
  await page.close();
});

test("without a host and without a document the page says what it is", async () => {
  const page = await openFile(run, null);
  assert.match(await text(page, "message"), /kaiming-mcp plot FILE -o out\.html/);
  assert.ok(await page.locator("#view").isHidden());
  await page.close();
});

test("a file that kaiming-mcp plot writes is drawn", async () => {
  const file = join(run.scratch, "plot.html");
  const network = fileURLToPath(new URL("../../examples/plain_mlp20.txt", import.meta.url));
  command(["-m", "kaiming_mcp", "plot", network, "-o", file]);
  const page = await opened(run);
  await page.goto(`file://${file}`);
  await page.locator("#log canvas").waitFor();
  assert.match(await text(page, "verdict"), /gradient shrinks/);
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("a document that is no picture is told of", async () => {
  for (const broken of ["{", '{"version": 2}', '{"version": 1, "places": [], "variants": []}', "null"]) {
    const page = await openFile(run, broken);
    assert.match(await text(page, "message"), /not a picture/);
    await page.close();
  }
});

test("without a host nothing can be changed", async () => {
  const page = await openFile(run, picture("mlp"));
  assert.ok(await page.locator("#controls").isHidden());
  await page.close();
});

test("a thousand layers are drawn at once", async (t) => {
  const mlp = picture("mlp");
  const many = (list) => Array.from({ length: 1000 }, (_, index) => list[index % list.length]);
  const long = (list) =>
    list
      .map((value) => value)
      .flatMap((value, index) =>
        Array.from({ length: 50 }, (_, step) => (value === null ? null : value - 0.01 * step * (index % 2))),
      );
  const variants = mlp.variants.map((variant) => ({
    ...variant,
    ...Object.fromEntries(
      ["second_moment", "correlation", "gradient", "weight_gradient", "spread"].map((key) => [key, long(variant[key])]),
    ),
    notes: many(variant.notes),
  }));
  const document = { ...mlp, places: many(mlp.places), variants };
  const times = [];
  for (let i = 0; i < 5; i += 1) {
    const page = await openFile(run, document);
    times.push(await page.evaluate(() => performance.getEntriesByName("drawn")[0].startTime));
    await page.close();
  }
  const best = Math.min(...times);
  t.diagnostic(
    `1,000 layers: ${times.map((time) => time.toFixed(0)).join(", ")} ms from the start of the navigation to the first drawn frame`,
  );
  assert.ok(best < 1500, `${best} ms`);
});
