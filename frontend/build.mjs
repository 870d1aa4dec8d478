// Builds Tocsin's styles and behaviour into src/tocsin/web/static/dist: files with a hash of their content in the
// name, and manifest.json that maps plain names to them. Fails when a budget is exceeded.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../src/tocsin/web/static/dist");
const work = join(here, "node_modules/.tocsin");
const BUDGET = { css: 25 * 1024, js: 60 * 1024 };

process.chdir(here);
mkdirSync(out, { recursive: true });
mkdirSync(work, { recursive: true });

const manifest = {};

// styles: Tailwind reads the templates and writes the classes they use; esbuild takes the fonts along and hashes
const tailwind = join(dirname(createRequire(import.meta.url).resolve("@tailwindcss/cli/package.json")), "dist/index.mjs");
execFileSync(process.execPath, [tailwind, "-i", "css/app.css", "-o", join(work, "app.css")], {
  stdio: ["ignore", "ignore", "inherit"],
});
// icons of badges are part of the styles: a badge is in every row of every table, and stays a single short tag
const icons = JSON.parse(readFileSync("icons.json", "utf8"));
const svg = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='#000' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'>`;
const badges = icons.badges.map((name) => {
  const text = `${svg}${drawing(name).replaceAll('"', "'")}</svg>`.replaceAll("<", "%3C").replaceAll(">", "%3E").replaceAll("#", "%23");
  return `.i-${name} { --i: url("data:image/svg+xml,${text}"); }`;
});
writeFileSync(join(work, "badges.css"), badges.join("\n"));
writeFileSync(join(work, "styles.css"), '@import "@fontsource-variable/inter/wght.css";\n@import "./app.css";\n@import "./badges.css";\n');

// pictures of the installed app; they are drawn from favicon.svg, see README.md
for (const name of readdirSync("icons")) write(name, readFileSync(join("icons", name)));
const place = (name) => JSON.stringify(`/static/dist/${manifest[name]}`);

const bundled = await build({
  entryPoints: { app: "js/app.js", "live-worker": "js/live-worker.js", sw: "js/sw.js", styles: join(work, "styles.css") },
  outdir: out,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022", "chrome111", "firefox114", "safari16.4"],
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".woff2": "file" },
  external: ["/static/*"],
  define: { __ICON__: place("icon-192.png"), __BADGE__: place("badge-96.png") },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});
for (const [path, about] of Object.entries(bundled.metafile.outputs)) {
  const name = basename(path);
  const plain = name.replace(/-[0-9A-Z]{8}(?=\.\w+$)/, "");
  manifest[about.entryPoint ? plain.replace("styles.css", "app.css") : plain] = name;
}

// icons: one sprite with the icons that are named in icons.json
const symbols = icons.sprite.map((name) => `<symbol id="${name}" viewBox="0 0 24 24">${drawing(name)}</symbol>`);
write("icons.svg", `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
write("favicon.svg", readFileSync("favicon.svg", "utf8"));

const draft = join(out, `.manifest.${process.pid}`);
writeFileSync(draft, JSON.stringify(manifest, null, 1) + "\n");
renameSync(draft, join(out, "manifest.json"));
const wanted = new Set([...Object.values(manifest), "manifest.json"]);
// compressed beside, so that serving costs nothing
for (const name of Object.values(manifest).filter((name) => /\.(css|js|svg)$/.test(name))) {
  const bytes = readFileSync(join(out, name));
  for (const [ending, squeeze] of [["gz", (b) => gzipSync(b, { level: 9 })], ["br", brotliCompressSync]]) {
    writeFileSync(join(out, `${name}.${ending}`), squeeze(bytes));
    wanted.add(`${name}.${ending}`);
  }
}
for (const name of readdirSync(out)) if (!wanted.has(name)) rmSync(join(out, name), { recursive: true, force: true });

let failed = false;
for (const [kind, budget] of Object.entries(BUDGET)) {
  const names = Object.values(manifest).filter((name) => name.endsWith(`.${kind}`));
  const size = names.reduce((sum, name) => sum + gzipSync(readFileSync(join(out, name)), { level: 9 }).length, 0);
  console.log(`${kind}: ${(size / 1024).toFixed(1)} KB gzipped of ${budget / 1024} KB`);
  failed ||= size > budget;
}
if (failed) {
  console.error("over budget: take something out, or argue for a larger budget in docs/decisions");
  process.exit(1);
}

function drawing(name) {
  const svg = readFileSync(join("node_modules/lucide-static/icons", `${name}.svg`), "utf8");
  const inner = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
  return inner.replace(/\s+/g, " ").trim();
}

function write(name, text) {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
  manifest[name] = name.replace(".", `-${hash}.`);
  writeFileSync(join(out, manifest[name]), text);
}
