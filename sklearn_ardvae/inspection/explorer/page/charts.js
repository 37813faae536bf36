"use strict";

// Relevances as bars and training curves as SVG, each with what it says in words.

const percent = (share) => `${(100 * (share ?? 0)).toFixed(1)} %`;

function relevanceChart({ bars, n_components }) {
  const largest = Math.max(...bars.map((bar) => bar.share ?? 0), 1e-12);
  const list = element("ol", { class: "relevances" });
  for (const { axis, share, is_active } of bars) {
    const bar = span(is_active ? "bar" : "bar quiet");
    bar.style.width = `${(100 * (share ?? 0)) / largest}%`;
    const track = element("span", { class: "track", "aria-hidden": "true" }, bar);
    const words = `${percent(share)}${is_active ? "" : ", not active"}`;
    list.append(element("li", {}, element("b", {}, `axis ${axis}`), track, words));
  }
  const active = bars.filter((bar) => bar.is_active);
  const sum = active.reduce((all, bar) => all + (bar.share ?? 0), 0);
  const rest = n_components - bars.length;
  const more = rest > 0 ? ` ${rest} more, none of them active, are not shown.` : "";
  const have = active.length === 1 ? "The active axis has" : `The ${active.length} active axes have`;
  const words = active.length > 0 ? `${have} ${percent(sum)} of it.` : "No axis is active.";
  return element("div", {}, list, element("p", { class: "note" }, words + more));
}

const PANEL = { width: 260, height: 150, left: 46, bottom: 20, top: 6 };

// A line of one point would be nothing to see.
const DASH = 12;

function trainingPanel({ title, lines }) {
  const { width, height, left, bottom, top } = PANEL;
  const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  // What falls by orders of magnitude is read on a logarithmic scale.
  const isLog = low > 0 && high / low > 30;
  const scaled = isLog ? Math.log : (value) => value;
  const last = Math.max(...lines.flatMap((line) => line.epochs));
  const x = (epoch) => left + ((width - left) * (epoch - 1)) / Math.max(last - 1, 1);
  const y = (value) =>
    height - bottom - (height - bottom - top) * shareOf(scaled(value), scaled(low), scaled(high));
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const frame = `${left},${top} ${left},${height - bottom} ${width},${height - bottom}`;
  svg.append(svgElement("polyline", { class: "stroke-line", points: frame }));
  for (const { name, epochs, values: known } of lines) {
    const places = epochs.flatMap((epoch, i) =>
      known[i] === null ? [] : [[x(epoch), y(known[i])]],
    );
    if (places.length === 1) places.push([places[0][0] + DASH, places[0][1]]);
    const points = places.map((place) => place.map((v) => v.toFixed(1)).join(",")).join(" ");
    const style = name === "validation" ? "stroke-second" : "stroke-first";
    svg.append(svgElement("polyline", { class: style, points }));
  }
  const end = { x: left - 5, "text-anchor": "end" };
  for (const value of new Set([low, high])) {
    const at = Math.max(y(value) + (high > low ? 0 : 4), top + 8);
    svg.append(svgElement("text", { ...end, y: at }, readable(value)));
  }
  svg.append(svgElement("text", { x: left, y: height - 5 }, "epoch 1"));
  if (last > 1) {
    svg.append(svgElement("text", { x: width, y: height - 5, "text-anchor": "end" }, `${last}`));
  }
  const ends = lines.map(({ name, values: known }) => {
    const [first, final] = [known[0], known.at(-1)].map((v) => (v === null ? "?" : readable(v)));
    return `${lines.length > 1 ? `${name}: ` : ""}from ${first} to ${final}`;
  });
  const over = last > 1 ? `${last} epochs` : "1 epoch";
  svg.setAttribute("aria-label", `${title} over ${over}, ${ends.join("; ")}.`);
  const scale = isLog ? " (logarithmic)" : "";
  return element("div", {}, element("h3", {}, title + scale), svg);
}

function legend(first, second) {
  const named = (name, words) => element("span", {}, span(name), words);
  return element("p", { class: "legend" }, named("key", first), named("key second", second));
}

document.getElementById("relevance").append(relevanceChart(contents.relevance));
const training = document.getElementById("training");
training.append(
  ...contents.history
    .filter((panel) => panel.lines.some((line) => line.values.some((v) => v !== null)))
    .map(trainingPanel),
);
if (contents.history.some(({ lines }) => lines.some(({ name }) => name === "validation"))) {
  training.before(legend("training", "validation"));
}
