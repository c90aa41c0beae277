// What is painted over the frame: keypoints in the colours of their regions, and a pair of glasses.

import { meanOf } from "./boxes.js";

const REGIONS = [[17, "#56B4E9"], [27, "#E69F00"], [36, "#009E73"], [48, "#F0E442"], [68, "#CC79A7"]]; // as in Python
const FAINTEST = 0.15; // opacity of a keypoint that is only guessed

export function drawKeypoints(pen, { points, confidence, box }) {
  const radius = Math.max(1.8, Math.max(box[2], box[3]) / 75);
  points.forEach(([x, y], i) => {
    pen.globalAlpha = Math.max(FAINTEST, confidence[i]);
    pen.beginPath();
    pen.arc(x + 0.5, y + 0.5, radius, 0, 2 * Math.PI); // a canvas counts from the corner of its first pixel
    pen.fillStyle = REGIONS.find(([end]) => i < end)[1];
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = "rgba(0, 0, 0, 0.6)";
    pen.stroke();
  });
  pen.globalAlpha = 1;
}

// Round glasses: a lens around each eye, a bridge between them, a temple from each lens to the ear.
export function drawGlasses(pen, { points }) {
  const left = meanOf(points.slice(36, 42)), right = meanOf(points.slice(42, 48));
  const [across, down] = [right[0] - left[0], right[1] - left[1]];
  const eyes = Math.hypot(across, down), radius = 0.36 * eyes;
  const along = (share) => [left[0] + share * across, left[1] + share * down]; // 0: left eye, 1: right eye
  Object.assign(pen, { lineWidth: 0.07 * eyes, lineCap: "round", strokeStyle: "#20242c", fillStyle: "#8ec5ff44" });
  for (const [x, y] of [left, right]) {
    pen.beginPath();
    pen.arc(x + 0.5, y + 0.5, radius, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
  for (const [from, to] of [[along(0.36), along(0.64)], [along(-0.36), points[0]], [along(1.36), points[16]]]) {
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  }
}
