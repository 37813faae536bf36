"use strict";

// Rows as pictures. A picture has an `element` and draws a row, perhaps beside another.

// Between the lowest and the highest value that is shown anywhere, 0 to 1.
function shareOf(value, low, high) {
  return high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) : 0.5;
}

function imagePicture(label) {
  const { channels, height, width, low, high, ...strides } = contents.view;
  const canvas = element("canvas", { role: "img", "aria-label": label, width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  function draw(row) {
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at += 4) {
        for (let c = 0; c < 3; c++) {
          const channel = channels === 3 ? c * strides.channel_stride : 0;
          const place = y * strides.row_stride + x * strides.column_stride + channel;
          image.data[at + c] = 255 * shareOf(row[place], low, high);
        }
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }
  return { element: canvas, draw };
}

const CURVE = { width: 320, height: 180, margin: 6 };

// What goes beyond the range leaves the picture: at its edge it would look like data.
function curvePoints(row) {
  const { low, high } = contents.view;
  const { width, height, margin } = CURVE;
  const values = row.length > 1 ? Array.from(row) : [row[0], row[0]];
  const step = (width - 2 * margin) / (values.length - 1);
  // A range of one value is in the middle.
  const [bottom, range] = high > low ? [low, high - low] : [low - 0.5, 1];
  return values
    .map((value, i) => {
      const y = height - margin - ((height - 2 * margin) * (value - bottom)) / range;
      return `${(margin + i * step).toFixed(1)},${y.toFixed(1)}`;
    })
    .join(" ");
}

function curvePicture(label) {
  const box = `0 0 ${CURVE.width} ${CURVE.height}`;
  const svg = svgElement("svg", { viewBox: box, role: "img", class: "curve" });
  svg.setAttribute("aria-label", label);
  const other = svgElement("polyline", { class: "stroke-second" });
  const line = svgElement("polyline", { class: "stroke-first" });
  svg.append(line, other);
  function draw(row, reference) {
    line.setAttribute("points", curvePoints(row));
    other.setAttribute("points", reference ? curvePoints(reference) : "");
  }
  return { element: svg, draw };
}

// A curve with the values at its lower and upper end, and the features at its sides.
function graphOf(curve) {
  const { low, high, ends } = contents.view;
  const [values, features] = [[high, low].map(readable), ends.map(shortened)].map((words) =>
    element("div", {}, ...words.map((word) => element("span", {}, word))),
  );
  return element("div", { class: "graph" }, values, curve.element, features);
}

// A bar for each feature from what the mean code gives to what is decoded, each in a
// range of its own; the values beside them are in the units of the data.
function tablePicture(label, mean) {
  const { names, low, high, shown } = contents.view;
  const body = element("tbody");
  const lines = shown.map((feature) => {
    const place = (value) => 100 * shareOf(value, low[feature], high[feature]);
    const middle = place(mean[feature]);
    const [bar, tick, original] = ["bar", "mean", "original"].map(span);
    tick.style.left = `${middle}%`;
    const value = element("td", { class: "value" });
    const track = element("div", { class: "track", "aria-hidden": "true" });
    track.append(bar, tick, original);
    const name = element("span", { title: names[feature] }, names[feature]);
    const head = element("th", { scope: "row" }, name);
    const cell = element("td", { class: "track-cell" }, track);
    body.append(element("tr", {}, head, cell, value));
    return { feature, place, middle, bar, original, value };
  });
  const table = element("table", { class: "bars" }, body);
  table.setAttribute("aria-label", label);
  function draw(row, reference) {
    for (const { feature, place, middle, bar, original, value } of lines) {
      const at = place(row[feature]);
      bar.style.left = `${Math.min(at, middle)}%`;
      bar.style.width = `${Math.abs(at - middle)}%`;
      value.textContent = readable(row[feature]);
      original.hidden = !reference;
      if (reference) original.style.left = `${place(reference[feature])}%`;
    }
  }
  return { element: table, draw };
}

const PICTURES = { image: imagePicture, curve: curvePicture, table: tablePicture };

// Returns an empty picture; a table marks what the mean code gives.
function pictureOf(label, mean) {
  return PICTURES[contents.view.kind](label, mean);
}
