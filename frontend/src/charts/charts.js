// Draws the charts. What is drawn, every number and every sentence come from Rust as JSON: here
// they only get their place and their colours. Loaded once, by the first page that has a chart.

import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import {
  AriaComponent,
  DataZoomInsideComponent,
  GridComponent,
  LegendComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

import { bars } from "./bars.js";
import { contributions } from "./contributions.js";
import { course, courseHeight } from "./course.js";
import { lines } from "./lines.js";
import { locale, look } from "./look.js";
import { risk } from "./risk.js";

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  DataZoomInsideComponent,
  GridComponent,
  LegendComponent,
  LineChart,
  MarkAreaComponent,
  MarkLineComponent,
  ScatterChart,
  SVGRenderer,
  TooltipComponent,
]);

const kinds = { bars, contributions, course, lines, risk };
/** Kinds whose height follows from what they show. */
const heights = { course: courseHeight };

/** The names of the months for the axis of time, in the page's language; the library knows English. */
function names() {
  if (locale().startsWith("en")) return "EN";
  const months = (month) => {
    const format = new Intl.DateTimeFormat(locale(), { month, timeZone: "UTC" });
    return Array.from({ length: 12 }, (_, index) => format.format(Date.UTC(2024, index, 1)));
  };
  return { time: { month: months("long"), monthAbbr: months("short") } };
}

/** Every chart on the page: its element, and how it is drawn again. */
const drawn = new Map();

/** Draws a chart of a kind into an element that has a size, instead of the one it holds. */
export function draw(element, kind, json) {
  dispose(element);
  const data = JSON.parse(json);
  const fit = () => {
    if (heights[kind]) element.style.height = `${heights[kind](data, element.clientWidth)}px`;
  };
  const options = () => {
    const { tooltip, ...option } = kinds[kind](data, look(element), element.clientWidth);
    return {
      animation: false,
      aria: { enabled: true, label: { description: data.summary } },
      tooltip: { ...look(element).tooltip, ...tooltip },
      ...option,
    };
  };
  fit();
  const chart = init(element, null, { renderer: "svg", locale: names() });
  const redraw = () => {
    const seen = shown(chart);
    chart.setOption(options(), { notMerge: true });
    if (seen) chart.dispatchAction({ type: "dataZoom", ...seen });
  };
  const sizes = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = element;
    if (width === 0 || (width === chart.getWidth() && height === chart.getHeight())) return;
    fit();
    chart.resize();
    redraw();
  });
  sizes.observe(element);
  redraw();
  drawn.set(element, { chart, redraw, sizes, options });
}

/** Which part of its axis a chart shows, in percent; nothing where there is no looking closer. */
function shown(chart) {
  const [zoom] = chart.getOption()?.dataZoom ?? [];
  return zoom && { start: zoom.start, end: zoom.end };
}

/** Looks twice as close at the middle of what a chart shows, or half as close. */
function zoom(chart, factor) {
  const { start, end } = shown(chart);
  const half = Math.min(((end - start) / 2) * factor, 50);
  const middle = Math.min(Math.max((start + end) / 2, half), 100 - half);
  chart.dispatchAction({ type: "dataZoom", start: middle - half, end: middle + half });
}

/** Gives a chart the whole screen with its caption and its table, or takes it back. */
function fill(element) {
  if (document.fullscreenElement) document.exitFullscreen();
  else element.closest("figure").requestFullscreen();
}

/** Saves a chart as a picture, in the colours that it has on the page. */
function save(element, { options }, format, name) {
  const { clientWidth: width, clientHeight: height } = element;
  const renderer = format === "svg" ? "svg" : "canvas";
  const copy = init(document.createElement("div"), null, { renderer, width, height, locale: names() });
  const { legend, ...option } = options();
  copy.setOption({ ...option, backgroundColor: look(element).surface });
  // On the page the legend stands above the drawing, as text: a picture needs its own, and room for it.
  if (legend) copy.setOption({ legend: { ...legend, show: true }, grid: { top: option.grid.top + 22 } });
  const file = `${name}.${format}`;
  if (format === "svg") {
    download(new Blob([copy.renderToSVGString()], { type: "image/svg+xml" }), file);
  } else {
    copy.renderToCanvas({ pixelRatio: 2 }).toBlob((blob) => download(blob, file), "image/png");
  }
  copy.dispose();
}

/** Does what a chart's button says. */
export function act(element, what, name) {
  const there = drawn.get(element);
  if (!there) return;
  if (what === "in") zoom(there.chart, 0.5);
  else if (what === "out") zoom(there.chart, 2);
  else if (what === "full") fill(element);
  else save(element, there, what, name);
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Takes a chart away; nothing happens if there is none. */
export function dispose(element) {
  const there = drawn.get(element);
  if (!there) return;
  there.sizes.disconnect();
  there.chart.dispose();
  drawn.delete(element);
}

function redrawAll() {
  for (const { chart, redraw } of drawn.values()) {
    chart.resize();
    redraw();
  }
}

// Light and dark: chosen on the page, by the system, or by the printer, which is always light.
new MutationObserver(redrawAll).observe(document.documentElement, {
  attributeFilter: ["data-theme"],
});
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", redrawAll);
}

// The way in for the WebAssembly module, which cannot import by an address known only at run time.
globalThis.nephrocastCharts = { act, draw, dispose };
