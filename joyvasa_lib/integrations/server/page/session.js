// Talks to the server: a portrait is uploaded once, then one WebSocket carries everything.

const BUSY = 1013; // with which a server that has no room closes (RFC 6455)

/** Sends an image; returns what the server calls it. Throws an Error with the server's line. */
export async function upload(file, base, token) {
  const form = new FormData();
  form.append("image", file);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(new URL("v1/portraits", base), { method: "POST", body: form, headers });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.detail || `The server answered ${answer.status}`);
  return said;
}

/** A live avatar. `on` has ready, frame, metrics, error and closed, each called with its values; that of
 * closed is whether the server had no room. */
export class Session {
  constructor(base, token, start, on) {
    const url = new URL("v1/live", base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (token) url.searchParams.set("token", token);
    this.role = "say";
    this.on = on;
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.tell({ type: "start", ...start });
    this.socket.onclose = ({ code }) => on.closed(code === BUSY);
    this.socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        on.frame(readFrame(data));
        return;
      }
      const { type, ...values } = JSON.parse(data);
      if (type === "ready") on.ready(values);
      else if (type === "metrics") on.metrics(values);
      else if (type === "error") on.error(values.message);
    };
  }

  get open() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  tell(message) {
    if (this.open) this.socket.send(JSON.stringify(message));
  }

  /** Sends sound in [-1, 1] that the portrait is to "say", or to "listen" to. */
  send(samples, role) {
    if (!this.open) return;
    if (role !== this.role) this.tell({ type: role });
    this.role = role;
    const pcm = new DataView(new ArrayBuffer(2 * samples.length));
    samples.forEach((x, i) => pcm.setInt16(2 * i, Math.max(-1, Math.min(1, x)) * 32767, true));
    this.socket.send(pcm.buffer);
  }

  /** Ends it; resolves when the server has room for another. */
  close() {
    this.socket.onmessage = null;
    const closed = new Promise((resolve) => {
      this.socket.onclose = resolve;
      setTimeout(resolve, 3000);
    });
    if (this.open) this.tell({ type: "close" });
    else this.socket.close();
    return this.socket.readyState === WebSocket.CLOSED ? Promise.resolve() : closed;
  }
}

/** A frame: four bytes with the length of its header, the header as JSON, its JPEG, its PCM16. */
function readFrame(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const image = new Blob([new Uint8Array(data, 4 + length, header.jpeg)], { type: "image/jpeg" });
  const pcm = new DataView(data, 4 + length + header.jpeg, header.audio);
  const sound = new Float32Array(header.audio / 2);
  for (let i = 0; i < sound.length; i++) sound[i] = pcm.getInt16(2 * i, true) / 32768;
  return { ...header, image, sound };
}
