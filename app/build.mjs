// Bundle the page into one file without a single address to load from. The same sources give the same bytes.
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, "../src/kaiming_mcp/app/signal.html");
const read = (path) => readFileSync(join(here, path), "utf8");

// What the packages bring along and the page never runs, with what stands in its place.
const LEFT_OUT = [
  // Messages in fifty languages, 250 kB; English is the one that zod starts with.
  [/zod[\\/]v4[\\/]locales[\\/]index\.js$/, 'export { default as en } from "./en.js";'],
  // The validator of output schemas: of the class Client, while a page is an App.
  [
    /client[\\/]dist[\\/]shimsBrowser\.mjs$/,
    "export const CORS_IS_POSSIBLE = true; export class DefaultJsonSchemaValidator {}",
  ],
];
const met = new Set();
const leaveOut = {
  name: "leave-out",
  setup({ onLoad }) {
    for (const [filter, contents] of LEFT_OUT) onLoad({ filter }, () => (met.add(filter), { contents }));
  },
};

const script = await build({
  entryPoints: [join(here, "src/main.ts")],
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  write: false,
  metafile: true,
  plugins: [leaveOut],
});
const missed = LEFT_OUT.filter(([filter]) => !met.has(filter));
if (missed.length) throw new Error(`a new version has moved ${missed[0][0]}: look again at LEFT_OUT`);
const styles = await build({
  stdin: { contents: read("node_modules/uplot/dist/uPlot.min.css") + read("src/style.css"), loader: "css" },
  minify: true,
  legalComments: "none",
  write: false,
});

let page = read("src/page.html");
page = inlined(page, "/* style */", styles.outputFiles[0].text.trim());
page = inlined(page, "/* script */", script.outputFiles[0].text.trim());
page = inlined(page, "</body>", `<!--\n${notice(held(script.metafile))}\n-->\n</body>`);
writeFileSync(out, page);
console.log(`${out}: ${(Buffer.byteLength(page) / 1000).toFixed(0)} kB`);

function inlined(template, mark, text) {
  const [before, after, ...more] = template.split(mark);
  if (after === undefined || more.length) throw new Error(`page.html must hold ${mark} once`);
  return before + text + after;
}

function held({ outputs }) {
  return Object.values(outputs).flatMap(({ inputs }) =>
    Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0),
  );
}

/** The licences of the packages that these files are from, each text once. */
function notice(files) {
  const names = new Set(files.flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
  const holders = new Map();
  for (const name of [...names].sort()) {
    const { version } = JSON.parse(read(`node_modules/${name}/package.json`));
    const licence = read(`node_modules/${name}/LICENSE`).trim();
    holders.set(licence, [...(holders.get(licence) ?? []), `${name} ${version}`]);
  }
  const parts = [...holders].map(([licence, held]) => `${held.join(", ")}\n\n${licence}`);
  // Two hyphens would end the comment that the notice stands in.
  return `This page holds parts of these, under their licences.\n\n${parts.join("\n\n\n")}`.replaceAll("--", "- -");
}
