// Colours and type as the page has them at this moment: the style sheets own them.

/** The locale of the page's language, as `format.rs` has it: the browser's own kind of English. */
export function locale() {
  const { lang } = document.documentElement;
  return navigator.languages.find((name) => name.split("-")[0] === lang) ?? lang;
}

/** The look of whatever is drawn into an element. */
export function look(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const text = colour("text");
  const muted = colour("text-muted");
  const border = colour("border");
  const surface = colour("surface");
  const fontFamily = style.fontFamily;
  const type = { fontFamily, fontSize: 12, color: muted };
  return {
    text,
    muted,
    border,
    surface,
    fontFamily,
    type,
    first: colour("chart-1"),
    second: colour("chart-2"),
    third: colour("chart-3"),
    /** The colour of one of several lines or bars. */
    of: (number) => colour(`chart-${1 + number}`),
    up: colour("chart-up"),
    down: colour("chart-down"),
    kdigo: (risk) => colour(`kdigo-${risk}`),
    axis: {
      axisLine: { lineStyle: { color: border } },
      axisTick: { show: false },
      axisLabel: { ...type },
      nameTextStyle: { ...type },
      splitLine: { lineStyle: { color: border } },
    },
    // Drawn into the picture: an HTML tooltip would carry inline styles.
    tooltip: {
      renderMode: "richText",
      confine: true,
      backgroundColor: surface,
      borderColor: border,
      borderWidth: 1,
      padding: [8, 12],
      textStyle: { fontFamily, fontSize: 13, lineHeight: 19, color: text },
    },
  };
}
