// Boxes, rolls and the crop rule, as in fkd_helpers/faces: no network and no page, only geometry.
// A box is [x, y, width, height, roll]: the tight box of a face turned upright about its centre, and the face's roll in
// radians, clockwise. Pixel (0, 0) is centred on the coordinate (0, 0).

const MARGIN = 0.2; // of the face's longer side, on each of the four sides
const STILL = 0.03, LEVEL = 0.05; // shares of a face's side, and radians, that a box may move while its crop stays
const OVERLAP = 0.35, INSIDE = 0.7; // shares of the union, and of the smaller box, from which two boxes are one face

export function turned([x, y], angle) {
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return [x * cosine - y * sine, x * sine + y * cosine];
}

export function meanOf(points) {
  return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
}

// The roll of 68 points [[x, y], ...]. The line through the eyes and the one from the eyes to the mouth both count.
export function rollOf(points) {
  const [left, right, mouth] = [[36, 42], [42, 48], [48, 68]].map(([from, to]) => meanOf(points.slice(from, to)));
  const middle = meanOf([left, right]);
  return Math.atan2(right[1] - left[1] - (mouth[0] - middle[0]), right[0] - left[0] + (mouth[1] - middle[1]));
}

export function boxOf(points) {
  const roll = rollOf(points), upright = points.map((point) => turned(point, -roll));
  const [low, high] = [Math.min, Math.max].map((pick) => [0, 1].map((axis) => pick(...upright.map((p) => p[axis]))));
  const [width, height] = [high[0] - low[0], high[1] - low[1]];
  const [x, y] = turned(meanOf([low, high]), roll);
  return [x - width / 2, y - height / 2, width, height, roll];
}

export function squareOf([x, y, w, h, roll = 0]) {
  const side = Math.max(w, h, 1) * (1 + 2 * MARGIN);
  return [x + w / 2 - side / 2, y + h / 2 - side / 2, side, roll];
}

// From a point of the crop, size x size pixels, to the point of the frame that it shows.
export function toFrame([x, y], [left, top, side, roll], size) {
  const middle = size / 2 - 0.5, step = side / size;
  const [across, down] = turned([(x - middle) * step, (y - middle) * step], roll);
  return [left + side / 2 - 0.5 + across, top + side / 2 - 0.5 + down];
}

export function grayOf({ data, width, height }) { // of a canvas, 4 numbers a pixel
  const gray = new Uint8ClampedArray(width * height);
  for (let i = 0; i < gray.length; i++) {
    gray[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
  }
  return { gray, width, height };
}

export function crop(frame, [left, top, side, roll], size) {
  return sampled(frame, [left + side / 2 - 0.5, top + side / 2 - 0.5], side / size, roll, size, size);
}

// A picture of columns x rows gray levels 0..1: its middle lies at a point of the frame, its pixels are `step` frame
// pixels apart. Edges are repeated. Where the picture is smaller than the frame, several samples are averaged.
export function sampled({ gray, width, height }, [x, y], step, roll, columns, rows) {
  const out = new Float32Array(columns * rows), samples = Math.max(1, Math.floor(step));
  const [cosine, sine] = turned([step, 0], roll);
  const at = (column, row) =>
    gray[Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1)];
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let k = 0; k < samples * samples; k++) {
      const across = (i % columns) + ((k % samples) + 0.5) / samples - columns / 2;
      const down = Math.floor(i / columns) + (Math.floor(k / samples) + 0.5) / samples - rows / 2;
      const u = x + across * cosine - down * sine, v = y + across * sine + down * cosine;
      const left = Math.floor(u), top = Math.floor(v), fx = u - left, fy = v - top;
      sum += (1 - fy) * ((1 - fx) * at(left, top) + fx * at(left + 1, top))
        + fy * ((1 - fx) * at(left, top + 1) + fx * at(left + 1, top + 1));
    }
    out[i] = sum / (255 * samples * samples);
  }
  return out;
}

// Of faces {box, score, ...}, the surest one at each place.
export function surest(faces) {
  const kept = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score)) {
    if (!kept.some((other) => isSamePlace(face.box, other.box))) kept.push(face);
  }
  return kept;
}

export function isSamePlace([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const wide = Math.min(ax + aw, bx + bw) - Math.max(ax, bx), high = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  const shared = Math.max(wide, 0) * Math.max(high, 0), areas = aw * ah + bw * bh;
  return shared > OVERLAP * (areas - shared) || shared > INSIDE * Math.min(aw * ah, bw * bh);
}

export function isInside([x, y, w, h], { width, height }) { // is a box's centre in the frame?
  const [across, down] = [x + w / 2, y + h / 2];
  return across >= -0.5 && across < width - 0.5 && down >= -0.5 && down < height - 0.5;
}

// May the crop stay where it is? One that followed the noise of the keypoints would add to it.
export function isStill(old, now) {
  const limits = [0, 1, 2, 3].map(() => STILL * Math.max(now[2], now[3])).concat(LEVEL);
  return limits.every((limit, i) => Math.abs(now[i] - old[i]) < limit);
}
