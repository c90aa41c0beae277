// The picture of the live demo. The camera lives in `initialize`, once for each model; views only draw.
//
// Messages to the kernel:  hello, cameras, opened, trouble, frame [jpeg], ack, seen, stop, fetch
// Messages from the kernel: start, stop, result [keypoints, jpeg?], drop, frame [keypoints, jpeg], readout, chunk [bytes]
// A frame that was sent keeps its canvas until the answer comes, so keypoints are drawn on the very frame they belong to.

const WINDOW = 3; // frames on their way at a time: on the way, worked on, and one for the moments of the detector
const LOST_MS = 5000; // a frame without an answer for so long no longer counts as on its way
const SILENT_MS = 10000; // a kernel without a word for so long is gone: camera off
const ORPHAN_MS = 2000; // so long without a view: camera off
const HISTORY_S = 30;
const REGIONS = [[17, "#56B4E9"], [27, "#E69F00"], [36, "#009E73"], [48, "#F0E442"], [68, "#CC79A7"]]; // as in plots.py
const LEVELS = { negative: -1, neutral: 0, positive: 1 }; // of the rules
const VALENCES = { "valence 1": 1, "0": 0, "-1": -1 }; // of the network

const SENTENCES = {
  insecure: "The browser gives its camera only to pages on https or localhost: open this notebook through one of these"
    + " (an SSH tunnel to localhost will do), or choose the source puppet.",
  NotAllowedError: "The browser does not allow this page to use the camera: allow it by the sign beside the address,"
    + " then press Start again, or choose the source puppet.",
  NotFoundError: "No camera was found: connect one and press Start again, or choose the source puppet.",
  NotReadableError: "The camera is in use or does not answer: close other programs that use it, then press Start again.",
  OverconstrainedError: "The chosen camera is not there any more: choose another one and press Start again.",
  ended: "The camera was unplugged or taken away: connect it and press Start again.",
  silent: "The kernel has not answered for 10 seconds, so the camera was turned off: when it is back, run the cell and"
    + " press Start again.",
};

function sentence(error) {
  return SENTENCES[error.name] || `The camera could not be opened (${error.name}: ${error.message}): press Start again,`
    + " or choose the source puppet.";
}

function percentile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] : null;
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// ---------------------------------------------------------------------------------------------- what is measured

class Meter {
  constructor() {
    this.reset();
  }

  reset() {
    this.times = []; // when the frames of the last three seconds were drawn, and their round trips
    this.log = null; // an array here, set by a benchmark, gets all of them
    this.total = { drawn: 0, dropped: 0, lost: 0 };
  }

  drawn(roundTrip) {
    const now = performance.now();
    this.total.drawn += 1;
    this.times.push([now, roundTrip]);
    this.log?.push([now, roundTrip]);
    while (this.times[0][0] < now - 3000) this.times.shift();
  }

  read() {
    const recent = this.times.filter(([when]) => when > performance.now() - 3000);
    const span = recent.length > 1 ? recent[recent.length - 1][0] - recent[0][0] : 0;
    const trips = recent.map(([, trip]) => trip);
    return {
      fps: span ? (1000 * (recent.length - 1)) / span : 0,
      p50: percentile(trips, 0.5), p95: percentile(trips, 0.95), ...this.total,
    };
  }
}

// ---------------------------------------------------------------------------------------------- the browser's camera

class Camera {
  // deliver(canvas, since, header, buffers): an answered frame; failed(sentence): it went off by itself
  constructor(send, meter, deliver, failed) {
    Object.assign(this, { send, meter, deliver, failed, stream: null, generation: 0 });
  }

  async open({ session, camera, max_fps, side }) {
    this.close();
    const mine = this.generation;
    if (!navigator.mediaDevices?.getUserMedia) throw { name: "insecure" };
    const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    if (camera) video.deviceId = { exact: camera };
    const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    if (mine !== this.generation) { // stopped while the browser was asking
      stream.getTracks().forEach((track) => track.stop());
      return null;
    }
    Object.assign(this, { stream, session, side, gap: max_fps ? 1000 / max_fps : 0, pending: null, last: -1e9, id: 0 });
    this.flying = new Map();
    this.pool = [];
    this.video = make("video", { muted: "", playsinline: "" });
    this.video.muted = true;
    this.video.srcObject = stream;
    stream.getVideoTracks()[0].addEventListener("ended", () => {
      if (mine === this.generation) this.failed(SENTENCES.ended);
    });
    await this.video.play().catch(() => {}); // a stop in between interrupts it, which is no fault
    if (mine !== this.generation) return null;
    this.watch(mine);
    // a hidden page gets no video frames: one a second keeps the demo alive
    this.timer = setInterval(() => this.tick(), 1000);
    return { width: this.video.videoWidth, height: this.video.videoHeight };
  }

  close() {
    this.generation += 1;
    clearInterval(this.timer);
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.video) this.video.srcObject = null;
    this.stream = this.video = this.pending = null;
    this.flying?.clear();
  }

  watch(mine) {
    this.video.requestVideoFrameCallback(() => {
      if (mine !== this.generation) return;
      this.watch(mine);
      this.take();
    });
  }

  tick() {
    const now = performance.now();
    for (const [id, frame] of this.flying) {
      if (now - frame.since > LOST_MS) {
        this.flying.delete(id);
        this.meter.total.lost += 1;
      }
    }
    if (now - this.last > 900) this.take();
    this.pump();
  }

  take() {
    const now = performance.now();
    if (now - this.last < this.gap - 4 || !this.video.videoWidth) return;
    this.last = now;
    const scale = Math.min(1, this.side / Math.max(this.video.videoWidth, this.video.videoHeight));
    const canvas = this.pending?.canvas || this.pool.pop() || document.createElement("canvas");
    const size = [this.video.videoWidth, this.video.videoHeight].map((v) => Math.round(v * scale));
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    canvas.getContext("2d", { willReadFrequently: true, alpha: false }).drawImage(this.video, 0, 0, ...size);
    if (this.pending) this.meter.total.dropped += 1; // the newer frame takes its place
    this.pending = { canvas, since: now };
    this.pump();
  }

  async pump() {
    if (!this.pending || this.flying.size >= WINDOW) return;
    const [frame, mine, id] = [this.pending, this.generation, ++this.id];
    this.pending = null;
    this.flying.set(id, frame);
    const blob = await new Promise((done) => frame.canvas.toBlob(done, "image/jpeg", 0.8));
    const buffer = await blob?.arrayBuffer();
    if (mine === this.generation && buffer) this.send({ type: "frame", session: this.session, id }, [buffer]);
  }

  answered(header, buffers) {
    const frame = this.flying?.get(header.id);
    if (!frame) return;
    this.flying.delete(header.id);
    if (header.type === "drop") this.meter.total.dropped += 1;
    else this.deliver(frame.canvas, frame.since, header, buffers);
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
  for (const { box, keypoints, label, scales } of faces) {
    const [left, top, width, height] = box;
    const radius = Math.max(1.2, Math.max(width, height) / 110);
    let point = 0;
    for (const [end, colour] of REGIONS) {
      pen.fillStyle = colour;
      pen.beginPath();
      for (; point < Math.min(end, keypoints.length / 2); point++) {
        const [px, py] = [x(keypoints[2 * point]) + 0.5, keypoints[2 * point + 1] + 0.5];
        pen.moveTo(px + radius, py);
        pen.arc(px, py, radius, 0, 2 * Math.PI);
      }
      pen.fill();
    }
    if (label) {
      const size = Math.max(13, Math.min(24, canvas.height / 24));
      const fonts = [`600 ${size}px system-ui, sans-serif`, `${0.7 * size}px system-ui, sans-serif`];
      const lines = scales ? [label, scales] : [label];
      const widths = lines.map((words, i) => {
        pen.font = fonts[i];
        return pen.measureText(words).width;
      });
      const wide = Math.max(...widths) + size;
      const middle = mirror ? x(left + width / 2) : left + width / 2;
      const from = Math.max(0, Math.min(canvas.width - wide, middle - wide / 2));
      const high = scales ? 2.4 * size : 1.5 * size;
      const above = Math.max(0, top - 0.22 * height - 0.1 * size - high);
      pen.fillStyle = "rgba(0, 0, 0, 0.65)";
      pen.beginPath();
      pen.roundRect(from, above, wide, high, size / 3);
      pen.fill();
      pen.fillStyle = "#fff";
      lines.forEach((words, i) => {
        pen.font = fonts[i];
        pen.fillText(words, from + size / 2, above + (i ? 2.0 : 1.08) * size);
      });
    }
  }
}

function drawHistory(canvas, history, levels) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const [left, right, top, bottom] = [58, width - 4, 8, height - 18];
  const now = performance.now();
  const px = (when) => right - ((now - when) / (HISTORY_S * 1000)) * (right - left);
  const py = (level) => top + ((1 - level) / 2) * (bottom - top);
  pen.font = "11px system-ui, sans-serif";
  pen.fillStyle = style.color;
  pen.strokeStyle = style.getPropertyValue("--fkd-grid");
  pen.textBaseline = "middle";
  for (const [name, level] of Object.entries(levels)) {
    pen.beginPath();
    pen.moveTo(left, py(level));
    pen.lineTo(right, py(level));
    pen.stroke();
    pen.fillText(name, 2, py(level));
  }
  pen.textBaseline = "alphabetic";
  pen.fillText(`${HISTORY_S} s ago`, left, height - 4);
  pen.textAlign = "right";
  pen.fillText("now", right, height - 4);
  pen.strokeStyle = style.getPropertyValue("--fkd-line");
  pen.lineWidth = 2;
  pen.beginPath();
  let before = null;
  for (const { when, level } of history) {
    const known = typeof level === "number";
    if (known && before !== null && levels === LEVELS) pen.lineTo(px(when), py(before)); // labels change in steps
    if (known) pen[before === null ? "moveTo" : "lineTo"](px(when), py(level));
    before = known ? level : null;
  }
  pen.stroke();
}

// ---------------------------------------------------------------------------------------------- one view

class View {
  constructor(el, hub, model) {
    this.hub = hub;
    this.canvas = make("canvas", { role: "img", "aria-label": "Live picture", width: 640, height: 480 });
    this.stop = make("button", { type: "button", class: "fkd-stop", title: "Works while the kernel is busy, too" },
      "Stop camera");
    this.stop.addEventListener("click", () => hub.halt("Stopped: the camera is off.", true));
    this.status = make("p", { class: "fkd-status", role: "status", "aria-live": "polite" });
    this.numbers = Object.fromEntries(["fps", "latency", "dropped", "faces", "emotion", "recording"].map((name) => [name, make("b")]));
    const readout = make("div", { class: "fkd-readout", role: "group", "aria-label": "Readout" });
    for (const [name, value] of Object.entries(this.numbers)) readout.append(make("div", {}, make("span", {}, `${name} `), value));
    this.history = make("canvas", { class: "fkd-history", role: "img", "aria-label": "Emotion in the last 30 seconds" });
    this.why = make("p", { class: "fkd-why" });
    this.files = make("div", { class: "fkd-files" });
    this.root = make("div", { class: "fkd-live" }, this.status,
      make("div", { class: "fkd-picture" }, this.canvas, this.stop), readout, this.why, this.history, this.files);
    this.root.live = hub; // for tests and the curious
    el.append(this.root);
    this.says = () => this.say(model.get("status"));
    this.lists = () => this.list(model.get("saved"));
    this.redraws = () => hub.shown && this.draw(hub.shown, model.get("mirror"));
    this.caution = () => model.get("caution");
    this.refreshes = () => this.refresh();
    this.mirror = () => model.get("mirror");
    this.acts = [["status", this.says], ["saved", this.lists], ["mirror", this.redraws], ["caution", this.refreshes]];
    for (const [name, act] of this.acts) {
      model.on(`change:${name}`, act);
      act();
    }
    this.resized = new ResizeObserver(() => this.refresh()); // the chart, once there is room for it
    this.resized.observe(this.root);
    this.refresh();
  }

  draw({ picture, faces }) {
    drawFaces(this.canvas, picture, faces, this.mirror());
  }

  say(text) {
    this.status.textContent = text;
  }

  refresh() {
    const { hub, numbers } = this;
    const measured = hub.meter.read();
    const readout = hub.readout;
    this.root.dataset.state = hub.running ? "running" : "stopped";
    this.stop.disabled = !hub.running;
    numbers.fps.textContent = hub.running ? measured.fps.toFixed(1) : "–";
    numbers.latency.textContent = measured.p50 === null ? "–"
      : `${measured.p50.toFixed(0)} ms, p95 ${measured.p95.toFixed(0)} ms`;
    numbers.dropped.textContent = `${measured.dropped + measured.lost + (readout.dropped || 0)}`;
    const face = (hub.running && hub.face) || {};
    const said = [face.label, face.scales].filter(Boolean).join(", ");
    numbers.emotion.textContent = said || "–";
    this.why.textContent = this.caution() || (face.reason ? `${face.label}: ${face.reason}` : "");
    const recording = hub.running && typeof readout.recording === "number";
    numbers.recording.textContent = recording ? `${readout.recording.toFixed(0)} s` : "off";
    this.root.dataset.recording = recording ? "on" : "off";
    const faces = hub.shown?.faces || [];
    numbers.faces.textContent = hub.running && hub.shown ? `${faces.length}` : "–";
    this.canvas.setAttribute("aria-label", !hub.running ? "Live picture, stopped"
      : `Live picture: ${faces.length} face${faces.length === 1 ? "" : "s"} ${faces.map((face) => face.label || "").join(", ")}`);
    this.history.setAttribute("aria-label", `${hub.levels === LEVELS ? "Emotion" : "Valence"} in the last 30 seconds, now ${said || "none"}`);
    drawHistory(this.history, hub.history, hub.levels);
  }

  list(saved) {
    this.files.replaceChildren(...saved.map((file) => {
      const row = make("section", { class: "fkd-file", "aria-label": `Saved: ${file.name}` });
      const words = file.seconds ? `${file.seconds.toFixed(1)} s, ` : "";
      row.append(make("p", {}, `${words}${(file.size / 1e6).toFixed(2)} MB in `, make("code", {}, file.path)));
      const offer = (url) => {
        const shown = file.kind === "video" ? make("video", { controls: "", src: url, "aria-label": file.name })
          : make("img", { src: url, alt: "The snapshot: the live picture with its keypoints" });
        row.append(shown, make("a", { href: url, download: file.name }, `Download ${file.name}`));
      };
      if (this.hub.urls.has(file.name)) offer(this.hub.urls.get(file.name));
      else {
        const load = make("button", { type: "button" }, file.kind === "video" ? "Play here" : "Show here");
        load.addEventListener("click", () => this.hub.fetch(file));
        row.append(load);
      }
      return row;
    }));
  }
}

// ---------------------------------------------------------------------------------------------- the widget

export default () => {
  let hub;

  function initialize({ model }) {
    const client = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const views = new Set();
    const meter = new Meter();
    const send = (message, buffers) => {
      try {
        model.send({ client, ...message }, undefined, buffers);
      } catch (error) { // a kernel that is gone; silence will end it
        console.warn("live picture:", error);
      }
    };
    const pushed = { id: 0 }; // the newest frame of the kernel's own source
    hub = {
      views, meter, readout: {}, history: [], urls: new Map(), parts: new Map(), running: false, session: null, shown: null, face: null, label: null,
      levels: LEVELS,

      // Everything off at once, here; the kernel hears of it when it can.
      halt(words, tell = Boolean(camera.stream)) {
        if (tell && hub.session !== null) send({ type: "stop", session: hub.session, message: words });
        camera.close();
        clearInterval(hub.timer);
        hub.running = false;
        hub.session = null;
        for (const view of views) {
          if (words) view.say(words);
          view.refresh();
        }
      },

      fetch(file) {
        send({ type: "fetch", name: file.name, offset: 0 });
      },
    };
    const show = (picture, since, header, buffers) => {
      const values = new Float32Array(buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength));
      let from = 0;
      const faces = header.faces.map((face) => {
        const keypoints = values.subarray(from, from + 2 * face.points);
        from += 2 * face.points;
        return { ...face, keypoints };
      });
      hub.face = faces[0] || null;
      hub.label = hub.face?.label || null;
      hub.shown = { picture, faces, id: header.id };
      for (const view of views) view.draw(hub.shown);
      meter.drawn(performance.now() - since);
    };
    const deliver = (canvas, since, header, buffers) => {
      if (buffers.length < 2) return show(canvas, since, header, buffers);
      return decode(buffers[1]).then((picture) => show(picture, since, header, buffers), () => {});
    };
    const camera = hub.camera = new Camera(send, meter, deliver, (words) => hub.halt(words));
    const decode = (jpeg) => createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));

    const tick = () => {
      const now = performance.now();
      if (now - hub.heard > SILENT_MS) return hub.halt(SENTENCES.silent);
      if (views.size) hub.seen = now;
      else if (now - hub.seen > ORPHAN_MS) return hub.halt("");
      hub.ticks += 1;
      if (hub.ticks % 2 === 0) send({ type: "seen", session: hub.session, ...meter.read() });
      const { label, valence } = hub.face || {};
      const levels = !label ? hub.levels : typeof valence === "number" ? VALENCES : LEVELS;
      if (levels !== hub.levels) Object.assign(hub, { levels, history: [] });
      hub.history.push({ when: now, level: valence ?? LEVELS[label] });
      while (hub.history[0].when < now - HISTORY_S * 1000) hub.history.shift();
      for (const view of views) view.refresh();
    };

    const actions = {
      async start(message) {
        hub.halt("", false);
        meter.reset();
        const now = performance.now();
        Object.assign(hub, { running: true, session: message.session, heard: now, seen: now, ticks: 0, readout: {}, face: null, label: null });
        hub.timer = setInterval(tick, 500);
        for (const view of views) view.refresh();
        pushed.id = 0;
        if (message.source !== "browser") return;
        if (document.hidden || !views.size) return hub.halt("", false); // another page shows it
        try {
          const size = await camera.open(message);
          if (size) send({ type: "opened", session: message.session, ...size });
          const devices = await navigator.mediaDevices.enumerateDevices();
          const cameras = devices.filter((device) => device.kind === "videoinput" && device.deviceId);
          send({ type: "cameras", cameras: cameras.map(({ deviceId, label }, i) => [label || `camera ${i + 1}`, deviceId]) });
        } catch (error) {
          if (hub.session !== message.session) return;
          const words = sentence(error);
          send({ type: "trouble", session: message.session, name: error.name, message: words });
          hub.halt(words, false);
        }
      },

      stop(message) {
        if (!message.client || message.client === client) hub.halt(message.message || "", false);
      },

      result(message, buffers) {
        camera.answered(message, buffers);
      },

      drop(message) {
        camera.answered(message, []);
      },

      async frame(message, buffers) {
        const since = performance.now();
        try {
          const picture = await decode(buffers[1]);
          if (message.session === hub.session && message.id > pushed.id) {
            pushed.id = message.id;
            show(picture, since - message.age, message, buffers);
          }
        } finally { // without a view nobody watches: the kernel shall notice
          if (views.size) send({ type: "ack", session: message.session, id: message.id });
        }
      },

      readout(message) {
        hub.readout = message;
      },

      chunk(message, buffers) {
        if (message.client !== client) return; // another page asked
        if (!message.offset) hub.parts.set(message.name, []);
        const parts = hub.parts.get(message.name);
        parts.push(buffers[0]);
        const offset = message.offset + buffers[0].byteLength;
        if (offset < message.size && buffers[0].byteLength) return send({ type: "fetch", name: message.name, offset });
        hub.parts.delete(message.name);
        hub.urls.set(message.name, URL.createObjectURL(new Blob(parts, { type: message.mime })));
        for (const view of views) view.lists();
      },
    };
    model.on("msg:custom", (message, buffers) => {
      hub.heard = performance.now();
      const of_now = message.session === undefined || message.session === hub.session;
      if (of_now || message.type === "start") actions[message.type]?.(message, buffers);
    });
    send({ type: "hello" });
    const leave = () => hub.halt("");
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      hub.halt("", false);
      for (const url of hub.urls.values()) URL.revokeObjectURL(url);
    };
  }

  function render({ model, el }) {
    const view = new View(el, hub, model);
    hub.views.add(view);
    return () => {
      hub.views.delete(view);
      view.resized.disconnect();
      for (const [name, act] of view.acts) model.off(`change:${name}`, act);
    };
  }

  return { initialize, render };
};
