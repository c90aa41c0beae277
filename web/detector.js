// Faces anywhere in the frame and at any roll, as in fkd_helpers/predict/detector.py: the network looks at small copies
// of the frame, from coarse to fine, and answers each with a map, one cell for every 8 x 8 pixels.

import { isInside, sampled, surest } from "./boxes.js";

const STRIDE = 8, MULTIPLE = 32; // pixels of a cell; the sides of a look are multiples of the network's deepest stride
const UNIT = 32; // pixels: a face of this size has the log size 0
const MIN_SCORE = 0.3;
const COARSE = 160, USUAL = 320; // pixels, the longer side of the first looks; each further one has twice as many
const LARGE = 32; // pixels of a look: where all faces are larger, no finer look is needed
const AROUND = [[-1, -1], [-1, 0], [-1, 1], [0, -1], [0, 1], [1, -1], [1, 0], [1, 1]]; // the neighbours of a cell

export async function findBoxes(networks, frame, finest) {
  const longest = Math.max(frame.width, frame.height), last = Math.min(finest, longest);
  let faces = [];
  for (let side = Math.min(COARSE, last); ; side = Math.min(2 * side, last)) {
    const smallest = Math.min(...faces.map((face) => face.box[2])); // infinite where there is no face
    if (side > USUAL && faces.length && smallest * side / longest > 2 * LARGE) break;
    faces = surest([...faces, ...await look(networks, frame, side)]);
    if (side === last) break;
  }
  return faces.map((face) => face.box);
}

// The faces that the network sees in a frame of which the longer side has `side` pixels.
async function look({ ort, detector }, frame, side) {
  const step = Math.max(frame.width, frame.height) / side;
  const [columns, rows] = [frame.width, frame.height].map((size) => Math.ceil(size / step / MULTIPLE) * MULTIPLE);
  const middle = [columns, rows].map((size) => (size / 2) * step - 0.5);
  const images = new ort.Tensor("float32", sampled(frame, middle, step, 0, columns, rows), [1, 1, rows, columns]);
  const { maps } = await detector.run({ images });
  const inFrame = ([x, y, w, h, roll]) => [(x + 0.5) * step - 0.5, (y + 0.5) * step - 0.5, w * step, h * step, roll];
  return decoded(maps.data, columns / STRIDE, rows / STRIDE)
    .map(({ box, score }) => ({ box: inFrame(box), score }))
    .filter(({ box }) => isInside(box, frame)); // not in the repeated edge
}

// The faces {box, score} of a map: the cells whose score no neighbour exceeds. A map has six channels, one after the
// other: the score before the sigmoid, the centre's x and y from the middle of the cell in cells, the logarithm of the
// size, sine and cosine of the roll.
export function decoded(maps, columns, rows) {
  const value = (channel, row, column) => maps[(channel * rows + row) * columns + column];
  const isIn = (row, column) => row >= 0 && row < rows && column >= 0 && column < columns;
  const faces = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const own = value(0, row, column), score = 1 / (1 + Math.exp(-own));
      if (score < MIN_SCORE) continue;
      const beside = AROUND.map(([down, across]) => [row + down, column + across]).filter((cell) => isIn(...cell));
      if (beside.some((cell) => value(0, ...cell) > own)) continue;
      const [x, y, size, sine, cosine] = [1, 2, 3, 4, 5].map((channel) => value(channel, row, column));
      const side = UNIT * Math.exp(Math.min(Math.max(size, -4), 4));
      const centre = [column + x, row + y].map((cells) => (cells + 0.5) * STRIDE - 0.5);
      faces.push({ box: [centre[0] - side / 2, centre[1] - side / 2, side, side, Math.atan2(sine, cosine)], score });
    }
  }
  return faces;
}
