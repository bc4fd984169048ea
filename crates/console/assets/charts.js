// Draws <div data-chart="id"> from the JSON in the <script type="application/json" id="id"> beside it:
// {"at": [seconds…], "series": [{"name", "color", "values": […]}]}
"use strict";

const plots = new Map();

const read = (place) => {
  const source = document.getElementById(place.dataset.chart);
  return source && JSON.parse(source.textContent);
};
const dataOf = ({ at, series }) => [at, ...series.map(({ values }) => values)];
const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");

const draw = (place) => {
  const drawn = read(place);
  if (!drawn) return;
  const style = getComputedStyle(document.documentElement);
  const color = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const axis = {
    stroke: color("--tblr-body-color", "gray"),
    grid: { stroke: color("--tblr-border-color", "lightgray"), width: 1 },
    ticks: { show: false },
  };
  const options = {
    width: place.clientWidth,
    height: 220,
    tzDate: utc,
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 4)] } },
    axes: [axis, { ...axis, size: 44 }],
    series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...drawn.series.map(({ name, color: hue }) => (
      { label: name, stroke: color(`--tblr-${hue}`, hue), width: 2, points: { show: false } }
    ))],
  };
  plots.get(place)?.destroy();
  plots.set(place, new uPlot(options, dataOf(drawn), place));
};

const places = () => document.querySelectorAll("[data-chart]");
const drawAll = () => places().forEach(draw);

// New numbers leave the picture, and whatever a person points at in it, where they are.
const refresh = () => {
  for (const place of places()) {
    const drawn = plots.has(place) && read(place);
    if (drawn) plots.get(place).setData(dataOf(drawn));
    else draw(place);
  }
};

const resize = () => {
  for (const place of places()) plots.get(place)?.setSize({ width: place.clientWidth, height: 220 });
};

drawAll();
addEventListener("resize", resize);
document.addEventListener("htmx:after:swap", refresh);
new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
