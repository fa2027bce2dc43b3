// What moves the network's risk, as signed bars, strongest on top.

/** The options of the contributions chart. */
export function contributions(data, look, width) {
  const narrow = width < 480;
  return {
    grid: { left: 4, right: 8, top: 4, bottom: 4, outerBoundsMode: "same" },
    tooltip: {
      trigger: "axis",
      axisPointer: { type: "none" },
      formatter: ([bar]) => (bar ? data.bars[bar.dataIndex].tip : ""),
    },
    xAxis: {
      type: "value",
      min: -data.reach,
      max: data.reach,
      ...look.axis,
      axisLabel: { show: false },
      splitLine: { show: false },
    },
    yAxis: {
      type: "category",
      inverse: true,
      data: data.bars.map((bar) => bar.name),
      ...look.axis,
      axisLine: { show: false },
      axisLabel: {
        ...look.type,
        color: look.text,
        lineHeight: 14,
        width: narrow ? 104 : 190,
        overflow: "break",
        interval: 0,
      },
    },
    series: [
      {
        type: "bar",
        barWidth: "62%",
        data: data.bars.map(({ effect, label }) => ({
          value: effect,
          itemStyle: {
            color: effect < 0 ? look.down : look.up,
            borderRadius: effect < 0 ? [3, 0, 0, 3] : [0, 3, 3, 0],
          },
          label: {
            show: true,
            formatter: label,
            position: effect < 0 ? "left" : "right",
            fontFamily: look.fontFamily,
            fontSize: 12,
            color: look.text,
          },
        })),
        markLine: {
          silent: true,
          symbol: "none",
          label: { show: false },
          lineStyle: { color: look.muted, type: "solid", width: 1 },
          data: [{ xAxis: 0 }],
        },
      },
    ],
  };
}
