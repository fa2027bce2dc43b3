// A patient's course: eGFR on the KDIGO bands with its trend, what happened, and strips for the other
// values, all on one axis of time.

import { locale } from "./look.js";

/** One symbol for each way a value came to be, so that no colour has to tell them apart. */
const symbols = { computed: "circle", reported: "diamond", acute: "triangle" };

/** Heights and distances, in pixels. */
const EVENTS = 26;
const STRIP = 74;
const BETWEEN = 34;
const TIME = 24;
/** A therapy's row: its name, and the bar under it. */
const THERAPY = 24;

/** 10,000 takes more room than there is. */
const short = new Intl.NumberFormat(locale(), { notation: "compact" });

const egfrHeight = (width) => (width < 480 ? 220 : 300);
const eventsHeight = (data) => (data.events.length ? EVENTS : 0);

const therapyRows = (data) => Math.max(0, ...data.therapies.map(({ row }) => row + 1));
const therapiesHeight = (data) => (data.therapies.length ? BETWEEN + therapyRows(data) * THERAPY : 0);

/** How high the drawing is. */
export function courseHeight(data, width) {
  const strips = data.panels.length * (STRIP + BETWEEN) + therapiesHeight(data);
  return 12 + eventsHeight(data) + egfrHeight(width) + strips + TIME + 8;
}

/** The options of the course. */
export function course(data, look, width) {
  const narrow = width < 480;
  // The strips must not be moved by their labels: they share one axis of time.
  const sides = { left: 46, right: 40, outerBoundsMode: "none" };
  const grids = [{ ...sides, top: 12 + eventsHeight(data), height: egfrHeight(width) }];
  let top = grids[0].top + grids[0].height + BETWEEN;
  for (const _ of data.panels) {
    grids.push({ ...sides, top, height: STRIP });
    top += STRIP + BETWEEN;
  }
  if (data.therapies.length) grids.push({ ...sides, top, height: therapyRows(data) * THERAPY });
  const last = grids.length - 1;
  const every = grids.map((_, index) => index);
  return {
    grid: grids,
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    tooltip: { trigger: "item", formatter: ({ data: point }) => point.tip.join("\n") },
    dataZoom: [{ type: "inside", xAxisIndex: every, filterMode: "none", zoomOnMouseWheel: "ctrl" }],
    xAxis: every.map((index) => ({
      type: "time",
      gridIndex: index,
      min: data.from,
      max: data.to,
      ...look.axis,
      axisLabel: { ...look.type, hideOverlap: true, show: index === last },
      axisPointer: {
        show: true,
        type: "line",
        snap: false,
        label: { show: false },
        triggerTooltip: false,
        lineStyle: { color: look.muted, type: "dashed" },
      },
      splitNumber: narrow ? 3 : 6,
    })),
    yAxis: [
      {
        type: "value",
        min: 0,
        max: data.egfr.top,
        ...look.axis,
        splitLine: { show: false },
        axisLine: { show: false },
        axisLabel: { ...look.type, customValues: data.egfr.ticks },
      },
      ...data.panels.map((panel, index) => stripAxis(panel, index + 1, look)),
      ...(data.therapies.length
        ? [{ type: "value", gridIndex: last, min: 0, max: therapyRows(data), inverse: true, show: false }]
        : []),
    ],
    series: [
      bands(data.egfr, look),
      ...projected(data.egfr, look),
      line(data.egfr.line, look.third, "dashed"),
      line(data.egfr.course, look.first, "solid"),
      ...points(data.egfr, look),
      ...happened(data, look),
      ...data.panels.flatMap((panel, index) => strip(panel, index + 1, look)),
      ...data.therapies.map((bar) => therapy(bar, data, last, look)),
    ],
  };
}

/** Nothing but the grounds, so that they lie under everything. */
export function bands(egfr, look) {
  return {
    type: "line",
    data: [],
    silent: true,
    markArea: {
      silent: true,
      label: {
        position: "right",
        distance: 8,
        fontFamily: look.fontFamily,
        fontSize: 11,
        fontWeight: 600,
        color: look.muted,
      },
      data: egfr.bands.map(({ name, risk, from, to }) => [
        { name, yAxis: from, itemStyle: { color: look.kdigo(risk), opacity: 0.75 } },
        { yAxis: to },
      ]),
    },
  };
}

export function line(data, color, type) {
  return {
    type: "line",
    data,
    symbol: "none",
    silent: true,
    lineStyle: { color, width: 2, type },
    tooltip: { show: false },
    z: 3,
  };
}

/** The line goes on, between ends that drift apart: no date can be read from it. */
function projected(egfr, look) {
  if (egfr.projected.length < 2) return [];
  const edge = { type: "line", stack: "projected", symbol: "none", silent: true, lineStyle: { opacity: 0 } };
  return [
    { ...edge, data: egfr.projected.map(([at, , lower]) => [at, lower]) },
    {
      ...edge,
      data: egfr.projected.map(([at, , lower, upper]) => [at, upper - lower]),
      areaStyle: { color: look.third, opacity: 0.22 },
    },
    line(egfr.projected.map(([at, value]) => [at, value]), look.third, "dashed"),
  ];
}

function points(egfr, look) {
  return Object.entries(symbols).map(([kind, symbol]) => ({
    type: "scatter",
    symbol,
    symbolSize: kind === "computed" ? 9 : 12,
    data: egfr.points
      .filter((point) => point.kind === kind)
      .map(({ at, value, tip }) => ({ value: [at, value], tip })),
    itemStyle:
      kind === "computed"
        ? { color: look.first, borderColor: look.surface, borderWidth: 1.5 }
        : { color: look.surface, borderColor: kind === "acute" ? look.up : look.second, borderWidth: 2 },
    emphasis: { scale: 1.4 },
    z: 4,
  }));
}

/** What happened: a mark above the eGFR values and a thin line through them. */
function happened(data, look) {
  if (!data.events.length) return [];
  return [
    {
      type: "scatter",
      symbol: "pin",
      symbolSize: 20,
      symbolOffset: [0, -4],
      clip: false,
      data: data.events
        .filter(({ at }) => data.from <= at && at <= data.to)
        .map(({ at, tip }) => ({ value: [at, data.egfr.top], tip })),
      itemStyle: { color: look.muted, borderColor: look.surface, borderWidth: 1 },
      emphasis: { scale: 1.3 },
      markLine: {
        silent: true,
        symbol: "none",
        label: { show: false },
        lineStyle: { color: look.muted, type: "dotted", width: 1 },
        data: data.events.map(({ at }) => ({ xAxis: at })),
      },
      z: 5,
    },
  ];
}

function stripAxis(panel, index, look) {
  return {
    type: panel.logarithmic ? "log" : "value",
    gridIndex: index,
    name: panel.name,
    nameLocation: "end",
    nameGap: 8,
    scale: !panel.from_zero,
    splitNumber: 2,
    ...look.axis,
    nameTextStyle: { ...look.type, color: look.text, align: "left", padding: [0, 0, 0, -38] },
    axisLine: { show: false },
    axisLabel: { ...look.type, fontSize: 11, hideOverlap: true, formatter: (value) => short.format(value) },
  };
}

/** A strip: each kind of value as a line with its symbols. */
function strip(panel, index, look) {
  const axes = { xAxisIndex: index, yAxisIndex: index };
  const voices = [
    { color: look.first, symbol: "circle", symbolSize: 6 },
    { color: look.second, symbol: "diamond", symbolSize: 9 },
  ];
  return panel.lines.map((one, voice) => {
    const { color, symbol, symbolSize } = voices[voice];
    return {
      type: "line",
      ...axes,
      data: one.points.map(({ at, value, tip }) => ({ value: [at, value], tip })),
      symbol,
      symbolSize,
      showAllSymbol: true,
      lineStyle: { color, width: 1.5 },
      itemStyle: { color, borderColor: look.surface, borderWidth: 1 },
      emphasis: { scale: 1.6 },
      ...(voice === 0 && panel.guides.length ? { markLine: guides(panel, look) } : {}),
    };
  });
}

/** A course of a drug, with the name of its row over the first. */
function therapy({ row, from, to, name, tip }, data, index, look) {
  // A name that begins late would not fit before the edge.
  const isLate = data.from + 0.6 * (data.to - data.from) < from;
  const ends = [from, to].map((at) => ({ value: [at, row + 0.75], tip }));
  const label = { ...look.type, show: true, formatter: name, position: "top", align: isLate ? "right" : "left" };
  return {
    type: "line",
    xAxisIndex: index,
    yAxisIndex: index,
    data: name ? [{ ...ends[0], label }, ends[1]] : ends,
    symbol: "roundRect",
    symbolSize: 8,
    showAllSymbol: true,
    lineStyle: { color: look.third, width: 8 },
    itemStyle: { color: look.third },
    emphasis: { scale: 1.4 },
  };
}

function guides(panel, look) {
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: look.muted, type: "dotted", width: 1 },
    label: { fontFamily: look.fontFamily, fontSize: 11, fontWeight: 600, color: look.muted, formatter: "{b}" },
    data: panel.guides.map(({ at, name }) => ({ yAxis: at, name })),
  };
}
