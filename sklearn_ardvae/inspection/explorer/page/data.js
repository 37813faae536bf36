"use strict";

// What the page was written with. Arrays are packed in base64, little endian.

const ARRAYS = { f4: Float32Array, f8: Float64Array, u2: Uint16Array };

function unpacked(packed) {
  const text = atob(packed.data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new ARRAYS[packed.type](bytes.buffer);
}

// Returns a value in which every packed array, however deep, is an array.
function withArrays(value) {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(withArrays);
  if ("type" in value && "data" in value) return unpacked(value);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, withArrays(inner)]),
  );
}

const contents = withArrays(
  JSON.parse(document.getElementById("contents").textContent),
);

// Returns row i of rows that lie one after the other.
function rowOf(rows, i, width = contents.n_features) {
  return rows.subarray(i * width, (i + 1) * width);
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function span(name) {
  return element("span", { class: name });
}

function svgElement(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

const NAME_LENGTH = 40;

// Returns a name that fits into a sentence: of long ones the ends, which tell them apart.
function shortened(name) {
  const letters = Array.from(name);
  if (letters.length <= NAME_LENGTH) return name;
  const half = NAME_LENGTH / 2 - 1;
  return `${letters.slice(0, half).join("")}\u2026${letters.slice(-half).join("")}`;
}

// Returns a number in few digits, as people read it.
function readable(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return value.toFixed(Math.min(digits, 4));
}
