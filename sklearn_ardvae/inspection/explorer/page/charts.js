"use strict";

// Relevances and training curves, as SVG with what it says in words.

function relevanceChart({ bars, n_components }) {
  const [line, width, left] = [22, 640, 76];
  const height = bars.length * line;
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const largest = Math.max(...bars.map((bar) => bar.share ?? 0), 1e-12);
  const room = width - left - 150;
  bars.forEach(({ axis, share, is_active }, i) => {
    const y = i * line;
    const text = { y: y + 15 };
    svg.append(svgElement("text", { x: left - 8, "text-anchor": "end", ...text }, `axis ${axis}`));
    const bar = { x: left, y: y + 3, width: (room * (share ?? 0)) / largest, height: line - 6 };
    svg.append(svgElement("rect", { class: is_active ? "fill-first" : "fill-quiet", ...bar }));
    const words = `${(100 * (share ?? 0)).toFixed(1)} %${is_active ? "" : ", not active"}`;
    svg.append(svgElement("text", { x: left + bar.width + 8, ...text }, words));
  });
  const active = bars.filter((bar) => bar.is_active);
  const sum = active.reduce((all, bar) => all + (bar.share ?? 0), 0);
  svg.setAttribute(
    "aria-label",
    `${active.length} of ${n_components} axes are active. ` +
      active.map(({ axis, share }) => `Axis ${axis}: ${(100 * share).toFixed(1)} %.`).join(" "),
  );
  const rest = n_components - bars.length;
  const more = rest > 0 ? ` ${rest} more axes, none of them active, are not shown.` : "";
  const words = `The ${active.length} active axes have ${(100 * sum).toFixed(1)} % together.${more}`;
  return element("div", {}, svg, element("p", { class: "note" }, words));
}

const PANEL = { width: 260, height: 150, left: 46, bottom: 20, top: 6 };

function trainingPanel({ title, lines }) {
  const { width, height, left, bottom, top } = PANEL;
  const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  // What falls by orders of magnitude is read on a logarithmic scale.
  const isLog = low > 0 && high / low > 30;
  const scaled = isLog ? Math.log : (value) => value;
  const last = Math.max(...lines.flatMap((line) => line.epochs), 2);
  const x = (epoch) => left + ((width - left) * (epoch - 1)) / (last - 1);
  const y = (value) =>
    height - bottom - (height - bottom - top) * shareOf(scaled(value), scaled(low), scaled(high));
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const frame = `${left},${top} ${left},${height - bottom} ${width},${height - bottom}`;
  svg.append(svgElement("polyline", { class: "stroke-line", points: frame }));
  for (const { name, epochs, values: known } of lines) {
    const points = epochs.flatMap((epoch, i) =>
      known[i] === null ? [] : [`${x(epoch).toFixed(1)},${y(known[i]).toFixed(1)}`],
    );
    const style = name === "validation" ? "stroke-second" : "stroke-first";
    svg.append(svgElement("polyline", { class: style, points: points.join(" ") }));
  }
  const end = { x: left - 5, "text-anchor": "end" };
  svg.append(svgElement("text", { ...end, y: top + 8 }, readable(high)));
  if (high > low) svg.append(svgElement("text", { ...end, y: height - bottom }, readable(low)));
  svg.append(svgElement("text", { x: left, y: height - 5 }, "epoch 1"));
  svg.append(svgElement("text", { x: width, y: height - 5, "text-anchor": "end" }, `${last}`));
  const ends = lines.map(({ name, values: known }) => {
    const [first, final] = [known[0], known.at(-1)].map((v) => (v === null ? "?" : readable(v)));
    return `${lines.length > 1 ? `${name}: ` : ""}from ${first} to ${final}`;
  });
  svg.setAttribute("aria-label", `${title} over ${last} epochs, ${ends.join("; ")}.`);
  const scale = isLog ? " (logarithmic)" : "";
  return element("div", {}, element("h3", {}, title + scale), svg);
}

function legend(first, second) {
  const made = element("p", { class: "legend" });
  made.append(element("span", {}, span("key"), first));
  if (second) made.append(element("span", {}, span("key second"), second));
  return made;
}

document.getElementById("relevance").append(relevanceChart(contents.relevance));
const training = document.getElementById("training");
training.append(
  ...contents.history
    .filter((panel) => panel.lines.some((line) => line.values.some((v) => v !== null)))
    .map(trainingPanel),
);
training.before(legend("training", "validation"));
