// Draws the charts of a page with ECharts from the JSON beside each, in the colours of the theme; again when either changes.

const drawn = new Map();
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);
const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// ECharts reads rgb() only; the tokens are oklch() and differ by theme, so the browser is asked for the pixel.
function colour(token, alpha = 1) {
  probe.style.color = `var(--f-${token})`;
  pixel.clearRect(0, 0, 1, 1);
  pixel.fillStyle = getComputedStyle(probe).color;
  pixel.fillRect(0, 0, 1, 1);
  const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
  return `rgba(${red},${green},${blue},${alpha})`;
}

const tokens = { moving: "accent", delivered: "delivered", neutral: "control-line", parked: "parked-fill", dead: "dead" };
const dashes = { moving: "solid", delivered: "solid", neutral: [6, 3], parked: [4, 4], dead: [2, 3] };

function row(name, value, role) {
  const line = document.createElement("div");
  line.className = "f-chart-tip-row";
  line.dataset.role = role;
  const label = document.createElement("span");
  label.textContent = name;
  const figure = document.createElement("b");
  figure.textContent = value;
  line.append(label, figure);
  return line;
}

function tip(chart) {
  return (points) => {
    const box = document.createElement("div");
    box.className = "f-chart-tip";
    const title = document.createElement("strong");
    title.textContent = points[0].axisValueLabel;
    box.append(title);
    const unit = chart.unit ? ` ${chart.unit}` : "";
    for (const point of points) {
      const value = point.value == null ? "–" : Number(point.value).toLocaleString("en") + unit;
      box.append(row(point.seriesName, value, chart.series[point.seriesIndex].role));
    }
    if (chart.limit) box.append(row(chart.limit.label, chart.limit.value.toLocaleString("en") + unit, "limit"));
    return box;
  };
}

function oneSeries(series) {
  const ink = colour(tokens[series.role]);
  const shared = {
    name: series.name,
    data: series.values,
    stack: series.stacked ? "all" : undefined,
    emphasis: { disabled: true },
  };
  if (series.form === "bar") {
    return { ...shared, type: "bar", barMaxWidth: 18, itemStyle: { color: ink, borderRadius: [2, 2, 0, 0] } };
  }
  const filled = series.role === "moving" || series.stacked;
  return {
    ...shared,
    type: "line",
    symbol: "none",
    itemStyle: { color: ink },
    lineStyle: { width: 2, type: dashes[series.role], color: ink },
    areaStyle: filled ? { color: colour(tokens[series.role], 0.1) } : undefined,
  };
}

function limitLine(limit) {
  return {
    type: "line",
    data: [],
    tooltip: { show: false },
    markLine: {
      silent: true,
      symbol: "none",
      lineStyle: { color: colour("ink"), type: [2, 4], width: 1.5 },
      label: { formatter: limit.label, position: "insideEndTop", color: colour("quiet"), fontSize: 12 },
      data: [{ yAxis: limit.drawnAt }],
    },
  };
}

// The next round number, so that the topmost label does not crowd the one below it.
function ceiling(value) {
  const step = 10 ** Math.floor(Math.log10(Math.max(value, 10)));
  return Math.ceil(value / step) * step;
}

function axes(chart, text, hasBars) {
  const line = { lineStyle: { color: colour("line-strong") } };
  return {
    xAxis: {
      type: "category",
      data: chart.labels,
      boundaryGap: hasBars,
      axisLabel: { ...text, hideOverlap: true },
      axisLine: line,
      axisTick: { show: false },
    },
    yAxis: {
      type: "value",
      max: chart.limit ? (range) => ceiling(Math.max(range.max, chart.limit.drawnAt)) : undefined,
      axisLabel: { ...text, formatter: (value) => value.toLocaleString("en", { notation: "compact" }).replace("K", "k") },
      splitLine: { lineStyle: { color: colour("line") } },
    },
  };
}

function tooltip(chart, hasBars) {
  const pointer = {
    type: hasBars ? "shadow" : "line",
    lineStyle: { color: colour("line-strong"), type: "solid" },
    shadowStyle: { color: colour("line-strong", 0.2) },
  };
  const bare = { padding: 0, borderWidth: 0, backgroundColor: "transparent", extraCssText: "box-shadow:none" };
  return { trigger: "axis", formatter: tip(chart), confine: true, transitionDuration: 0, axisPointer: pointer, ...bare };
}

function options(chart) {
  const text = { color: colour("quiet"), fontSize: 12 };
  const hasBars = chart.series.some((series) => series.form === "bar");
  const limit = chart.limit ? [limitLine(chart.limit)] : [];
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 6, right: 12, top: 34, bottom: 4, containLabel: true },
    legend: {
      left: -6,
      top: 0,
      itemWidth: 18,
      itemHeight: 8,
      textStyle: text,
      icon: hasBars ? "roundRect" : undefined,
      data: chart.series.map((series) => series.name),
    },
    tooltip: tooltip(chart, hasBars),
    ...axes(chart, text, hasBars),
    series: [...chart.series.map(oneSeries), ...limit],
  };
}

function draw(figure, anew) {
  const canvas = figure.querySelector("[data-chart-canvas]");
  const text = document.getElementById(`${figure.dataset.chart}-data`).textContent;
  const before = drawn.get(canvas);
  // Other parts of a page change every second; a chart that did not must keep what stands under the pointer.
  if (before?.text === text && !anew) return;
  canvas.hidden = false;
  const instance = before?.instance ?? echarts.init(canvas, null, { renderer: "canvas" });
  if (!before) new ResizeObserver(() => instance.resize()).observe(canvas);
  drawn.set(canvas, { instance, text });
  instance.setOption(options(JSON.parse(text)), { notMerge: true });
}

function drawAll(anew) {
  for (const [canvas, { instance }] of drawn) {
    if (canvas.isConnected) continue;
    instance.dispose();
    drawn.delete(canvas);
  }
  for (const figure of document.querySelectorAll("[data-chart]")) draw(figure, anew);
}

drawAll(true);
document.addEventListener("ferrata:theme", () => drawAll(true));
document.addEventListener("htmx:after:swap", () => drawAll(false));
