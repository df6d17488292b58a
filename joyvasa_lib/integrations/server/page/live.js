// The page: what is chosen goes to the server, what comes back is shown.
import { Player } from "./player.js";
import { Session, upload } from "./session.js";

const AHEAD = 1.5; // seconds that a recording is sent before it is heard
const PIECE = 0.1; // seconds of a piece of it
const SIZE = 512; // pixels of a frame's longer side at most
const QUALITY = 85; // of its JPEG
const WAITS = 6; // seconds in which the server's last avatar may end

const $ = (id) => document.getElementById(id);
const base = new URL(".", location.href);
const token = new URLSearchParams(location.search).get("token");
const context = newContext();
const player = new Player($("canvas"), context);

let session = null;
let recording = null; // samples [n] at the context's rate
let sending = 0; // number of the recording that is being sent; another stops it
let listening = null; // how to put the microphone away
let interrupted = false; // whether sound is of what was interrupted

if (window.parent !== window) document.body.classList.add("embedded");

function say(text, kind = "") {
  $("message").textContent = text;
  $("message").className = kind;
  $("message").hidden = !text;
}

function become(state, shown = state) {
  document.body.dataset.state = state;
  $("state").textContent = shown;
}

/** What plays and records, at a rate that the server takes. */
function newContext() {
  const own = new AudioContext();
  return own.sampleRate <= 48000 ? own : new AudioContext({ sampleRate: 48000 });
}

/** Runs what a person asked for; what goes wrong is a line on the page. */
function asked(work) {
  return async (event) => {
    context.resume(); // browsers allow sound once somebody has done something
    try {
      await work(event);
    } catch (error) {
      say(error.message);
    }
  };
}

// The portrait

async function connect(file) {
  say("");
  const closed = disconnect();
  become("loading", "reading the portrait");
  $("portrait-name").textContent = file.name;
  $("hint").hidden = true;
  let portrait;
  try {
    portrait = await upload(file, base, token);
    await closed;
  } catch (error) {
    disconnect();
    throw error;
  }
  if (portrait.warnings?.length) say(portrait.warnings.join(" "), "note");
  become("loading", "waking up");
  const start = { portrait: portrait.id, sample_rate: context.sampleRate, size: SIZE, quality: QUALITY };
  if ($("style").value) start.style = $("style").value;
  if (emotion()) start.emotion = emotion();
  open(start, WAITS);
}

/** Opens a session; where the server has no room it waits for some, so many times. */
function open(start, waits) {
  session = new Session(base, token, start, {
    ready: () => {
      become("idle");
      for (const part of ["sound", "manner"]) $(part).disabled = false;
    },
    frame: take,
    metrics: tell,
    error: (message) => say(message),
    closed: (busy) => {
      const over = session;
      session = null;
      if (busy && waits > 0) {
        say("");
        become("loading", "waiting for room");
        session = over; // until another is chosen
        setTimeout(() => session === over && open(start, waits - 1), 1000);
        return;
      }
      disconnect();
      if ($("message").hidden) say("The connection ended. Choose the portrait again to go on.");
    },
  });
}

function disconnect() {
  stopSending();
  listening?.();
  const closed = session?.close();
  session = null;
  interrupted = false;
  player.restart();
  player.clear();
  for (const part of ["sound", "manner"]) $(part).disabled = true;
  $("hint").hidden = false;
  $("portrait-name").textContent = "Choose an image with a face";
  $("metrics").textContent = "\u00a0";
  become("empty", "not connected");
  return closed;
}

function take(frame) {
  if (frame.utterance_start || frame.state !== "speaking") interrupted = false;
  if (interrupted) frame = { ...frame, sound: frame.sound.subarray(0, 0) };
  if (frame.utterance_end) interrupted = false;
  player.add(frame).catch((error) => say(`A frame cannot be shown (${error.message})`));
}

player.onshown = (state) => {
  if (document.body.dataset.state !== state) become(state);
  $("interrupt").disabled = state !== "speaking" && !sending;
};

$("portrait").onchange = asked(async () => {
  const [file] = $("portrait").files;
  if (file) await connect(file);
  $("portrait").value = "";
});
$("stage").ondragover = (event) => {
  event.preventDefault();
  $("stage").classList.add("over");
};
$("stage").ondragleave = () => $("stage").classList.remove("over");
$("stage").ondrop = asked(async (event) => {
  event.preventDefault();
  $("stage").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) await connect(file);
});

// A recording

$("recording").onchange = asked(async () => {
  const [file] = $("recording").files;
  if (!file) return;
  $("recording").value = "";
  say("");
  recording = null;
  $("play").disabled = true;
  $("recording-name").textContent = file.name;
  try {
    recording = mono(await context.decodeAudioData(await file.arrayBuffer()));
  } catch {
    throw new Error(`${file.name} is no recording that this browser can read`);
  }
  $("play").disabled = false;
});

function mono(buffer) {
  const mixed = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < mixed.length; i++) mixed[i] += samples[i] / buffer.numberOfChannels;
  }
  return mixed;
}

$("play").onclick = asked(async () => {
  if (!session?.open || !recording) return;
  listening?.();
  interrupt();
  say("");
  const mine = (sending = performance.now());
  const { sampleRate } = context;
  const step = Math.round(PIECE * sampleRate);
  const samples = recording;
  for (let start = 0; start < samples.length; start += step) {
    const early = start / sampleRate - (performance.now() - mine) / 1000 - AHEAD;
    if (early > 0) await new Promise((resume) => setTimeout(resume, 1000 * early));
    if (sending !== mine || !session?.open) return;
    session.send(samples.subarray(start, start + step), "say");
  }
  session.tell({ type: "flush" });
  stopSending();
});

function stopSending() {
  sending = 0;
}

function interrupt() {
  const speaking = document.body.dataset.state === "speaking";
  if (speaking || sending) session?.tell({ type: "interrupt" });
  interrupted = speaking;
  stopSending();
  player.silence();
}

$("interrupt").onclick = asked(interrupt);

// The microphone

$("microphone").onclick = asked(async () => {
  if (listening) {
    listening();
    return;
  }
  if (!navigator.mediaDevices || !context.audioWorklet) {
    throw new Error("Browsers give the microphone only to this computer's own pages, or over https");
  }
  say("");
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: true, noiseSuppression: true, channelCount: 1 },
  });
  await context.audioWorklet.addModule(new URL("microphone.js", base));
  const source = context.createMediaStreamSource(stream);
  const pieces = new AudioWorkletNode(context, "pieces", { numberOfOutputs: 0 });
  pieces.port.onmessage = ({ data }) => session?.send(data, $("role").value);
  source.connect(pieces);
  listening = () => {
    source.disconnect();
    pieces.port.onmessage = null;
    for (const track of stream.getTracks()) track.stop();
    listening = null;
    $("microphone").setAttribute("aria-pressed", "false");
    $("microphone").textContent = "Use microphone";
    session?.tell({ type: "flush" });
  };
  stopSending();
  $("microphone").setAttribute("aria-pressed", "true");
  $("microphone").textContent = "Microphone is on";
});

window.addEventListener("pagehide", () => session?.close());

// Manner

function emotion() {
  return $("emotion").value && `${$("emotion").value}:${$("level").value}`;
}

$("emotion").onchange = $("level").onchange = () => {
  session?.tell({ type: "emotion", value: emotion() || null });
};
$("level").oninput = () => {
  $("level-shown").textContent = Number($("level").value).toFixed(2).replace(/0$/, "");
};
$("style").onchange = () => session?.tell({ type: "style", value: $("style").value || null });

// Numbers

let counted = { shown: 0, at: performance.now() };
let rate = 0;
setInterval(() => {
  const now = performance.now();
  rate = (1000 * (player.shown - counted.shown)) / (now - counted.at);
  counted = { shown: player.shown, at: now };
  session?.tell({ type: "metrics" });
}, 1000);

function tell(numbers) {
  const parts = [`${rate.toFixed(0)} frames a second`];
  const add = (value, text) => typeof value === "number" && parts.push(text(value));
  add(numbers.first_frame_ms, (x) => `first frame after ${x.toFixed(0)} ms`);
  add(numbers.av_offset_ms, (x) => `image ${Math.abs(x).toFixed(0)} ms off its sound`);
  add(numbers.dropped, (x) => `${x} dropped`);
  add(numbers.real_time_factor, (x) => `real-time factor ${x.toFixed(2)}`);
  $("metrics").textContent = parts.join(" · ");
}
