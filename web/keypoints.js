// From boxes to 68 keypoints with a confidence each, and faces followed from frame to frame.
// A face is {points: [[x, y], ...], confidence: [0..1, ...], score, box}; frame and boxes as in boxes.js. Where it is
// followed, `cut` is the box at which it was cropped.

import { boxOf, crop, isInside, isSamePlace, isStill, squareOf, surest, toFrame } from "./boxes.js";
import { findBoxes } from "./detector.js";

const SIZE = 112; // pixels, the network's input
const MIN_SCORE = 0.1; // the mean peak of the 68 heatmaps that a face needs
const KEEP = 0.8; // of it, for a face that is followed
const [UNSURE, SURE] = [0.03, 0.11]; // peaks of a heatmap: a keypoint that is only guessed, and one that is seen
const DETECT_EVERY = 15; // frames
const FINEST_PICTURE = 1280, FINEST_VIDEO = 320; // pixels, the longer side of the detector's last look

// The networks, and the engine that runs them: "webgpu" where it is asked for and there is one, else WebAssembly.
export async function openNetworks(wanted) {
  const gpu = wanted === "webgpu" && await navigator.gpu?.requestAdapter();
  const ort = await import(gpu ? "./ort.webgpu.min.mjs" : "./ort.wasm.min.mjs");
  // threads need an isolated page (see build.py); half of the cores stay for the page itself
  const threads = self.crossOriginIsolated ? Math.min(4, Math.ceil(navigator.hardwareConcurrency / 2)) : 1;
  ort.env.wasm.numThreads = threads;
  const open = (file) => ort.InferenceSession.create(file, { executionProviders: [gpu ? "webgpu" : "wasm"] });
  const detector = await open("detector.onnx"), keypoints = await open("small.onnx");
  const engine = gpu ? "WebGPU" : `WebAssembly, ${threads} thread${threads > 1 ? "s" : ""}`;
  return { ort, detector, keypoints, engine };
}

// The faces that boxes lead to, one for each box.
export async function predict({ ort, keypoints }, frame, boxes) {
  if (!boxes.length) return [];
  const squares = boxes.map(squareOf), crops = new Float32Array(boxes.length * SIZE * SIZE);
  squares.forEach((square, n) => crops.set(crop(frame, square, SIZE), n * SIZE * SIZE));
  const images = new ort.Tensor("float32", crops, [boxes.length, 1, SIZE, SIZE]);
  const answer = await keypoints.run({ images });
  const count = answer.scores.data.length / boxes.length; // keypoints of a face
  return squares.map((square, n) => {
    const pairs = answer.keypoints.data.subarray(2 * n * count, 2 * (n + 1) * count);
    const peaks = Array.from(answer.scores.data.subarray(n * count, (n + 1) * count));
    const points = peaks.map((_, k) => toFrame([pairs[2 * k], pairs[2 * k + 1]], square, SIZE));
    const confidence = peaks.map((peak) => Math.min(Math.max((peak - UNSURE) / (SURE - UNSURE), 0), 1));
    return { points, confidence, score: peaks.reduce((a, b) => a + b) / count, box: boxOf(points) };
  });
}

// The faces of a picture beside the known ones. Each is cropped twice: at the detector's box, then at its keypoints.
export async function findFaces(networks, frame, finest = FINEST_PICTURE, known = []) {
  const boxes = await findBoxes(networks, frame, finest);
  const fresh = boxes.filter((box) => !known.some((face) => isSamePlace(face.box, box)));
  const first = await predict(networks, frame, fresh);
  const faces = await predict(networks, frame, first.map((face) => face.box));
  return surest(faces.filter((face) => face.score >= MIN_SCORE));
}

// The faces of a film's next frame: each is cropped where it was a frame ago. The detector looks now and then for
// faces that came in, and at once when one was lost.
export class Tracker {
  faces = [];
  count = 0;

  async next(networks, frame) {
    const boxes = this.faces.map(({ box, cut }) => (cut && isStill(cut, box) ? cut : box));
    const followed = (await predict(networks, frame, boxes)).map((face, n) => ({ ...face, cut: boxes[n] }));
    const kept = followed.filter(({ score, box }, n) =>
      score >= KEEP * MIN_SCORE && isSamePlace(this.faces[n].box, box) && isInside(box, frame));
    const detect = kept.length < Math.max(1, this.faces.length) || this.count++ % DETECT_EVERY === 0;
    this.faces = surest(detect ? [...kept, ...await findFaces(networks, frame, FINEST_VIDEO, kept)] : kept);
    return this.faces;
  }
}
