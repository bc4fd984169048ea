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

// A day at its midnight, else the hour: as all times in the console, 24 hours and UTC.
const tick = (seconds) => {
  const text = new Date(seconds * 1000).toISOString();
  return text.slice(11, 16) === "00:00" ? text.slice(5, 10) : text.slice(11, 16);
};

// A canvas does not know what a property stands for; the browser works it out on an element.
const colorOf = (property) => {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.style.color = `var(${property})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
};

const draw = (place) => {
  const drawn = read(place);
  if (!drawn) return;
  const axis = {
    stroke: colorOf("--tblr-body-color"),
    grid: { stroke: colorOf("--tblr-border-color"), width: 1 },
    ticks: { show: false },
  };
  const series = drawn.series.map(({ name, color }) => (
    { label: name, stroke: colorOf(`--tblr-${color}`), width: 2, points: { show: false } }
  ));
  const options = {
    width: place.clientWidth,
    height: 220,
    tzDate: utc,
    legend: { live: true },
    scales: { y: { range: (_, low, high) => [0, Math.max(high, 4)] } },
    axes: [{ ...axis, values: (_, times) => times.map(tick) }, { ...axis, size: 44 }],
    series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...series],
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
