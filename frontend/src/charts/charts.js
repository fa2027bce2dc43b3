// Draws the charts. What is drawn, every number and every sentence come from Rust as JSON: here
// they only get their place and their colours. Loaded once, by the first page that has a chart.

import { BarChart, LineChart, ScatterChart } from "echarts/charts";
import {
  AriaComponent,
  DataZoomInsideComponent,
  GridComponent,
  MarkAreaComponent,
  MarkLineComponent,
  TooltipComponent,
} from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

import { contributions } from "./contributions.js";
import { course, courseHeight } from "./course.js";
import { locale, look } from "./look.js";
import { risk } from "./risk.js";

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  DataZoomInsideComponent,
  GridComponent,
  LineChart,
  MarkAreaComponent,
  MarkLineComponent,
  ScatterChart,
  SVGRenderer,
  TooltipComponent,
]);

const kinds = { contributions, course, risk };
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
  const redraw = () => chart.setOption(options(), { notMerge: true });
  const sizes = new ResizeObserver(() => {
    if (element.clientWidth === 0 || element.clientWidth === chart.getWidth()) return;
    fit();
    chart.resize();
    redraw();
  });
  sizes.observe(element);
  redraw();
  drawn.set(element, { chart, redraw, sizes, options });
}

/** Saves a chart as a picture, in the colours that it has on the page. */
export function save(element, format, name) {
  const there = drawn.get(element);
  if (!there) return;
  const { clientWidth: width, clientHeight: height } = element;
  const renderer = format === "svg" ? "svg" : "canvas";
  const copy = init(document.createElement("div"), null, { renderer, width, height, locale: names() });
  copy.setOption({ ...there.options(), backgroundColor: look(element).surface });
  if (format === "svg") {
    download(new Blob([copy.renderToSVGString()], { type: "image/svg+xml" }), name);
  } else {
    copy.renderToCanvas({ pixelRatio: 2 }).toBlob((blob) => download(blob, name), "image/png");
  }
  copy.dispose();
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
globalThis.nephrocastCharts = { draw, dispose, save };
