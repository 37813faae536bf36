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
const state = { codes: Float64Array.from(meanCodes), start: mean, original: null, where: "" };

const stage = pictureOf("Decoded from the sliders", mean.row);
const isSplit = contents.view.kind === "image" && Boolean(rows);
const originalPicture = isSplit ? pictureOf("Original row", mean.row) : null;
const originalFigure = isSplit ? captioned(originalPicture.element, "original") : null;

function captioned(picture, words) {
  return element("figure", {}, picture, element("figcaption", {}, words));
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

// Screen readers say a status again whenever it is written.
function say(words) {
  if (byId("status").textContent !== words) byId("status").textContent = words;
}

function goTo(start, original, where) {
  Object.assign(state, { codes: Float64Array.from(start.codes), start, original, where });
  sliders.forEach((slider) => slider.show());
  say(`At ${where}.`);
  redraw();
}

// --- sliders -----------------------------------------------------------------------

// A grid has one axis at a time: then the others go to their mean.
function moveAxis(place, code) {
  const isAlone = decoder.how === "grid";
  if (isAlone) {
    Object.assign(state, { codes: Float64Array.from(meanCodes), start: mean, original: null });
    state.where = "the mean code, one axis at a time";
  }
  state.codes[place] = code;
  sliders.forEach((slider, i) => (isAlone || i === place) && slider.show());
  say(`Moved away from ${state.where}.`);
  redraw();
}

// What is decoded where one axis is off by some deviations, the others at their mean.
function along(place, deviations) {
  const codes = Float64Array.from(meanCodes);
  codes[place] += deviations * axes[place].deviation;
  return decode(codes, mean);
}

// Pictures of both ends of an axis; they are drawn when there is time.
function endsOf(place) {
  return [-contents.reach, contents.reach].map((end) => {
    const picture = pictureOf("", mean.row);
    picture.element.setAttribute("aria-hidden", "true");
    setTimeout(() => picture.draw(along(place, end)));
    return picture.element;
  });
}

const NAMED_FEATURES = 4;

// The features that an axis moves furthest, each by its own range, of those shown.
function effectOf(place) {
  const { names, low, high, shown } = contents.view;
  const row = along(place, 1);
  const moves = shown.map((i) => {
    const range = high[i] - low[i];
    return { name: shortened(names[i]), move: range > 0 ? (row[i] - mean.row[i]) / range : 0 };
  });
  moves.sort((one, other) => Math.abs(other.move) - Math.abs(one.move));
  const named = moves.slice(0, NAMED_FEATURES).filter(({ move }) => move !== 0);
  const list = (some) => some.map(({ name }) => name).join(", ");
  const [up, down] = [named.filter((m) => m.move > 0), named.filter((m) => m.move < 0)];
  const words = [up.length && `more ${list(up)}`, down.length && `less ${list(down)}`];
  const whole = `To the right: ${words.filter(Boolean).join("; ")}`;
  return element("p", { class: "effect" }, whole);
}

function sliderOf(axis, place) {
  const id = `axis-${place}`;
  const share = element("small", {}, `${percent(axis.share)} of the relevance`);
  const label = element("label", { for: id }, `axis ${axis.index} `, share);
  // The slider says its value itself; without "off" all of them would be read at a reset.
  const output = element("output", { for: id, "aria-live": "off" });
  const [low, high] = [-contents.reach, contents.reach];
  const input = element("input", { id, type: "range", min: low, max: high, step: 0.05 });
  function show() {
    const code = state.codes[place];
    const deviations = (code - axis.mean) / axis.deviation;
    input.value = deviations;
    const sign = deviations < -0.005 ? "\u2212" : deviations > 0.005 ? "+" : "";
    const words = `${sign}${Math.abs(deviations).toFixed(2)} deviations`;
    output.textContent = words;
    input.setAttribute("aria-valuetext", words);
  }
  input.addEventListener("input", () => {
    moveAxis(place, axis.mean + input.valueAsNumber * axis.deviation);
  });
  const ends = element("div", { class: "ends" }, input);
  const made = element("div", { class: "slider" }, element("div", {}, label, output), ends);
  if (contents.view.kind === "table") {
    made.append(effectOf(place));
  } else {
    const [left, right] = endsOf(place);
    ends.prepend(left);
    ends.append(right);
  }
  return { element: made, show };
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
    draws.reduce((all, draw, j) => all + decoder.root[i * axes.length + j] * draw, value),
  );
}

// A grid has rows of starts that were decoded beforehand.
function startOf({ codes, decoded }, i) {
  return { codes: rowOf(codes, i, axes.length), row: decoded ? rowOf(decoded, i) : mean.row };
}

function startAtRandom() {
  const { starts } = decoder;
  const i = starts ? Math.floor(Math.random() * starts.n) : 0;
  const start = starts ? startOf(starts, i) : { ...mean, codes: randomCodes() };
  goTo(start, null, "a random code, drawn from a Gaussian with the mean and the covariance of the training codes");
}

function startAtRow(i) {
  const start = startOf(rows, i);
  goTo(start, rowOf(rows.originals, i), `the code of row ${i}`);
}

function startAtMean() {
  goTo(mean, null, "the mean code");
}

function setUpControls() {
  byId("reset").addEventListener("click", startAtMean);
  byId("random").addEventListener("click", startAtRandom);
  if (!rows) return;
  const input = byId("row");
  input.max = rows.n - 1;
  byId("from-row").hidden = false;
  const go = () => {
    const wanted = Math.round(input.valueAsNumber || 0);
    input.value = Math.min(Math.max(wanted, 0), rows.n - 1);
    startAtRow(input.valueAsNumber);
  };
  byId("start").addEventListener("click", go);
  input.addEventListener("change", go);
}

const SHOWN_AXES = 12;

function setUpExplorer() {
  byId("explorer").classList.add(contents.view.kind);
  byId("explorer").hidden = axes.length === 0;
  byId("explore-none").hidden = axes.length > 0;
  setUpStage();
  byId("sliders").append(...sliders.slice(0, SHOWN_AXES).map((slider) => slider.element));
  const others = sliders.slice(SHOWN_AXES);
  byId("more-axes").hidden = others.length === 0;
  byId("more-axes-title").textContent = `${others.length} more axes`;
  byId("more-sliders").append(...others.map((slider) => slider.element));
  byId("how").hidden = axes.length === 0;
  byId("how").textContent = howItDecodes();
  setUpControls();
  startAtMean();
}

function setUpStage() {
  const { kind } = contents.view;
  const { width, height } = kind === "image" ? contents.view : CURVE;
  document.documentElement.style.setProperty("--ratio", width / height);
  const pictures = byId("stage-pictures");
  byId("stage-legend").textContent = stageLegend();
  if (kind === "image") {
    pictures.append(captioned(stage.element, "decoded"));
    if (isSplit) pictures.append(originalFigure);
    return;
  }
  pictures.append(kind === "curve" ? graphOf(stage) : stage.element);
  if (kind === "curve") return;
  // It scrolls, so that sliders and features are in sight together.
  const region = { tabindex: 0, role: "region", "aria-label": "Decoded features" };
  for (const [key, value] of Object.entries(region)) pictures.setAttribute(key, value);
}

function stageLegend() {
  const { kind, channels, low, high, shown } = contents.view;
  if (kind === "image") {
    const [least, most] = [low, high].map(readable);
    if (channels === 3) return `Each colour goes from ${least} to ${most}.`;
    return `Black is ${least} or less, white ${most} or more.`;
  }
  if (kind === "curve") return rows ? "Solid: decoded. Dashed: the original, at a row." : "";
  const original = rows ? " Orange mark: the original, at a row." : "";
  const rest = contents.n_features - shown.length;
  const more = rest > 0 ? ` ${rest} more features, which move less, are not shown.` : "";
  return `Bars go from what the mean code gives (upright line) to what is decoded, each feature in a range of its own.${original}${more}`;
}

function howItDecodes() {
  const others = "Axes without a slider are at their mean.";
  if (decoder.how === "network") {
    const size = decoder.n_weights.toLocaleString("en");
    return `The decoder runs in this page, with all its ${size} weights: what you see is what inverse_transform returns, to rounding. ${others}`;
  }
  const missed = (100 * decoder.error).toFixed(1);
  return (
    `The decoder does not run in this page: ${decoder.reason}. Rows were decoded beforehand, ` +
    `at ${decoder.n_points} points of each axis with all others at their mean, and in between ` +
    `the page interpolates, which misses ${missed} % of the variation along the axes, in the ` +
    "root mean square halfway between points. So " +
    "sliders move one axis at a time: moving one puts the others at their mean. The buttons " +
    `lead to codes that were decoded exactly. ${others}`
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
  for (const feature of contents.view.shown) {
    const name = element("div", {}, contents.view.names[feature]);
    const line = element("tr", {}, element("th", { scope: "row" }, name));
    for (let i = 0; i < n; i++) {
      const cell = element("td", {}, readable(rowOf(found, i)[feature]));
      if (originals) cell.append(element("small", {}, readable(rowOf(originals, i)[feature])));
      line.append(cell);
    }
    body.append(line);
  }
  const name = { "aria-label": label };
  const table = element("table", { class: "numbers", ...name }, element("thead", {}, head), body);
  return element("div", { class: "scroll", tabindex: 0, role: "region", ...name }, table);
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
