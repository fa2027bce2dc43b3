// Bars: how many there are of each kind, of one sort or two beside one another.

import { legend, writes } from "./lines.js";

/** The options of a chart of bars. */
export function bars(data, look, width) {
  // Beside one another, numbers above narrow bars would cover each other.
  const isWide = 44 * data.names.length * data.series.length < width;
  return {
    ...legend(data.series.map(({ name }) => name), look),
    grid: { left: 8, right: 8, top: 34, bottom: 8, outerBoundsMode: "same" },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "shadow" },
      formatter: (found) => [
        data.names[found[0].dataIndex],
        ...found.map(({ seriesIndex, dataIndex }) => data.series[seriesIndex].bars[dataIndex].tip),
      ].join("\n"),
    },
    xAxis: {
      type: "category",
      data: data.names,
      ...look.axis,
      axisLabel: { ...look.type, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      name: data.unit,
      minInterval: 1,
      ...look.axis,
      nameTextStyle: { ...look.type, align: "left", padding: [0, 0, 0, -28] },
      axisLine: { show: false },
      axisLabel: { ...look.type, formatter: writes({}) },
    },
    series: data.series.map((one, number) => series(one, number, look, isWide)),
  };
}

/** The second sort is hollow, so that no colour has to tell it from the first. */
function series({ name, bars }, number, look, isWide) {
  const color = look.of(number);
  return {
    type: "bar",
    name,
    barMaxWidth: 44,
    data: bars.map(({ value, label }) => ({
      value,
      label: { ...look.type, show: isWide, position: "top", formatter: label, color: look.text },
    })),
    itemStyle: number
      ? { color: look.surface, borderColor: color, borderWidth: 2, borderRadius: [3, 3, 0, 0] }
      : { color, borderRadius: [3, 3, 0, 0] },
  };
}
