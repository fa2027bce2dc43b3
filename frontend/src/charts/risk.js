// The risk of kidney failure over five years: the network's course and the equation's two points.

import { locale } from "./look.js";

/** The options of the risk chart. */
export function risk(data, look) {
  const number = new Intl.NumberFormat(locale());
  const percent = (value) => `${number.format(value)}\u00a0%`;
  return {
    grid: { left: 8, right: 26, top: 28, bottom: 8, outerBoundsMode: "same" },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "line", lineStyle: { color: look.muted, type: "dashed" } },
      formatter: ([first]) => (first ? data.tips[first.dataIndex].join("\n") : ""),
    },
    xAxis: {
      type: "category",
      data: data.years,
      boundaryGap: false,
      ...look.axis,
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      min: 0,
      max: data.top,
      ...look.axis,
      axisLine: { show: false },
      axisLabel: { ...look.type, formatter: percent },
    },
    series: [...band(data, look), network(data, look), equation(data, look)],
  };
}

/** The interval: what is between its ends, stacked on what is under them. */
function band(data, look) {
  const edge = { type: "line", stack: "interval", symbol: "none", silent: true };
  return [
    { ...edge, data: data.lower, lineStyle: { opacity: 0 } },
    {
      ...edge,
      data: data.upper.map((upper, index) => upper - data.lower[index]),
      lineStyle: { opacity: 0 },
      areaStyle: { color: look.first, opacity: 0.16 },
    },
  ];
}

function network(data, look) {
  return {
    type: "line",
    data: data.network,
    symbol: "circle",
    symbolSize: 7,
    lineStyle: { color: look.first, width: 2.5 },
    itemStyle: { color: look.first },
    z: 4,
  };
}

function equation(data, look) {
  return {
    type: "scatter",
    symbol: "diamond",
    symbolSize: 15,
    data: data.kfre.map(({ year, percent, label, above }) => ({
      value: [data.years[year], percent],
      label: {
        show: true,
        formatter: label,
        // Away from the network's course; at the edge, towards the middle.
        position: above ? "top" : "bottom",
        align: year === 5 ? "right" : "center",
        offset: year === 5 ? [10, 0] : [0, 0],
        distance: 9,
        fontFamily: look.fontFamily,
        fontSize: 12,
        fontWeight: 600,
        color: look.second,
        textBorderColor: look.surface,
        textBorderWidth: 3,
      },
    })),
    itemStyle: { color: look.second, borderColor: look.surface, borderWidth: 1.5 },
    z: 6,
  };
}
