// The picture of the live demo. A Hub with the camera lives in `initialize`, once per model; views only draw.
//
// Messages to the kernel:   hello, frame [jpeg], ack, seen, stop
// Messages from the kernel: start, stop, result [keypoints, jpeg?], drop, frame [keypoints, jpeg], readout
// A frame that was sent keeps its canvas until the answer comes, so keypoints are drawn on the very frame they belong to.

const WINDOW = 3; // frames in flight: on the way, worked on, and one for the moments of the detector
const LOST_MS = 5000; // a frame without an answer for so long no longer counts as in flight
const SILENT_MS = 10000; // a kernel that is silent for so long is gone: camera off
const ORPHAN_MS = 2000; // so long without a view: camera off
const HISTORY_MS = 30000;
const REGIONS = [[17, "#56B4E9"], [27, "#E69F00"], [36, "#009E73"], [48, "#F0E442"], [68, "#CC79A7"]]; // faces/landmarks.py
const LEVELS = { negative: -1, neutral: 0, positive: 1 }; // of the rules
const EXPECTED = "How far the keypoints of the first face are expected to be off, as a share of the distance between its outer eye corners";
const VALENCES = { "valence 1": 1, "0": 0, "-1": -1 }; // of the network

const SENTENCES = {
  insecure: "The browser gives its camera only to pages on https or localhost: open this notebook through one of these"
    + " (an SSH tunnel to localhost will do), or choose the source puppet.",
  NotAllowedError: "The browser does not allow this page to use the camera: allow it by the sign beside the address,"
    + " then press Start again, or choose the source puppet.",
  NotFoundError: "No camera was found: connect one and press Start again, or choose the source puppet.",
  NotReadableError: "The camera is in use or does not answer: close other programs that use it, then press Start again.",
  ended: "The camera was unplugged or taken away: connect it and press Start again.",
  silent: "The kernel has not answered for 10 seconds, so the camera was turned off: when it is back, run the cell and"
    + " press Start again.",
};

function sentence({ name, message }) {
  return SENTENCES[name] || `The camera could not be opened (${name}: ${message}): press Start again, or choose the source puppet.`;
}

function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null;
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const decode = (jpeg) => createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));

// ---------------------------------------------------------------------------------------------- frame rate, latency

class Meter {
  constructor() {
    this.reset();
  }

  reset() {
    this.recent = []; // when the frames of the last three seconds were drawn, and their round trips
    this.log = null; // a benchmark sets an array, which gets all of them
    this.total = { drawn: 0, dropped: 0, lost: 0 };
  }

  drawn(roundTrip) {
    const now = performance.now();
    this.total.drawn += 1;
    this.recent.push([now, roundTrip]);
    this.log?.push([now, roundTrip]);
  }

  read() {
    this.recent = this.recent.filter(([when]) => when > performance.now() - 3000);
    const times = this.recent.map(([when]) => when);
    const trips = this.recent.map(([, trip]) => trip);
    const span = times.length > 1 ? times[times.length - 1] - times[0] : 0;
    const fps = span ? (1000 * (times.length - 1)) / span : 0;
    return { fps, p50: percentile(trips, 0.5), p95: percentile(trips, 0.95), ...this.total };
  }
}

// ---------------------------------------------------------------------------------------------- the browser's camera

class Camera {
  constructor(hub) {
    Object.assign(this, { hub, stream: null, generation: 0, inFlight: new Map() });
  }

  async open({ session, max_fps, side }) {
    this.close();
    const generation = this.generation;
    if (!navigator.mediaDevices?.getUserMedia) throw { name: "insecure" };
    const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    if (generation !== this.generation) { // stopped while the browser was asking
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    Object.assign(this, { stream, session, side, gap: max_fps ? 1000 / max_fps : 0, pending: null, last: -1e9, id: 0, pool: [] });
    this.video = make("video", { muted: "", playsinline: "" });
    this.video.muted = true;
    this.video.srcObject = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (generation === this.generation) this.hub.halt(SENTENCES.ended);
    });
    await this.video.play().catch(() => {}); // a stop in between interrupts it, which is no fault
    if (generation !== this.generation) return;
    this.watch(generation);
    this.timer = setInterval(() => this.tick(), 1000); // a hidden page gets no video frames: one a second keeps it alive
  }

  close() {
    this.generation += 1;
    clearInterval(this.timer);
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.video) this.video.srcObject = null;
    this.stream = this.video = this.pending = null;
    this.inFlight.clear();
  }

  watch(generation) {
    this.video.requestVideoFrameCallback(() => {
      if (generation !== this.generation) return;
      this.watch(generation);
      this.take();
    });
  }

  tick() {
    const now = performance.now();
    for (const [id, frame] of this.inFlight) {
      if (now - frame.since > LOST_MS) {
        this.inFlight.delete(id);
        this.hub.meter.total.lost += 1;
      }
    }
    if (now - this.last > 900) this.take();
    this.pump();
  }

  take() {
    const now = performance.now();
    const { videoWidth, videoHeight } = this.video;
    if (now - this.last < this.gap - 4 || !videoWidth) return;
    this.last = now;
    const scale = Math.min(1, this.side / Math.max(videoWidth, videoHeight));
    const canvas = this.pending?.canvas || this.pool.pop() || document.createElement("canvas");
    const size = [videoWidth, videoHeight].map((value) => Math.round(value * scale));
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    canvas.getContext("2d", { willReadFrequently: true, alpha: false }).drawImage(this.video, 0, 0, ...size);
    if (this.pending) this.hub.meter.total.dropped += 1; // the newer frame takes its place
    this.pending = { canvas, since: now };
    this.pump();
  }

  pump() {
    if (!this.pending || this.inFlight.size >= WINDOW) return;
    const [frame, id] = [this.pending, ++this.id];
    this.pending = null;
    this.inFlight.set(id, frame);
    const jpeg = atob(frame.canvas.toDataURL("image/jpeg", 0.8).split(",")[1]); // toBlob waits for an idle page
    const bytes = Uint8Array.from(jpeg, (byte) => byte.charCodeAt(0));
    this.hub.send({ type: "frame", session: this.session, id }, [bytes.buffer]);
  }

  answered(message, buffers) {
    const frame = this.inFlight.get(message.id);
    if (!frame) return;
    this.inFlight.delete(message.id);
    if (message.type === "drop") this.hub.meter.total.dropped += 1;
    else if (buffers.length < 2) this.hub.show(frame.canvas, frame.since, message, buffers);
    else decode(buffers[1]).then((picture) => this.hub.show(picture, frame.since, message, buffers), () => {});
    this.pool.push(frame.canvas);
    this.pump();
  }
}

// ---------------------------------------------------------------------------------------------- drawing

function drawFaces(canvas, picture, faces, mirror) {
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    [canvas.width, canvas.height] = [picture.width, picture.height];
  }
  const pen = canvas.getContext("2d", { alpha: false });
  const x = (value) => (mirror ? canvas.width - 1 - value : value);
  pen.save();
  if (mirror) pen.setTransform(-1, 0, 0, 1, canvas.width, 0);
  pen.drawImage(picture, 0, 0);
  pen.restore();
  for (const { box: [left, top, width, height], keypoints, label, scales } of faces) {
    const radius = Math.max(1.2, Math.max(width, height) / 110);
    const count = keypoints.length / 2;
    let point = 0;
    for (const [end, colour] of count === 68 ? REGIONS : [[count, REGIONS[0][1]]]) {
      pen.fillStyle = colour;
      pen.beginPath();
      for (; point < end; point++) {
        const [px, py] = [x(keypoints[2 * point]) + 0.5, keypoints[2 * point + 1] + 0.5];
        pen.moveTo(px + radius, py);
        pen.arc(px, py, radius, 0, 2 * Math.PI);
      }
      pen.fill();
    }
    if (label) drawLabel(pen, scales ? [label, scales] : [label], x(left + width / 2), top - 0.22 * height);
  }
}

function drawLabel(pen, lines, middle, bottom) {
  const size = Math.max(13, Math.min(24, pen.canvas.height / 24));
  const fonts = [`600 ${size}px system-ui, sans-serif`, `${0.7 * size}px system-ui, sans-serif`];
  const widths = lines.map((line, i) => {
    pen.font = fonts[i];
    return pen.measureText(line).width;
  });
  const width = Math.max(...widths) + size;
  const height = lines.length > 1 ? 2.4 * size : 1.5 * size;
  const left = Math.max(0, Math.min(pen.canvas.width - width, middle - width / 2));
  const top = Math.max(0, bottom - 0.1 * size - height);
  pen.fillStyle = "rgba(0, 0, 0, 0.65)";
  pen.beginPath();
  pen.roundRect(left, top, width, height, size / 3);
  pen.fill();
  pen.fillStyle = "#fff";
  lines.forEach((line, i) => {
    pen.font = fonts[i];
    pen.fillText(line, left + size / 2, top + (i ? 2.0 : 1.08) * size);
  });
}

function drawHistory(element, history, levels) {
  const [left, right, now] = [58, element.clientWidth - 4, performance.now()];
  const x = (when) => (right - ((now - when) / HISTORY_MS) * (right - left)).toFixed(1);
  const y = (level) => (8 + (1 - level) * 35).toFixed(1);
  let [line, before] = ["", null];
  for (const { when, level } of history) {
    if (level === null) line += "";
    else if (before === null) line += `M${x(when)},${y(level)}`;
    else line += levels === LEVELS ? `H${x(when)}V${y(level)}` : `L${x(when)},${y(level)}`; // labels change in steps
    before = level;
  }
  const grid = Object.entries(levels).map(([name, level]) =>
    `<path class="fkd-grid" d="M${left},${y(level)}H${right}"/><text x="2" y="${+y(level) + 4}">${name}</text>`);
  element.innerHTML = `<svg width="100%" height="100%" aria-hidden="true">${grid.join("")}<text x="${left}" y="92">30 s ago</text>`
    + `<text x="${right}" y="92" text-anchor="end">now</text><path class="fkd-line" d="${line}"/></svg>`;
}

// ---------------------------------------------------------------------------------------------- one view

class View {
  constructor(el, hub) {
    this.hub = hub;
    const { model } = hub;
    this.canvas = make("canvas", { role: "img", "aria-label": "Live picture", width: 640, height: 480 });
    this.stop = make("button", { type: "button", class: "fkd-stop", title: "Works while the kernel is busy, too" }, "Stop camera");
    this.stop.addEventListener("click", () => hub.halt("Stopped: the camera is off.", true));
    this.status = make("p", { class: "fkd-status", role: "status", "aria-live": "polite" });
    this.numbers = Object.fromEntries(["fps", "latency", "dropped", "faces", "expected error", "emotion", "recording"].map((name) => [name, make("b")]));
    const readout = make("div", { class: "fkd-readout", role: "group", "aria-label": "Readout" });
    for (const [name, value] of Object.entries(this.numbers)) readout.append(make("div", {}, make("span", {}, `${name} `), value));
    this.numbers["expected error"].parentElement.title = EXPECTED;
    this.history = make("div", { class: "fkd-history", role: "img", "aria-label": "Emotion in the last 30 seconds" });
    this.why = make("p", { class: "fkd-why" });
    this.root = make("div", { class: "fkd-live" }, this.status,
      make("div", { class: "fkd-picture" }, this.canvas, this.stop), readout, this.why, this.history);
    this.root.live = hub; // for tests and the curious
    el.append(this.root);
    this.mirror = () => model.get("mirror");
    this.handlers = Object.entries({
      status: () => this.say(model.get("status")),
      mirror: () => this.draw(),
      caution: () => this.refresh(),
    });
    for (const [name, handler] of this.handlers) {
      model.on(`change:${name}`, handler);
      handler();
    }
    this.resized = new ResizeObserver(() => this.refresh()); // the chart, once there is room for it
    this.resized.observe(this.root);
  }

  remove() {
    this.resized.disconnect();
    for (const [name, handler] of this.handlers) this.hub.model.off(`change:${name}`, handler);
  }

  draw() {
    if (this.hub.shown) drawFaces(this.canvas, this.hub.shown.picture, this.hub.shown.faces, this.mirror());
  }

  say(text) {
    this.status.textContent = text;
  }

  refresh() {
    const { running, readout, face, faces, meter, levels, history, model } = this.hub;
    const measured = meter.read();
    const emotion = [face.label, face.scales].filter(Boolean).join(", ");
    const recording = running && typeof readout.recording === "number";
    const texts = {
      fps: running ? measured.fps.toFixed(1) : "–",
      latency: measured.p50 === null ? "–" : `${measured.p50.toFixed(0)} ms, p95 ${measured.p95.toFixed(0)} ms`,
      dropped: measured.dropped + measured.lost + (readout.dropped || 0),
      faces: running && this.hub.shown ? faces.length : "–",
      "expected error": typeof face.error === "number" ? `${(100 * face.error).toFixed(1)} %` : "–",
      emotion: emotion || "–",
      recording: recording ? `${readout.recording.toFixed(0)} s` : "off",
    };
    for (const [name, text] of Object.entries(texts)) this.numbers[name].textContent = text;
    this.root.dataset.state = running ? "running" : "stopped";
    this.root.dataset.recording = recording ? "on" : "off";
    this.stop.disabled = !running;
    this.why.textContent = model.get("caution") || (face.reason ? `${face.label}: ${face.reason}` : "");
    const count = `${faces.length} face${faces.length === 1 ? "" : "s"}`;
    this.canvas.setAttribute("aria-label", running ? `Live picture: ${count} ${faces.map(({ label }) => label || "").join(", ")}`
      : "Live picture, stopped");
    const quantity = levels === LEVELS ? "Emotion" : "Valence";
    this.history.setAttribute("aria-label", `${quantity} in the last 30 seconds, now ${emotion || "none"}`);
    drawHistory(this.history, history, levels);
  }
}

// ---------------------------------------------------------------------------------------------- the widget

class Hub {
  constructor(model) {
    Object.assign(this, { model, views: new Set(), meter: new Meter() });
    Object.assign(this, { running: false, session: null, shown: null, readout: {}, history: [], levels: LEVELS });
    this.camera = new Camera(this);
    model.on("msg:custom", (message, buffers) => {
      this.heard = performance.now();
      const current = message.session === undefined || message.session === this.session;
      if (current || message.type === "start") this[`on_${message.type}`]?.(message, buffers);
    });
    this.send({ type: "hello" });
  }

  send(message, buffers) {
    try {
      this.model.send(message, undefined, buffers);
    } catch (error) { // a kernel that is gone; its silence will end the run
      console.warn("live picture:", error);
    }
  }

  // The faces in the picture that is shown, and the first of them.
  get faces() {
    return this.shown?.faces || [];
  }

  get face() {
    return (this.running && this.faces[0]) || {};
  }

  // Everything off at once, here; the kernel hears of it when it can.
  halt(message, tell = Boolean(this.camera.stream)) {
    if (tell && this.session !== null) this.send({ type: "stop", session: this.session, message });
    this.camera.close();
    clearInterval(this.timer);
    Object.assign(this, { running: false, session: null });
    for (const view of this.views) {
      if (message) view.say(message);
      view.refresh();
    }
  }

  show(picture, since, message, [bytes]) {
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    let from = 0;
    const faces = message.faces.map((face) => ({ ...face, keypoints: values.subarray(from, (from += 2 * face.points)) }));
    this.shown = { picture, faces, id: message.id };
    for (const view of this.views) view.draw();
    this.meter.drawn(performance.now() - since);
  }

  tick() {
    const now = performance.now();
    if (now - this.heard > SILENT_MS) return this.halt(SENTENCES.silent);
    if (this.views.size) this.seen = now;
    else if (now - this.seen > ORPHAN_MS) return this.halt("");
    this.ticks += 1;
    if (this.ticks % 2 === 0) this.send({ type: "seen", session: this.session });
    const { label, valence } = this.face;
    const levels = typeof valence === "number" ? VALENCES : LEVELS;
    if (label && levels !== this.levels) Object.assign(this, { levels, history: [] });
    this.history.push({ when: now, level: valence ?? LEVELS[label] ?? null });
    this.history = this.history.filter(({ when }) => when > now - HISTORY_MS);
    for (const view of this.views) view.refresh();
  }

  async on_start(message) {
    this.halt("", false);
    this.meter.reset();
    const now = performance.now();
    Object.assign(this, { running: true, session: message.session, heard: now, seen: now, ticks: 0, readout: {}, shown: null, newest: 0 });
    this.timer = setInterval(() => this.tick(), 500);
    for (const view of this.views) view.refresh();
    if (message.source !== "browser") return;
    if (document.hidden || !this.views.size) return this.halt("", false); // another page shows it
    try {
      await this.camera.open(message);
    } catch (error) {
      if (this.session !== message.session) return;
      this.halt(sentence(error), true);
    }
  }

  on_stop(message) {
    this.halt(message.message || "", false);
  }

  on_result = (message, buffers) => this.camera.answered(message, buffers);

  on_drop = this.on_result;

  async on_frame(message, buffers) {
    const since = performance.now() - message.age;
    try {
      const picture = await decode(buffers[1]);
      if (message.session === this.session && message.id > this.newest) {
        this.newest = message.id;
        this.show(picture, since, message, buffers);
      }
    } finally {
      this.send({ type: "ack", session: message.session, id: message.id });
    }
  }

  on_readout(message) {
    this.readout = message;
  }
}

export default () => {
  let hub;

  function initialize({ model }) {
    hub = new Hub(model);
    const leave = () => hub.halt("");
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      hub.halt("", false);
    };
  }

  function render({ el }) {
    const view = new View(el, hub);
    hub.views.add(view);
    return () => {
      hub.views.delete(view);
      view.remove();
    };
  }

  return { initialize, render };
};
