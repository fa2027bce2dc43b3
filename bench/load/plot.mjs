// Draws how waiting grows with the patients, from load.mjs's figures: node plot.mjs <latency.csv >latency.svg

import { readFileSync } from "node:fs";

const rows = readFileSync(0, "utf8").trim().split("\n").slice(1).map((line) => {
  const [patients, what, rate, p50, p99] = line.split(",");
  return { patients: Number(patients), what, rate: Number(rate), p50: Number(p50), p99: Number(p99) };
});
const sizes = [...new Set(rows.map(({ patients }) => patients))].toSorted((a, b) => a - b);
const kinds = [...new Set(rows.map(({ what }) => what))];
const BAR_MS = 25;
const [LEFT, TOP, WIDTH, HEIGHT] = [56, 56, 460, 260];

const logarithms = (numbers) => numbers.map(Math.log10);
const [low, high] = [Math.floor(Math.min(...logarithms(rows.map(({ p50 }) => p50)))), Math.ceil(Math.max(...logarithms([BAR_MS, ...rows.map(({ p99 }) => p99)])))];
const [first, last] = [Math.log10(sizes[0]), Math.log10(sizes.at(-1))];
const x = (patients) => LEFT + (last === first ? 0.5 : (Math.log10(patients) - first) / (last - first)) * WIDTH;
const y = (ms) => TOP + (1 - (Math.log10(ms) - low) / (high - low)) * HEIGHT;
const at = (number) => number.toFixed(1);

const grid = Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step)).map((ms) =>
  `<line class="grid" x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${at(y(ms))}" y2="${at(y(ms))}"/>` +
  `<text class="end" x="${LEFT - 8}" y="${at(y(ms) + 4)}">${ms}</text>`);
const ticks = sizes.map((patients) =>
  `<text class="middle" x="${at(x(patients))}" y="${TOP + HEIGHT + 20}">${patients.toLocaleString("en")}</text>`);
// Ends that would lie on one another are moved apart.
const labels = kinds.flatMap((what, place) => ["p50", "p99"].map((which) => {
  const row = rows.findLast((one) => one.what === what && one.patients === sizes.at(-1));
  return { text: `${what}, ${which === "p50" ? "median" : "99th"}: ${row[which]} ms`, place, y: y(row[which]) + 4 };
})).toSorted((a, b) => a.y - b.y);
labels.forEach((label, index) => { if (index) label.y = Math.max(label.y, labels[index - 1].y + 15); });
const lines = kinds.flatMap((what, place) => ["p50", "p99"].map((which) => {
  const own = rows.filter((row) => row.what === what).toSorted((a, b) => a.patients - b.patients);
  const points = own.map((row) => `${at(x(row.patients))},${at(y(row[which]))}`);
  return `<polyline class="k${place} ${which}" points="${points.join(" ")}"/>` +
    points.map((point) => `<circle class="k${place}" cx="${point.split(",")[0]}" cy="${point.split(",")[1]}" r="3"/>`).join("");
}));

console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 370" role="img" aria-labelledby="title">
<title id="title">Milliseconds until an answer at half the saturating load, by the number of patients</title>
<style>
svg { --ink: #17212b; --faint: #d8e0e6; --k0: #0b6570; --k1: #a04a00; --k2: #5a3fb0; --bar: #b3261e; background: #fff; }
@media (prefers-color-scheme: dark) { svg { --ink: #e4ecf1; --faint: #2a3843; --k0: #63c7d0; --k1: #f2a65a; --k2: #b6a4f5; --bar: #ff8f87; background: #151e25; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.heading { font-size: 14px; font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--faint); } .bar { stroke: var(--bar); stroke-dasharray: 2 3; }
polyline { fill: none; stroke-width: 2; } .p99 { stroke-dasharray: 7 4; }
${kinds.map((_, place) => `polyline.k${place} { stroke: var(--k${place}); } circle.k${place}, text.k${place} { fill: var(--k${place}); }`).join("\n")}
</style>
<text class="heading" x="16" y="24">Milliseconds until an answer, at half the saturating load</text>
<text x="16" y="42">Both axes are logarithmic; dashed: 99th percentile; dotted: its bar, ${BAR_MS} ms.</text>
${grid.join("\n")}
<line class="bar" x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${at(y(BAR_MS))}" y2="${at(y(BAR_MS))}"/>
${ticks.join("\n")}
<text class="middle" x="${LEFT + WIDTH / 2}" y="${TOP + HEIGHT + 42}">patients</text>
${lines.join("\n")}
${labels.map(({ text, place, y: height }) => `<text class="k${place}" x="${LEFT + WIDTH + 10}" y="${at(height)}">${text}</text>`).join("\n")}
</svg>`);
