// A Chromium, pages as hosts show them, and the real server behind their calls.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const tools = createRequire(here("../tools/package.json"));
const app = createRequire(here("../../app/package.json"));
const { chromium } = tools("playwright-core");
const { build } = app("esbuild");

export const PAGE = readFileSync(here("../../src/kaiming_mcp/app/signal.html"), "utf8");
export const AXE = readFileSync(tools.resolve("axe-core/axe.min.js"), "utf8");
export const picture = (name) => JSON.parse(readFileSync(here(`pictures/${name}.json`), "utf8"));
export const META = "kaiming/picture";
/** What a host sends in its header where a server declares no domain (MCP Apps 2026-01-26). */
const CSP = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "media-src 'self' data:",
  "connect-src 'none'",
].join("; ");
const FLAGS = [
  "no-sandbox",
  "disable-gpu",
  "disable-quic",
  "no-first-run",
  "disable-background-networking",
  "disable-component-update",
  "disable-sync",
];

/** Chromium and a host's web server; `close` ends both. */
export async function start() {
  const scratch = mkdtempSync(join(tmpdir(), "kaiming-app-"));
  const host = await build({
    entryPoints: [here("host.mjs")],
    bundle: true,
    format: "esm",
    write: false,
    nodePaths: [here("../../app/node_modules")],
  });
  const files = {
    "/": [
      "text/html",
      '<!doctype html><title>host</title><link rel="icon" href="data:,"><style>body { margin: 0 } iframe { border: 0; width: 100%; height: 400px }</style><script type="module" src="host.js"></script>',
    ],
    "/host.js": ["text/javascript", host.outputFiles[0].text],
  };
  const server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? ["text/plain", ""];
    response.writeHead(body ? 200 : 404, { "content-type": type, "content-security-policy": CSP });
    response.end(body);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS.map((flag) => `--${flag}`),
  });
  return {
    browser,
    scratch,
    address: `http://127.0.0.1:${server.address().port}/`,
    close: async () => {
      await browser.close();
      server.close();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

const OPTIONS = { width: 720, scheme: "light", reducedMotion: "reduce" };

/** An empty page that keeps what it asks for and what it complains of. */
export async function opened({ browser }, { width, scheme, reducedMotion } = OPTIONS) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme, reducedMotion });
  page.requests = [];
  page.faults = [];
  page.on("request", (request) => page.requests.push(request.url()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.faults.push(message.text());
  });
  return page;
}

/** The page with a document inside, as `kaiming-mcp plot` writes it, opened from a file. */
export async function openFile(run, document, options = {}) {
  const page = await opened(run, { ...OPTIONS, ...options });
  const inside = typeof document === "string" ? document : JSON.stringify(document).replaceAll("<", "\\u003c");
  const file = join(run.scratch, `${(run.files = (run.files ?? 0) + 1)}.html`);
  writeFileSync(
    file,
    document === null
      ? PAGE
      : PAGE.replace("<!-- picture -->", () => `<script type="application/json" id="picture">${inside}</script>`),
  );
  await page.goto(`file://${file}`);
  if (document !== null) await page.waitForFunction(() => performance.getEntriesByName("drawn").length > 0);
  return page;
}

/** The page in a sandboxed frame of a host; `call(params)` answers its calls of tools. */
export async function openInHost(
  run,
  { call, capabilities = { serverTools: {} }, context = { theme: "light" }, html = PAGE, ...options } = {},
) {
  const page = await opened(run, { ...OPTIONS, ...options });
  page.told = [];
  await page.exposeFunction("callTool", call ?? (() => ({ content: [], isError: true })));
  await page.exposeFunction("told", (kind, params) => void page.told.push([kind, params]));
  await page.goto(run.address);
  await page.evaluate((given) => window.show(given), { html, capabilities, context });
  const frame = page.frames()[1];
  return {
    page,
    frame,
    input: (args) => page.evaluate((sent) => window.bridge.sendToolInput({ arguments: sent }), args),
    result: (result) => page.evaluate((sent) => window.bridge.sendToolResult(sent), result),
    context: (changed) => page.evaluate((sent) => window.bridge.sendHostContextChange(sent), changed),
    cancel: (reason) => page.evaluate((sent) => window.bridge.sendToolCancelled({ reason: sent }), reason),
  };
}

/** A result that brings this picture. */
export const resultWith = (document) => ({
  content: [{ type: "text", text: "**Verdict.** In words." }],
  _meta: { [META]: document },
});

/** The real server over stdio, with a client that shows MCP Apps. */
export async function connectServer() {
  const { Client } = tools("@modelcontextprotocol/client");
  const { StdioClientTransport } = tools("@modelcontextprotocol/client/stdio");
  const extensions = { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } };
  const client = new Client({ name: "test-host", version: "1.0.0" }, { capabilities: { extensions } });
  await client.connect(
    new StdioClientTransport({
      command: process.env.KAIMING_PYTHON ?? "python3",
      args: ["-m", "kaiming_mcp"],
      stderr: "inherit",
    }),
  );
  return client;
}

/** Where a value lies on a panel: canvas pixels of the page, from the range that the panel shows. */
export function position(page, panel, place, value) {
  return page.evaluate(
    ([id, at, height]) => {
      const box = document.getElementById(id);
      const over = box.querySelector(".u-over").getBoundingClientRect();
      const canvas = box.querySelector("canvas").getBoundingClientRect();
      const { low, high, places } = box.dataset;
      return {
        x: over.left - canvas.left + ((at + 0.5) / Number(places)) * over.width,
        y: over.top - canvas.top + ((Number(high) - height) / (Number(high) - Number(low))) * over.height,
      };
    },
    [panel, place, value],
  );
}

/** Colours of the canvas in a square around a point, as [r, g, b, a] lists. */
export function around(page, panel, { x, y }, reach = 1) {
  return page.evaluate(
    ([id, left, top, size]) => {
      const canvas = document.querySelector(`#${id} canvas`);
      const scale = canvas.width / canvas.getBoundingClientRect().width;
      const side = 2 * Math.round(size * scale) + 1;
      const { data } = canvas
        .getContext("2d")
        .getImageData(Math.round(left * scale) - (side >> 1), Math.round(top * scale) - (side >> 1), side, side);
      return Array.from({ length: side * side }, (_, index) => [...data.slice(4 * index, 4 * index + 4)]);
    },
    [panel, x, y, reach],
  );
}

/** The colour that the page gives a quantity, as [r, g, b]. */
export function colourOf(page, token) {
  return page.evaluate(
    (name) => {
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = `var(--${name})`;
      const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g).map(Number);
      probe.remove();
      return [r, g, b];
    },
    token.replace("_", "-"),
  );
}

/** Whether a pixel shows this colour: a canvas that is only tinted with it does not. */
export const near = ([r, g, b, alpha = 255], colour, reach = 24) =>
  alpha > 150 && [r, g, b].every((channel, index) => Math.abs(channel - colour[index]) <= reach);

export async function violations(page) {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}

/** Share of pixels that differ visibly between two PNG files, compared in a page. */
export async function difference({ browser }, one, other) {
  const page = await browser.newPage();
  const share = await page.evaluate(
    async (sources) => {
      const [a, b] = await Promise.all(
        sources.map(async (source) => {
          const image = new Image();
          image.src = `data:image/png;base64,${source}`;
          await image.decode();
          const canvas = new OffscreenCanvas(image.width, image.height);
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          return context.getImageData(0, 0, image.width, image.height);
        }),
      );
      if (a.width !== b.width || a.height !== b.height) return `${a.width}x${a.height} against ${b.width}x${b.height}`;
      let differing = 0;
      for (let i = 0; i < a.data.length; i += 4) {
        if (Math.max(...[0, 1, 2].map((c) => Math.abs(a.data[i + c] - b.data[i + c]))) > 48) differing += 1;
      }
      return differing / (a.width * a.height);
    },
    [one, other].map((png) => png.toString("base64")),
  );
  await page.close();
  return share;
}

/** Modules of the page, for what needs no browser. */
export async function pageModule(name) {
  const { outputFiles } = await build({
    entryPoints: [here(`../../app/src/${name}.ts`)],
    bundle: true,
    format: "esm",
    write: false,
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
}

/** What Python prints of this input. */
export function command(words, input = "") {
  const done = spawnSync(process.env.KAIMING_PYTHON ?? "python3", words, { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout;
}
