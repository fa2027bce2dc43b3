// Lines: over the years, over time, or of what was seen over what was expected.

import { bands, line } from "./course.js";
import { locale } from "./look.js";

/** Told apart by more than their colour. */
const dashes = ["solid", "dashed", "dotted", [10, 3, 2, 3]];
const symbols = ["circle", "diamond", "triangle", "rect"];

/** A legend for a saved picture, of several lines only; on the page it stands above, as text. */
export function legend(names, look) {
  if (names.length < 2) return {};
  return { legend: { show: false, top: 0, left: 0, data: names, textStyle: look.type, itemGap: 14 } };
}

/** How an axis writes its numbers; shares come as percentages. */
export function writes(axis) {
  const number = new Intl.NumberFormat(locale(), { notation: "compact", maximumFractionDigits: 2 });
  return (value) => (axis.percent ? `${number.format(value)}\u00a0%` : number.format(value));
}

/** The options of a chart of lines. */
export function lines(data, look, width) {
  const isNamed = data.x.kind === "category";
  return {
    ...legend(data.lines.map(({ name }) => name), look),
    grid: { left: 8, right: data.bands.length ? 40 : 20, top: 34, bottom: 8, outerBoundsMode: "same" },
    tooltip: {
      trigger: data.x.kind === "value" ? "item" : "axis",
      axisPointer: { type: "line", lineStyle: { color: look.muted, type: "dashed" } },
      formatter: (found) => tip(data, [found].flat().filter(({ data: point }) => point?.tip)),
    },
    dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl" }],
    xAxis: {
      type: data.x.kind,
      data: isNamed ? data.x.names : undefined,
      min: isNamed ? undefined : data.x.from,
      max: isNamed ? undefined : data.x.to,
      boundaryGap: false,
      ...look.axis,
      splitLine: { show: false },
      splitNumber: width < 480 ? 3 : 6,
      axisLabel: {
        ...look.type,
        hideOverlap: true,
        ...(data.x.kind === "value" ? { formatter: writes(data.x) } : {}),
      },
    },
    yAxis: {
      type: "value",
      min: 0,
      max: data.y.to,
      name: data.y.name,
      ...look.axis,
      nameTextStyle: { ...look.type, align: "left", padding: [0, 0, 0, -28] },
      axisLine: { show: false },
      splitLine: data.bands.length ? { show: false } : look.axis.splitLine,
      axisLabel: {
        ...look.type,
        formatter: writes(data.y),
        ...(data.y.ticks.length ? { customValues: data.y.ticks } : {}),
      },
    },
    series: [
      ...(data.bands.length ? [bands(data, look)] : []),
      ...(data.diagonal ? [line([[0, 0], [data.x.to, data.y.to]], look.muted, "solid")] : []),
      ...data.lines.map((one, number) => series(one, number, look)),
    ],
  };
}

/** What hovering says: the place, where the axis has names, and a line for each value there. */
function tip(data, found) {
  if (!found.length) return "";
  const place = data.x.kind === "category" ? [data.x.names[found[0].dataIndex]] : [];
  return [...place, ...found.flatMap(({ data: point }) => point.tip)].join("\n");
}

function series({ name, points }, number, look) {
  const color = look.of(number);
  return {
    type: "line",
    name,
    data: points.map(({ x, y, tip }) => ({ value: [x, y], tip: y === null ? undefined : tip })),
    symbol: symbols[number % symbols.length],
    symbolSize: 8,
    showAllSymbol: true,
    lineStyle: { color, width: 2, type: dashes[number % dashes.length] },
    itemStyle: { color, borderColor: look.surface, borderWidth: 1 },
    emphasis: { scale: 1.4 },
    z: 4,
  };
}
