// eGFR over time on the KDIGO bands.

/** One symbol for each way a value came to be, so that no colour has to tell them apart. */
const symbols = { computed: "circle", reported: "diamond" };

/** The options of the eGFR chart. */
export function egfr(data, look, width) {
  const narrow = width < 480;
  return {
    grid: { left: 8, right: 40, top: 16, bottom: 8, outerBoundsMode: "same" },
    tooltip: { trigger: "item", formatter: ({ data: point }) => point.tip.join("\n") },
    dataZoom: [{ type: "inside", filterMode: "none", zoomOnMouseWheel: "ctrl" }],
    xAxis: {
      type: "time",
      min: data.from,
      max: data.to,
      ...look.axis,
      splitLine: { show: false },
      axisLabel: { ...look.type, hideOverlap: true },
      splitNumber: narrow ? 3 : 6,
    },
    yAxis: {
      type: "value",
      min: 0,
      max: data.top,
      ...look.axis,
      splitLine: { show: false },
      axisLine: { show: false },
      axisLabel: { ...look.type, customValues: data.ticks },
    },
    series: [bands(data, look), course(data, look), ...points(data, look)],
  };
}

/** Nothing but the grounds, so that they lie under everything. */
function bands(data, look) {
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
      data: data.bands.map(({ name, risk, from, to }) => [
        { name, yAxis: from, itemStyle: { color: look.kdigo(risk), opacity: 0.75 } },
        { yAxis: to },
      ]),
    },
  };
}

/** The line through the values that count: one for each moment. */
function course(data, look) {
  return {
    type: "line",
    data: data.course,
    symbol: "none",
    silent: true,
    lineStyle: { color: look.first, width: 2 },
    tooltip: { show: false },
  };
}

function points(data, look) {
  return Object.entries(symbols).map(([method, symbol]) => ({
    type: "scatter",
    symbol,
    symbolSize: method === "computed" ? 9 : 12,
    data: data.points
      .filter((point) => point.method === method)
      .map(({ at, value, tip }) => ({ value: [at, value], tip })),
    itemStyle:
      method === "computed"
        ? { color: look.first, borderColor: look.surface, borderWidth: 1.5 }
        : { color: look.surface, borderColor: look.second, borderWidth: 2 },
    emphasis: { scale: 1.4 },
    z: 4,
  }));
}
