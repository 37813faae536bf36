"use strict";

// The sliders, what they redraw, and the galleries.

const { axes, rows, samples } = contents;
const byId = (id) => document.getElementById(id);

const meanCodes = Float64Array.from(axes, (axis) => axis.mean);
const { decoder } = contents;
const mean = { codes: meanCodes, row: decoder.how === "grid" ? decoder.centre : null };
mean.row ??= decode(meanCodes, mean);

// --- where the code is -----------------------------------------------------------

// Codes may lie beyond the ends of the sliders, at rows far out.
const state = { codes: Float64Array.from(meanCodes), start: mean, original: null };

const stage = pictureOf("Decoded from the sliders", mean.row);
const isSplit = contents.view.kind === "image" && Boolean(rows);
const originalPicture = isSplit ? pictureOf("Original row", mean.row) : null;
const originalFigure = isSplit ? captioned(originalPicture, "original") : null;

function captioned(picture, words) {
  return element("figure", {}, picture.element, element("figcaption", {}, words));
}

let isWaiting = false;

// Draws once a frame, however many events there are.
function redraw() {
  if (isWaiting) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    stage.draw(decode(state.codes, state.start), state.original);
    if (!isSplit) return;
    originalFigure.hidden = !state.original;
    if (state.original) originalPicture.draw(state.original);
  });
}

function say(words) {
  byId("status").textContent = words;
}

function goTo(codes, start, original, words) {
  state.codes = Float64Array.from(codes);
  state.start = start;
  state.original = original;
  sliders.forEach((slider) => slider.show());
  say(words);
  redraw();
}

// --- sliders -----------------------------------------------------------------------

function sliderOf(axis, place) {
  const id = `axis-${place}`;
  const share = element("small", {}, ` ${(100 * axis.share).toFixed(1)} % of the relevance`);
  const label = element("label", { for: id }, `axis ${axis.index}`, share);
  const output = element("output", { for: id });
  const [low, high] = [-contents.reach, contents.reach];
  const input = element("input", { id, type: "range", min: low, max: high, step: 0.05 });
  function show() {
    const code = state.codes[place];
    const deviations = (code - axis.mean) / axis.deviation;
    input.value = deviations;
    const words = `${deviations < 0 ? "\u2212" : "+"}${Math.abs(deviations).toFixed(2)} deviations`;
    output.textContent = words;
    input.setAttribute("aria-valuetext", words);
  }
  input.addEventListener("input", () => {
    state.codes[place] = axis.mean + input.valueAsNumber * axis.deviation;
    show();
    redraw();
  });
  return { element: element("div", { class: "slider" }, label, output, input), show };
}

const sliders = axes.map(sliderOf);

// --- buttons -----------------------------------------------------------------------

function normal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}

// From a Gaussian with the mean and the covariance of the training codes.
function randomCodes() {
  const draws = axes.map(normal);
  return meanCodes.map((value, i) =>
    draws.reduce((all, draw, j) => all + contents.root[i * axes.length + j] * draw, value),
  );
}

function startFromRow(i) {
  const codes = rowOf(rows.codes, i, axes.length);
  const start = decoder.how === "grid" ? { codes, row: rowOf(decoder.rows, i) } : mean;
  goTo(codes, start, rowOf(rows.originals, i), `At the code of row ${i}.`);
}

function setUpControls() {
  byId("reset").addEventListener("click", () => {
    goTo(meanCodes, mean, null, "At the mean code.");
  });
  byId("random").addEventListener("click", () => {
    goTo(randomCodes(), mean, null, "At a random code, drawn from a Gaussian with the mean and covariance of the training codes.");
  });
  if (!rows) return;
  const input = byId("row");
  input.max = rows.n - 1;
  byId("from-row").hidden = false;
  const go = () => {
    const wanted = Math.round(input.valueAsNumber || 0);
    input.value = Math.min(Math.max(wanted, 0), rows.n - 1);
    startFromRow(input.valueAsNumber);
  };
  byId("start").addEventListener("click", go);
  input.addEventListener("change", go);
}

const SHOWN_AXES = 12;

function setUpExplorer() {
  byId("explorer").classList.add(contents.view.kind === "curve" ? "curve-kind" : contents.view.kind);
  byId("explorer").hidden = axes.length === 0;
  byId("explore-none").hidden = axes.length > 0;
  byId("stage-pictures").append(captioned(stage, stageCaption()));
  if (isSplit) byId("stage-pictures").append(originalFigure);
  byId("sliders").append(...sliders.slice(0, SHOWN_AXES).map((slider) => slider.element));
  const others = sliders.slice(SHOWN_AXES);
  byId("more-axes").hidden = others.length === 0;
  byId("more-axes-title").textContent = `${others.length} more axes`;
  byId("more-sliders").append(...others.map((slider) => slider.element));
  byId("how").textContent = howItDecodes();
  setUpControls();
  goTo(meanCodes, mean, null, "At the mean code.");
}

function stageCaption() {
  if (contents.view.kind === "image") return "decoded";
  if (contents.view.kind === "curve") {
    return rows ? "solid: decoded; dashed: original, at a row" : "decoded";
  }
  const ticks = "black or white tick: at the mean code";
  const original = rows ? "; orange tick: original, at a row" : "";
  return `Bars: decoded, each in a range of its own; ${ticks}${original}. ${hiddenFeatures()}`;
}

function hiddenFeatures() {
  const rest = contents.n_features - shownFeatures().length;
  return rest > 0 ? `${rest} more features are not shown.` : "";
}

function howItDecodes() {
  const others = "Axes without a slider are at their mean.";
  if (decoder.how === "network") {
    const size = decoder.n_weights.toLocaleString("en");
    return `The decoder runs in this page, with all its ${size} weights: what you see is what inverse_transform returns, to rounding. ${others}`;
  }
  const missed = (100 * decoder.error).toFixed(0);
  return (
    `The decoder does not run in this page: ${decoder.reason}. Rows were decoded beforehand, ` +
    `at ${decoder.n_points} points of each axis with the others at their mean. Along one axis ` +
    "from the mean, and at a row, the page shows what inverse_transform returns, interpolated " +
    "between points. Where several axes are off, it adds up what each does by itself, which " +
    `networks need not follow: at random codes that misses ${missed} % of the variation ` +
    `(root mean square over features). ${others}`
  );
}

// --- galleries ---------------------------------------------------------------------

function drawn(label, row, reference) {
  const picture = pictureOf(label, mean.row);
  picture.draw(row, reference);
  return picture;
}

function pairFigure(i) {
  const [original, again] = [rowOf(rows.originals, i), rowOf(rows.reconstructions, i)];
  const caption = element("figcaption", {}, `row ${i}`);
  if (contents.view.kind === "curve") {
    const picture = drawn(`Row ${i} and its reconstruction`, again, original);
    return element("figure", {}, picture.element, caption);
  }
  const pictures = [drawn(`Row ${i}`, original), drawn(`Row ${i}, reconstructed`, again)];
  const pair = element("div", { class: "pair" }, ...pictures.map((p) => p.element));
  return element("figure", {}, pair, caption);
}

// Numbers, one column a row of the data; `originals` stand below them.
function numbersTable(label, found, n, heading, originals) {
  const head = element("tr", {}, element("td"));
  for (let i = 0; i < n; i++) head.append(element("th", { scope: "col" }, `${heading} ${i}`));
  const body = element("tbody");
  for (const feature of shownFeatures()) {
    const name = contents.view.names[feature];
    const line = element("tr", {}, element("th", { scope: "row", title: name }, name));
    for (let i = 0; i < n; i++) {
      const cell = element("td", {}, readable(rowOf(found, i)[feature]));
      if (originals) cell.append(element("small", {}, readable(rowOf(originals, i)[feature])));
      line.append(cell);
    }
    body.append(line);
  }
  const table = element("table", { class: "numbers" }, element("thead", {}, head), body);
  const settings = { class: "scroll", tabindex: 0, role: "region", "aria-label": label };
  return element("div", settings, table);
}

function fill(id, figures, table) {
  byId(id).hidden = false;
  const body = byId(`${id}-body`);
  if (contents.view.kind === "table") {
    body.classList.add("whole");
    body.append(table());
    return;
  }
  if (contents.view.kind === "curve" || id === "reconstructions") body.classList.add("wide");
  body.append(...figures());
}

const upTo = (n) => Array.from({ length: n }, (_, i) => i);

function setUpGalleries() {
  if (rows) {
    const { n, originals, reconstructions } = rows;
    byId("reconstructions-legend").textContent = {
      image: "Left the original, right what is reconstructed from its code.",
      curve: "Solid: reconstructed from the code. Dashed: the original.",
      table: "Reconstructed from the code; below it in orange the original.",
    }[contents.view.kind];
    fill(
      "reconstructions",
      () => upTo(n).map(pairFigure),
      () => numbersTable("Reconstructions", reconstructions, n, "row", originals),
    );
  }
  if (samples) {
    fill(
      "samples",
      () => upTo(samples.n).map((i) => drawn(`Sample ${i}`, rowOf(samples.rows, i)).element),
      () => numbersTable("Samples", samples.rows, samples.n, "sample"),
    );
  }
}

setUpExplorer();
setUpGalleries();
