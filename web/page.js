// The page: a camera or a picture, the loop over frames, buttons and what they say.

import { grayOf } from "./boxes.js";
import { drawGlasses, drawKeypoints } from "./draw.js";
import { findFaces, openNetworks, Tracker } from "./keypoints.js";

const MAX_SIDE = 1280; // pixels of a picture; a larger one is made smaller
const SENTENCES = {
  insecure: "The browser gives its camera only to pages on https or localhost: open this page through one of these, or"
    + " open a picture.",
  NotAllowedError: "The browser does not allow this page to use the camera: allow it by the sign beside the address,"
    + " then press Start again.",
  NotFoundError: "No camera was found: connect one and press Start again, or open a picture.",
  NotReadableError: "The camera is in use or does not answer: close other programs that use it, then press Start"
    + " again.",
  ended: "The camera was unplugged or taken away: connect it and press Start again.",
};

const at = (id) => document.getElementById(id);
const picture = at("picture"), pen = picture.getContext("2d");
const work = document.createElement("canvas"), worked = work.getContext("2d", { willReadFrequently: true });
const live = picture.live = { running: false, faces: [], drawn: 0, stream: null }; // seen by the tests
let networks, generation = 0; // a new generation ends the loop of the one before

const say = (text) => { if (at("status").textContent !== text) at("status").textContent = text; };
const counted = (faces) => `${faces.length || "no"} face${faces.length === 1 ? "" : "s"}`;

function show(source, faces) {
  if (picture.width !== source.width || picture.height !== source.height) {
    Object.assign(picture, { width: source.width, height: source.height });
  }
  pen.drawImage(source, 0, 0);
  for (const face of faces) {
    if (at("glasses").checked) drawGlasses(pen, face);
    if (at("keypoints").checked) drawKeypoints(pen, face);
  }
  Object.assign(live, { faces, drawn: live.drawn + 1 });
  picture.classList.toggle("mirrored", live.running && at("mirror").checked);
  picture.setAttribute("aria-label", `Picture with ${counted(faces)}` + (faces.length ? ", 68 keypoints on each" : ""));
}

function frameOf(source, width, height) {
  if (work.width !== width || work.height !== height) Object.assign(work, { width, height });
  worked.drawImage(source, 0, 0, width, height);
  return grayOf(worked.getImageData(0, 0, width, height));
}

function stop(sentence = "Stopped: the camera is off.") {
  generation += 1;
  live.stream?.getTracks().forEach((track) => track.stop());
  Object.assign(live, { running: false, stream: null, faces: [] });
  pen.clearRect(0, 0, picture.width, picture.height);
  picture.classList.remove("mirrored");
  picture.setAttribute("aria-label", "No picture yet");
  [at("start").disabled, at("stop").disabled, at("file").disabled] = [!networks, true, !networks];
  at("fps").textContent = at("ms").textContent = "–";
  say(sentence);
}

async function start() {
  if (!navigator.mediaDevices?.getUserMedia) return stop(SENTENCES.insecure);
  stop("Waiting for the camera: the browser may ask whether this page may use it.");
  const mine = generation;
  [at("start").disabled, at("stop").disabled] = [true, false];
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
  const times = [], tracker = new Tracker();
  while (mine === generation) {
    await new Promise((resolve) => {
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(resolve);
      else requestAnimationFrame(resolve);
    });
    if (mine !== generation || !video.videoWidth) continue;
    const begun = performance.now();
    const faces = await tracker.next(networks, frameOf(video, video.videoWidth, video.videoHeight));
    if (mine !== generation) return;
    const now = performance.now();
    times.push([now, now - begun]);
    while (times[0][0] < now - 2000) times.shift();
    show(work, faces);
    report(times, faces);
  }
}

function report(times, faces) {
  const span = times[times.length - 1][0] - times[0][0];
  at("fps").textContent = span ? ((1000 * (times.length - 1)) / span).toFixed(0) : "–";
  at("ms").textContent = (times.reduce((sum, [, spent]) => sum + spent, 0) / times.length).toFixed(1);
  say(`Found ${counted(faces)}.`);
}

async function openPicture(file) {
  stop("Looking for faces.");
  const mine = generation;
  try {
    const bitmap = await createImageBitmap(file), scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
    const begun = performance.now();
    const frame = frameOf(bitmap, Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
    const faces = await findFaces(networks, frame);
    if (mine !== generation) return;
    show(work, faces);
    at("ms").textContent = (performance.now() - begun).toFixed(0);
    say(`Found ${counted(faces)} in ${file.name}.`);
  } catch (error) {
    if (mine === generation) stop(`${file.name} cannot be read as a picture (${error.message}): choose a JPEG or PNG.`);
  }
}

async function open() {
  networks = null;
  stop("Loading the networks.");
  try {
    networks = await openNetworks(at("engine").value);
    at("ran").textContent = networks.engine;
    stop("Press Start, or open a picture.");
  } catch (error) {
    stop(`The networks could not be loaded (${error.message}): reload the page, or run make web again.`);
  }
}

at("start").addEventListener("click", start);
at("stop").addEventListener("click", () => stop());
at("file").addEventListener("change", () => {
  const [file] = at("file").files;
  at("file").value = ""; // the same file may be chosen again
  if (file) openPicture(file);
});
at("engine").addEventListener("change", open);
for (const id of ["mirror", "glasses", "keypoints"]) {
  at(id).addEventListener("change", () => { if (live.faces.length) show(work, live.faces); });
}
window.addEventListener("pagehide", () => stop());
await open();
