"use strict";

// From codes to rows: by the steps of the decoder, or from rows decoded beforehand.

// The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const sum = coefficients.reduce((all, next) => (all + next) * t, 0);
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const ACTIVATIONS = {
  elu: (x, { alpha }) => (x > 0 ? x : alpha * Math.expm1(x)),
  gelu: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  gelu_tanh: (x) =>
    (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  leaky_relu: (x, { negative_slope }) => (x > 0 ? x : negative_slope * x),
  relu: (x) => Math.max(0, x),
  sigmoid,
  silu: (x) => x * sigmoid(x),
  tanh: Math.tanh,
};

function dense(x, { weight, bias, n_in, n_out }) {
  const result = Float64Array.from(bias);
  for (let i = 0, at = 0; i < n_out; i++) {
    let sum = 0;
    for (let j = 0; j < n_in; j++, at++) sum += weight[at] * x[j];
    result[i] += sum;
  }
  return result;
}

// Rows become columns: from channels of places to places of channels, and back.
function turned(values, n_rows) {
  const n_columns = values.length / n_rows;
  const result = new Float64Array(values.length);
  for (let i = 0; i < n_rows; i++) {
    for (let j = 0; j < n_columns; j++) result[j * n_rows + i] = values[i * n_columns + j];
  }
  return result;
}

// Calls visit(place, there, tap) for all pairs of a place of the small image and one of
// the large image under the kernel that stands there.
function underKernel(small, large, { kernel, stride, padding }, visit) {
  for (let y = 0; y < small[1]; y++) {
    for (let x = 0; x < small[2]; x++) {
      for (let ky = 0; ky < kernel[0]; ky++) {
        const ly = y * stride[0] - padding[0] + ky;
        if (ly < 0 || ly >= large[1]) continue;
        for (let kx = 0; kx < kernel[1]; kx++) {
          const lx = x * stride[1] - padding[1] + kx;
          if (lx < 0 || lx >= large[2]) continue;
          visit(y * small[2] + x, ly * large[2] + lx, ky * kernel[1] + kx);
        }
      }
    }
  }
}

// Weights are ordered by tap, channel in, channel out.
function convolved(x, step, visitAll) {
  const { weight, bias, shape_in, shape_out } = step;
  const [n_in, n_out] = [shape_in[0], shape_out[0]];
  const given = turned(x, n_in);
  const result = new Float64Array(n_out * shape_out[1] * shape_out[2]);
  for (let at = 0; at < result.length; at += n_out) result.set(bias, at);
  visitAll((from, to, tap) => {
    for (let i = 0; i < n_in; i++) {
      const value = given[from * n_in + i];
      if (value === 0) continue;
      const at = (tap * n_in + i) * n_out;
      for (let o = 0; o < n_out; o++) result[to * n_out + o] += weight[at + o] * value;
    }
  });
  return turned(result, result.length / n_out);
}

// A kernel stands at each place of the output and gathers.
function convolution(x, step) {
  return convolved(x, step, (visit) =>
    underKernel(step.shape_out, step.shape_in, step, (place, there, tap) =>
      visit(there, place, tap),
    ),
  );
}

// A kernel stands at each place of the input and scatters.
function transposedConvolution(x, step) {
  return convolved(x, step, (visit) =>
    underKernel(step.shape_in, step.shape_out, step, visit),
  );
}

const OPERATIONS = {
  activation: (x, step) => x.map((value) => ACTIVATIONS[step.name](value, step)),
  convolution,
  dense,
  scale: (x, { factor, shift, repeat }) =>
    x.map((value, i) => {
      const place = Math.floor(i / repeat);
      return factor[place] * value + shift[place];
    }),
  sum: (x, { branches }) => {
    const [first, ...others] = branches.map((steps) => run(steps, x));
    for (const other of others) other.forEach((value, i) => (first[i] += value));
    return first;
  },
  take: (x, { n }) => x.slice(0, n),
  transposed_convolution: transposedConvolution,
};

function run(steps, x) {
  return steps.reduce((values, step) => OPERATIONS[step.op](values, step), x);
}

// The row that a grid has for one axis at one place, the others at their mean.
function between({ n_points, first, last, low, step, steps }, axis, code) {
  const share = (code - first[axis]) / (last[axis] - first[axis]);
  const place = Math.min(Math.max(share, 0), 1) * (n_points - 1);
  const index = Math.min(Math.floor(place), n_points - 2);
  const beyond = place - index;
  const at = (axis * n_points + index) * low.length;
  return low.map((lowest, i) => {
    const value = (1 - beyond) * steps[at + i] + beyond * steps[at + low.length + i];
    return lowest + step[i] * value;
  });
}

// A grid knows the row of a start, and what is one axis off the mean.
function fromGrid(grid, codes, start) {
  const axis = codes.findIndex((code, i) => code !== start.codes[i]);
  return axis < 0 ? start.row : between(grid, axis, codes[axis]);
}

// Returns a row. Only a grid needs the start: codes, and the row that they give.
function decode(codes, start) {
  const { decoder } = contents;
  if (decoder.how === "network") return run(decoder.steps, Float64Array.from(codes));
  return fromGrid(decoder, codes, start);
}
