// Shows frames and plays their sound by one clock, that of the sound.

const LEAD = 0.15; // seconds that a frame waits, so that one that comes a little late is in time
const MOST_WAITING = 120; // frames that wait while the page is not seen

export class Player {
  constructor(canvas, context) {
    this.canvas = canvas;
    this.picture = canvas.getContext("2d");
    this.context = context;
    this.shown = 0;
    this.restart();
    const draw = () => {
      this.draw();
      requestAnimationFrame(draw);
    };
    requestAnimationFrame(draw);
  }

  /** Forgets everything: other frames follow. */
  restart() {
    this.silence();
    for (const frame of this.waiting || []) frame.bitmap.close();
    this.waiting = [];
    this.offset = null; // of the clock against presentation times
    this.clock = "";
  }

  /** Ends the sound that is heard. */
  silence() {
    for (const source of this.sources || []) source.stop();
    this.sources = new Set();
    this.until = 0; // when the last sound ends
  }

  /** Shows nothing. */
  clear() {
    this.picture.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** Seconds. Sound that may not be played yet has no time; then it is the computer's. */
  now() {
    this.clock = this.context.state === "running" ? "sound" : "computer";
    return this.clock === "sound" ? this.context.currentTime : performance.now() / 1000;
  }

  /** Takes a frame as it comes. */
  async add(frame) {
    const before = this.clock;
    const now = this.now();
    const early = this.offset === null ? 0 : this.offset + frame.time - now;
    const quiet = this.until <= now;
    if (this.offset === null || before !== this.clock || early < 0.01 || (quiet && early > 0.4)) {
      this.offset = now + LEAD - frame.time;
    }
    if (frame.sound.length && this.clock === "sound") this.play(frame);
    const bitmap = await createImageBitmap(frame.image);
    this.waiting.push({ time: frame.time, bitmap, state: frame.state });
    this.waiting.sort((a, b) => a.time - b.time);
    while (this.waiting.length > MOST_WAITING) this.waiting.shift().bitmap.close();
  }

  play({ time, sound, sample_rate }) {
    const buffer = this.context.createBuffer(1, sound.length, sample_rate);
    buffer.copyToChannel(sound, 0);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.context.destination);
    source.onended = () => this.sources.delete(source);
    const due = this.offset + time;
    const start = Math.abs(due - this.until) < 0.02 ? this.until : Math.max(due, this.until);
    source.start(start); // pieces that follow each other are heard as one
    this.sources.add(source);
    this.until = start + buffer.duration;
  }

  /** Shows the newest frame that is due, when its sound comes out of the loudspeaker. */
  draw() {
    if (this.offset === null || !this.waiting.length) return;
    const heard = this.now() - (this.context.outputLatency || 0);
    let due = null;
    while (this.waiting.length && this.offset + this.waiting[0].time <= heard) {
      due?.bitmap.close();
      due = this.waiting.shift();
    }
    if (!due) return;
    const { width, height } = due.bitmap;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      Object.assign(this.canvas, { width, height });
    }
    this.picture.drawImage(due.bitmap, 0, 0);
    due.bitmap.close();
    this.shown += 1;
    this.canvas.dataset.shown = this.shown;
    this.onshown?.(due.state);
  }
}
