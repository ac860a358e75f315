// What is drawn, where its numbers say: pixels of the page with a document inside it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { around, colourOf, near, openFile, picture, position, start } from "./harness.mjs";

let run;
before(async () => (run = await start()));
after(() => run.close());

const text = (page, id) => page.locator(`#${id}`).innerText();

test("every quantity is drawn at its values", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  const [base] = mlp.variants;
  for (const [panel, quantity] of [
    ["log", "second_moment"],
    ["log", "gradient"],
    ["correlation", "correlation"],
  ]) {
    const colour = await colourOf(page, quantity);
    for (const place of [1, 9, 17]) {
      const pixels = await around(page, panel, await position(page, panel, place, base[quantity][place]));
      assert.ok(
        pixels.every((pixel) => near(pixel, colour)),
        `${quantity} at place ${place + 1}`,
      );
    }
  }
  await page.close();
});

test("the variant laid over is drawn dashed at its own values", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  const colour = await colourOf(page, "gradient");
  const along = [];
  // Between the marks of two places.
  for (let place = 3.2; place < 3.8; place += 0.02) {
    along.push(
      (await around(page, "log", await position(page, "log", place, 0), 0)).some((pixel) => near(pixel, colour, 60)),
    );
  }
  assert.ok(along.includes(true), "no dash");
  assert.ok(along.includes(false), "no gap");
  await page.close();
});

test("the spread between seeds is a band around the signal", async () => {
  const residual = picture("residual");
  const [{ second_moment: signal, spread }] = residual.variants;
  const page = await openFile(run, residual);
  const place = residual.places.findLastIndex(({ main }) => main);
  const [inside] = await around(
    page,
    "log",
    await position(page, "log", place - 0.3, signal[place] + 0.8 * spread[place] - 0.1),
    0,
  );
  const [r, , b] = inside;
  assert.ok(b > r + 8, `not tinted: ${inside}`);
  await page.close();
});

test("measured points stand at their value with their interval", async () => {
  const document = picture("simulated");
  const point = {
    ...document.measured.find(({ quantity, place }) => quantity === "gradient" && place === 4),
    low: -13.5,
    high: -9.5,
  };
  const page = await openFile(run, { ...document, measured: [point] });
  const outline = await colourOf(page, "text");
  for (const value of [point.low, point.high]) {
    const { x, y } = await position(page, "log", 4, value);
    const pixels = await around(page, "log", { x: x + 3, y }, 1);
    assert.ok(
      pixels.some((pixel) => near(pixel, outline, 60)),
      `no end of the interval at ${value}`,
    );
  }
  const middle = await around(page, "log", await position(page, "log", 4, point.value), 1);
  assert.ok(
    middle.every((pixel) => near(pixel, [184, 78, 0])),
    "no point",
  );
  await page.close();
});

test("what was measured is drawn at once, also where it is of the weights", async () => {
  const document = picture("gradients");
  const page = await openFile(run, document);
  const button = page.locator("#legend").getByRole("button", { name: "weight gradient" });
  assert.equal(await button.getAttribute("aria-pressed"), "true");
  const point = document.measured.find(({ quantity, value }) => quantity === "weight_gradient" && value !== null);
  const colour = await colourOf(page, "weight_gradient");
  const at = await position(page, "log", point.place, point.value);
  assert.ok((await around(page, "log", at, 6)).some((pixel) => near(pixel, colour)));
  await page.close();
});

test("a number printed as 0 is an arrow down from its bound", async () => {
  const document = picture("mlp");
  const bound = {
    quantity: "gradient",
    name: "layer 5",
    place: 5,
    value: null,
    low: null,
    high: -4,
    note: "0.00 as printed",
  };
  const page = await openFile(run, { ...document, measured: [bound] });
  const colour = await colourOf(page, "gradient");
  const at = await position(page, "log", 5, -4);
  const shaft = await around(page, "log", { x: at.x, y: at.y + 8 }, 0);
  assert.ok(near(shaft[0], colour, 40), `no arrow: ${shaft[0]}`);
  await page.locator("#plot").focus();
  for (let i = 0; i < 6; i += 1) await page.keyboard.press("ArrowRight");
  assert.match(await text(page, "readout"), /at most 1e-4|at most 0.0001|at most 1\.00e-4/);
  await page.close();
});

test("floors in view are drawn, those far below do not stretch the axis", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  const { low } = await page.evaluate(() => ({ ...document.getElementById("log").dataset }));
  assert.ok(Number(low) > -20, `the axis begins at ${low}`);
  const floor = mlp.floors.find(({ name, kind }) => name === "float16" && kind === "normal");
  const y = (await position(page, "log", 0, floor.value)).y;
  const grey = await colourOf(page, "muted");
  const line = [];
  for (let x = 500; x < 520; x += 1) line.push(...(await around(page, "log", { x, y }, 1)));
  assert.ok(
    line.some((pixel) => near(pixel, grey, 40)),
    "no floor",
  );
  await page.close();
});

test("blocks and norms are marked along the axis and named", async () => {
  const page = await openFile(run, picture("resnet18"));
  const key = await text(page, "key");
  assert.match(key, /residual/);
  assert.match(key, /batchnorm/);
  const { low } = await page.evaluate(() => ({ ...document.getElementById("log").dataset }));
  const below = async (place, down) => {
    const at = await position(page, "log", place, Number(low));
    return around(page, "log", { x: at.x, y: at.y + down }, 2);
  };
  const block = picture("resnet18").blocks[0];
  const muted = await colourOf(page, "muted");
  assert.ok(
    (await below((block.first + block.last) / 2, 11)).some((pixel) => near(pixel, muted, 60)),
    "no bracket",
  );
  const norm = picture("resnet18").norms[0];
  const green = await colourOf(page, "correlation");
  assert.ok(
    (await below(norm.place, 5)).some((pixel) => near(pixel, green, 60)),
    "no tick",
  );
  await page.close();
});

test("the depths off the scale are named above the plot", async () => {
  const page = await openFile(run, picture("mlp"));
  const signal = await colourOf(page, "second_moment");
  const gradient = await colourOf(page, "gradient");
  const bars = await page.evaluate(() => {
    const canvas = document.querySelector("#log canvas");
    return canvas.getContext("2d").getImageData(0, 0, canvas.width, 60).data;
  });
  const count = (colour) => {
    let found = 0;
    for (let i = 0; i < bars.length; i += 4) if (near([bars[i], bars[i + 1], bars[i + 2]], colour, 10)) found += 1;
    return found;
  };
  assert.ok(count(gradient) > 1500, `the bar of the gradient has ${count(gradient)} pixels`);
  assert.ok(count(signal) > 1500, `the bar of the signal has ${count(signal)} pixels`);
  await page.close();
});

test("a network that keeps its scale has no such bar", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, { ...mlp, variants: [mlp.variants[1]], findings: [] });
  const { x, y } = await position(page, "log", 10, 0);
  assert.ok(y < 220, `the flat line is at ${x}, ${y}`);
  const pixels = await page.evaluate(() => {
    const canvas = document.querySelector("#log canvas");
    return [...canvas.getContext("2d").getImageData(60, 0, canvas.width - 80, 30).data];
  });
  assert.ok(
    pixels.every((channel) => channel > 200 || channel === 0),
    "something is written above the flat lines",
  );
  await page.close();
});

test("measurements without a network are drawn, and their departure with them", async () => {
  const { measured, ...rest } = picture("diagnosed");
  const page = await openFile(run, { ...rest, variants: [], floors: [], call: null, controls: [], measured });
  const colour = await colourOf(page, "gradient");
  const pixels = await around(
    page,
    "log",
    await position(
      page,
      "log",
      2,
      measured.find(({ place, quantity }) => place === 2 && quantity === "gradient").value,
    ),
  );
  assert.ok(pixels.every((pixel) => near(pixel, colour)));
  await page.locator("#plot").focus();
  await page.keyboard.press("Home");
  assert.match(await text(page, "readout"), /measured \(layer 0\): gradient .*4\.4e-09 as printed/);
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("a change of width draws anew", async () => {
  const mlp = picture("mlp");
  const page = await openFile(run, mlp);
  await page.setViewportSize({ width: 400, height: 900 });
  await page.waitForFunction(() => document.querySelector("#log canvas").getBoundingClientRect().width < 400);
  const colour = await colourOf(page, "gradient");
  const pixels = await around(page, "log", await position(page, "log", 9, mlp.variants[0].gradient[9]));
  assert.ok(pixels.every((pixel) => near(pixel, colour)));
  await page.close();
});
