// Finishes what Trunk has built, in the folder where it is staged:
// - the inline start script becomes a file, for a content security policy without inline scripts;
// - the chart library becomes one file that only pages with charts load;
// - scripts and styles are minified;
// - the catalogues of other languages become files that only their readers load;
// - everything that compresses gets a .br and a .gz beside it, which NGINX sends as they are.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { build, transform } from "esbuild";
import { po } from "gettext-parser";

const here = dirname(fileURLToPath(import.meta.url));
const staging = process.env.TRUNK_STAGING_DIR;
if (!staging) throw new Error("TRUNK_STAGING_DIR is not set: this runs as a hook of Trunk");
const release = process.env.TRUNK_PROFILE === "release";
const indexPath = join(staging, "index.html");

/** Writes a file under a name that changes with its content, and answers the name. */
function writeHashed(stem, extension, content) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const name = `${stem}-${hash}.${extension}`;
  writeFileSync(join(staging, name), content);
  return name;
}

/** Moves Trunk's inline module script into a file of its own. */
function externaliseStart(html) {
  const inline = /<script type="?module"?[^>]*>([\s\S]*?)<\/script>/g;
  const scripts = [...html.matchAll(inline)].filter((script) => script[1].trim());
  if (scripts.length !== 1) {
    throw new Error(`expected one inline script in index.html, found ${scripts.length}`);
  }
  const js = /from\s*['"]([^'"]+\.js)['"]/.exec(scripts[0][1]);
  const wasm = /['"]([^'"]+\.wasm)['"]/.exec(scripts[0][1]);
  if (!js || !wasm) throw new Error("the start script names no module or no wasm file");
  const start = `import init from ${JSON.stringify(js[1])};
init({ module_or_path: ${JSON.stringify(wasm[1])} }).catch((error) => {
  console.error(error);
  const boot = document.getElementById("boot");
  if (boot) boot.textContent = "Nephrocast could not be loaded. Check the connection, then reload the page.";
});
`;
  const name = writeHashed("start", "js", start);
  return html.replace(scripts[0][0], `<script type="module" src="/${name}"></script>`);
}

/** Bundles the charts, if there are any, and names the bundle where the SPA looks for it. */
async function bundleCharts(html) {
  const entry = join(here, "src", "charts", "charts.js");
  if (!existsSync(entry)) return html;
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: release,
    format: "esm",
    target: "es2022",
    legalComments: "linked",
    outfile: join(staging, "charts.js"),
    nodePaths: [join(here, "node_modules")],
    write: false,
  });
  const code = outputFiles.find((file) => file.path.endsWith(".js"));
  const legal = outputFiles.find((file) => file.path.endsWith(".LEGAL.txt"));
  if (legal) writeFileSync(join(staging, "charts.LEGAL.txt"), legal.contents);
  const name = writeHashed("charts", "js", Buffer.from(code.contents));
  return html.replace("</head>", `<meta name="charts" content="/${name}"></head>`);
}

/** Packs the catalogues of the languages, and names them where the SPA looks for them. */
function packCatalogues(html) {
  const folder = join(here, "locales");
  for (const file of readdirSync(folder).filter((name) => extname(name) === ".po").sort()) {
    const language = basename(file, ".po");
    const catalogue = { language, texts: {}, plurals: {}, sentences: [] };
    const entries = Object.values(po.parse(readFileSync(join(folder, file))).translations[""]);
    for (const { msgid, msgid_plural: many, msgstr, comments } of entries) {
      if (!msgid || !msgstr.every(Boolean)) continue;
      // One of something may also stand somewhere by itself.
      catalogue.texts[msgid] = msgstr[0];
      if (many) catalogue.plurals[msgid] = msgstr;
      // What the API says arrives with its gaps filled.
      const ofTheApi = /^\s*(shared|backend)\//m.test(comments?.reference ?? "");
      if (ofTheApi && msgid.includes("{")) catalogue.sentences.push(msgid);
    }
    const name = writeHashed(`catalogue-${language}`, "json", JSON.stringify(catalogue));
    html = html.replace("</head>", `<meta name="catalogue-${language}" content="/${name}"></head>`);
  }
  return html;
}

/** Minifies scripts and styles in place: their names already change with their content. */
async function minify() {
  for (const name of readdirSync(staging)) {
    const loader = { ".js": "js", ".css": "css" }[extname(name)];
    if (!loader || name.startsWith("charts-")) continue;
    const path = join(staging, name);
    const { code } = await transform(readFileSync(path, "utf8"), { loader, minify: true });
    writeFileSync(path, code);
  }
}

/** Brotli at its best: a fifth smaller than gzip, for every browser of today over TLS and loopback. */
function brotli(content) {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
  };
  return brotliCompressSync(content, { params });
}

/** Puts a .br and a .gz beside everything that compresses, and answers each file's smallest size. */
function compress() {
  const compressible = new Set([".html", ".css", ".js", ".wasm", ".svg", ".json", ".txt"]);
  const sizes = new Map();
  for (const name of readdirSync(staging)) {
    const path = join(staging, name);
    if (!statSync(path).isFile() || !compressible.has(extname(name))) continue;
    const content = readFileSync(path);
    const packed = brotli(content);
    writeFileSync(`${path}.br`, packed);
    writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
    sizes.set(name, packed.length);
  }
  return sizes;
}

const html = packCatalogues(
  await bundleCharts(externaliseStart(readFileSync(indexPath, "utf8"))),
);
if (/<script(?![^>]*\ssrc=)/.test(html) || /\sstyle=|<style/.test(html)) {
  throw new Error("index.html still holds an inline script or style: the policy forbids them");
}
writeFileSync(indexPath, html.replace(/<!--[\s\S]*?-->\s*/g, "").replace(/\n\s+/g, "\n"));

if (release) await minify();
const sizes = compress();
const first = [...sizes].filter(([name]) => !/^(charts|catalogue)/.test(name));
const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
for (const [name, size] of [...sizes].sort((a, b) => b[1] - a[1])) {
  console.log(`${kilobytes(size).padStart(10)}  ${name}`);
}
const total = first.reduce((sum, [, size]) => sum + size, 0);
const program = first.map(([name]) => /^(\w+)-[0-9a-f]+_bg\.wasm$/.exec(name)?.[1]).find(Boolean);
console.log(`${kilobytes(total).padStart(10)}  first download of ${program}, compressed, without the charts`);
