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
import { SVGRenderer } from "echarts/renderers";

import { contributions } from "./contributions.js";
import { egfr } from "./egfr.js";
import { look } from "./look.js";
import { risk } from "./risk.js";

use([
  AriaComponent,
  BarChart,
  DataZoomInsideComponent,
  GridComponent,
  LineChart,
  MarkAreaComponent,
  MarkLineComponent,
  ScatterChart,
  SVGRenderer,
  TooltipComponent,
]);

const kinds = { contributions, egfr, risk };

/** Every chart on the page: its element, and how it is drawn again. */
const drawn = new Map();

/** Draws a chart of a kind into an element that has a size, instead of the one it holds. */
export function draw(element, kind, json) {
  dispose(element);
  const data = JSON.parse(json);
  const chart = init(element, null, { renderer: "svg" });
  const redraw = () => {
    const { tooltip, ...option } = kinds[kind](data, look(element), element.clientWidth);
    chart.setOption(
      {
        animation: false,
        aria: { enabled: true, label: { description: data.summary } },
        tooltip: { ...look(element).tooltip, ...tooltip },
        ...option,
      },
      { notMerge: true },
    );
  };
  const sizes = new ResizeObserver(() => {
    if (element.clientWidth === 0 || element.clientWidth === chart.getWidth()) return;
    chart.resize();
    redraw();
  });
  sizes.observe(element);
  redraw();
  drawn.set(element, { chart, redraw, sizes });
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
globalThis.nephrocastCharts = { draw, dispose };
