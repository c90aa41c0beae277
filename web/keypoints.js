// Keypoints in the visitor's browser: the crop rule of boxes.py, the network, and the loop over the camera's frames.
// A box is [x, y, width, height] in pixels of the frame; pixel (0, 0) is centred on the coordinate (0, 0).

import * as ort from "./ort.wasm.min.mjs";

const SIZE = 112; // pixels, the network's input
const MARGIN = 0.2; // of the face's longer side, on each of the four sides
const MIN_SCORE = 0.1; // below it there is no face
const CENTRAL = [0.45, 0.6, 0.8]; // sides of the first boxes, as parts of the frame's height
const REGIONS = [[17, "#56B4E9"], [27, "#E69F00"], [36, "#009E73"], [48, "#F0E442"], [68, "#CC79A7"]]; // as in plots.py
const SENTENCES = {
  insecure: "The browser gives its camera only to pages on https or localhost: open this page through one of these.",
  NotAllowedError: "The browser does not allow this page to use the camera: allow it by the sign beside the address, then"
    + " press Start again.",
  NotFoundError: "No camera was found: connect one and press Start again.",
  NotReadableError: "The camera is in use or does not answer: close other programs that use it, then press Start again.",
  ended: "The camera was unplugged or taken away: connect it and press Start again.",
};

export function boxOf(points) { // [[x, y], ...]
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return [left, top, Math.max(...xs) - left, Math.max(...ys) - top];
}

export function squareOf([x, y, w, h]) {
  const side = Math.max(w, h, 1) * (1 + 2 * MARGIN);
  return [x + w / 2 - side / 2, y + h / 2 - side / 2, side];
}

// Gray levels 0..1 of a square, edges repeated; a large face is averaged down, so that no detail aliases.
export function crop({ data, width, height }, [left, top, side]) {
  const step = side / SIZE, samples = Math.max(1, Math.round(step)), out = new Float32Array(SIZE * SIZE);
  const gray = (x, y) => {
    const i = 4 * (Math.min(Math.max(y, 0), height - 1) * width + Math.min(Math.max(x, 0), width - 1));
    return 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  };
  for (let i = 0; i < SIZE * SIZE; i++) {
    let sum = 0;
    for (let k = 0; k < samples * samples; k++) {
      const x = left - 0.5 + ((i % SIZE) + ((k % samples) + 0.5) / samples) * step;
      const y = top - 0.5 + (Math.floor(i / SIZE) + (Math.floor(k / samples) + 0.5) / samples) * step;
      const [x0, y0] = [Math.floor(x), Math.floor(y)], [fx, fy] = [x - x0, y - y0];
      sum += (1 - fy) * ((1 - fx) * gray(x0, y0) + fx * gray(x0 + 1, y0))
        + fy * ((1 - fx) * gray(x0, y0 + 1) + fx * gray(x0 + 1, y0 + 1));
    }
    out[i] = sum / (255 * samples * samples);
  }
  return out;
}

// The faces {points, score} that boxes of a frame lead to, one a box.
async function look(session, frame, boxes) {
  const squares = boxes.map(squareOf), images = new Float32Array(boxes.length * SIZE * SIZE);
  squares.forEach((square, n) => images.set(crop(frame, square), n * SIZE * SIZE));
  const answer = await session.run({ images: new ort.Tensor("float32", images, [boxes.length, 1, SIZE, SIZE]) });
  const [keypoints, scores] = [answer.keypoints.data, answer.scores.data], count = scores.length / boxes.length;
  return squares.map(([left, top, side], n) => {
    const points = [];
    for (let k = n * count; k < (n + 1) * count; k++) {
      points.push([0, 1].map((axis) => (keypoints[2 * k + axis] + 0.5) * (side / SIZE) + [left, top][axis] - 0.5));
    }
    return { points, score: scores.slice(n * count, (n + 1) * count).reduce((a, b) => a + b) / count };
  });
}

function centralBoxes({ width, height }) {
  return CENTRAL.map((part) => [(width - part * height) / 2, ((1 - part) * height) / 2, part * height, part * height]);
}

// Follow a face by its last box, or look for one about the middle; null where there is none.
async function find(session, frame, known) {
  if (known) {
    const [face] = await look(session, frame, [boxOf(known.points)]);
    return isStep(boxOf(known.points), boxOf(face.points)) && face.score > 0.8 * MIN_SCORE ? face : null;
  }
  const faces = await look(session, frame, centralBoxes(frame));
  const best = faces.reduce((a, b) => (b.score > a.score ? b : a));
  const [face] = await look(session, frame, [boxOf(best.points)]); // once more, cropped at its own keypoints
  return face.score > MIN_SCORE ? face : null;
}

function isStep(old, now) { // can this box of a face be that one a frame later?
  const [side, next] = [Math.max(old[2], old[3]), Math.max(now[2], now[3])];
  const moved = Math.max(...[0, 1].map((i) => Math.abs(now[i] + now[i + 2] / 2 - old[i] - old[i + 2] / 2)));
  return next > 0 && moved < 0.5 * side && next / side < 1.5 && side / next < 1.5;
}

// ------------------------------------------------------------------------------------------------------- the page

const at = (id) => document.getElementById(id);
const picture = at("picture"), pen = picture.getContext("2d");
const work = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
const worked = work.getContext("2d", { willReadFrequently: true });
const live = picture.live = { running: false, face: null, drawn: 0, stream: null }; // seen by the tests
let session, generation = 0;

const say = (text) => { if (at("status").textContent !== text) at("status").textContent = text; };

function draw(face) {
  if (picture.width !== work.width || picture.height !== work.height) {
    Object.assign(picture, { width: work.width, height: work.height });
  }
  pen.drawImage(work, 0, 0);
  if (!face) return drawOval();
  const radius = Math.max(1.8, Math.max(...boxOf(face.points).slice(2)) / 75);
  face.points.forEach(([x, y], i) => {
    pen.beginPath();
    pen.arc(x + 0.5, y + 0.5, radius, 0, 2 * Math.PI); // a canvas counts from the corner of its first pixel
    pen.fillStyle = REGIONS.find(([end]) => i < end)[1];
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = "rgba(0, 0, 0, 0.6)";
    pen.stroke();
  });
}

function drawOval() {
  const { width, height } = picture;
  for (const [colour, thick] of [["rgba(0, 0, 0, 0.55)", 7], ["#ffffff", 3]]) {
    pen.beginPath();
    pen.ellipse(width / 2, height / 2, 0.27 * height, 0.36 * height, 0, 0, 2 * Math.PI);
    Object.assign(pen, { strokeStyle: colour, lineWidth: thick });
    pen.setLineDash([14, 10]);
    pen.stroke();
  }
  pen.setLineDash([]);
}

function stop(sentence = "Stopped: the camera is off.") {
  generation += 1;
  live.stream?.getTracks().forEach((track) => track.stop());
  Object.assign(live, { running: false, stream: null, face: null });
  pen.clearRect(0, 0, picture.width, picture.height);
  drawOval();
  picture.setAttribute("aria-label", "Picture of the camera, stopped");
  [at("start").disabled, at("stop").disabled] = [!session, true];
  at("fps").textContent = at("ms").textContent = "–";
  say(sentence);
}

async function start() {
  if (!navigator.mediaDevices?.getUserMedia) return stop(SENTENCES.insecure);
  const mine = generation += 1;
  [at("start").disabled, at("stop").disabled] = [true, false];
  say("Waiting for the camera: the browser may ask whether this page may use it.");
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
  try {
    const wanted = { width: { ideal: 640 }, height: { ideal: 480 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    if (mine !== generation) return stream.getTracks().forEach((track) => track.stop());
    Object.assign(live, { running: true, stream });
    stream.getVideoTracks()[0].addEventListener("ended", () => { if (mine === generation) stop(SENTENCES.ended); });
    video.srcObject = stream;
    await video.play();
    await loop(video, mine);
  } catch (error) {
    if (mine !== generation) return; // stopped by hand
    stop(SENTENCES[error.name] || `Something went wrong (${error.name}: ${error.message}): press Start again.`);
  }
}

async function loop(video, mine) {
  const times = [];
  while (mine === generation) {
    await new Promise((resolve) => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(resolve);
      else requestAnimationFrame(resolve);
    });
    if (mine !== generation || !video.videoWidth) continue;
    if (work.width !== video.videoWidth || work.height !== video.videoHeight) {
      Object.assign(work, { width: video.videoWidth, height: video.videoHeight });
      live.face = null;
    }
    worked.drawImage(video, 0, 0);
    const begun = performance.now();
    const face = await find(session, worked.getImageData(0, 0, work.width, work.height), live.face);
    if (mine !== generation) return;
    const now = performance.now();
    times.push([now, now - begun]);
    while (times[0][0] < now - 2000) times.shift();
    draw(face);
    Object.assign(live, { face, drawn: live.drawn + 1 });
    report(times, face);
  }
}

function report(times, face) {
  const span = times[times.length - 1][0] - times[0][0];
  at("fps").textContent = span ? ((1000 * (times.length - 1)) / span).toFixed(0) : "–";
  at("ms").textContent = (times.reduce((sum, [, spent]) => sum + spent, 0) / times.length).toFixed(1);
  picture.setAttribute("aria-label", face ? "Picture of the camera: a face with 68 keypoints" : "Picture of the camera");
  say(face ? "Found: move as you like." : "Hold your face in the oval.");
}

at("start").addEventListener("click", start);
at("stop").addEventListener("click", () => stop());
at("mirror").addEventListener("change", () => picture.classList.toggle("mirrored", at("mirror").checked));
window.addEventListener("pagehide", () => stop());
drawOval();
say("Loading the network.");
try {
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  session = await ort.InferenceSession.create("small.onnx", { executionProviders: ["wasm"] });
  stop("Press Start and hold your face in the oval.");
} catch (error) {
  say(`The network could not be loaded (${error.message}): reload the page, or run make web again.`);
}
