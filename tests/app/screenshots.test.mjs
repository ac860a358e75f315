// The networks of the tour, pixel by pixel. `make app-screenshots` renews the references; look at them then.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { difference, openFile, picture, start } from "./harness.mjs";

/** Share of pixels that may differ: what anti-aliasing of text and lines does between versions of Chromium. */
const TOLERANCE = 0.003;
const RENEW = process.env.RENEW_SCREENSHOTS === "1";

let run;
before(async () => (run = await start()));
after(() => run.close());

const shots = [
  ["mlp", {}],
  ["residual", {}],
  ["encoder", {}],
  ["resnet18", {}],
  ["gradients", {}],
  ["denoiser", {}],
  ["pinn", {}],
  ["simulated", { scheme: "dark", width: 360 }],
];

test("the networks of the tour look as they did", async (t) => {
  for (const [name, options] of shots) {
    const page = await openFile(run, picture(name), options);
    const taken = await page.screenshot({ fullPage: true });
    await page.close();
    const file = fileURLToPath(new URL(`screenshots/${name}.png`, import.meta.url));
    if (RENEW) writeFileSync(file, taken);
    assert.ok(existsSync(file), `${name} has no reference`);
    const share = await difference(run, taken, readFileSync(file));
    t.diagnostic(
      `${name}: ${typeof share === "number" ? `${(100 * share).toFixed(3)} % of the pixels differ` : share}`,
    );
    if (!(share <= TOLERANCE)) writeFileSync(file.replace(".png", ".differs.png"), taken);
    assert.ok(share <= TOLERANCE, `${name}: ${share}; see ${name}.differs.png`);
  }
});
