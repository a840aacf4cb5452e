/**
 * Server-sent events by fetch, so that a token can go along (an EventSource cannot send one).
 * The format is that of WHATWG HTML, 9.2.6.
 */

/** Text in, events out. Lines and events may be cut anywhere. */
export class EventParser {
  #rest = "";
  #data = [];
  #type = "";
  lastId = "";
  retryMs = null;

  /** The events that end in this piece: {type, data, id}. */
  feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    return lines.flatMap((line) => this.#line(line) ?? []);
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return null;
  }

  #dispatch() {
    const [data, type] = [this.#data, this.#type || "message"];
    this.#data = [];
    this.#type = "";
    return data.length ? { type, data: data.join("\n"), id: this.lastId } : null;
  }
}

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** The pool sends a comment each 15 s at least: what is silent for longer than this is dead. */
const DEAD_AFTER_MS = 25_000;
/** A page that nobody sees for so long lets its place go. */
const ASLEEP_AFTER_MS = 60_000;

/** Holds a stream open, and comes back after each end. `on` has event, state and error. */
export class Stream {
  #api;
  #on;
  #controller = null;
  #lastId = "";
  #failures = 0;
  #firstWaitMs = FIRST_WAIT_MS;
  #timer = 0;
  #sleepTimer = 0;
  #stopped = true;

  constructor(api, on) {
    this.#api = api;
    this.#on = on;
    document.addEventListener("visibilitychange", () => this.#seen());
    addEventListener("online", () => this.#hurry());
  }

  start(lastId = this.#lastId) {
    this.stop();
    this.#lastId = lastId;
    this.#stopped = false;
    this.#failures = 0;
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#controller?.abort();
    this.#controller = null;
  }

  /** Try now what would be tried later. */
  #hurry() {
    if (!this.#stopped && !this.#controller) this.#connect();
  }

  #seen() {
    clearTimeout(this.#sleepTimer);
    if (document.hidden) {
      this.#sleepTimer = setTimeout(() => {
        if (this.#stopped) return;
        this.stop();
        this.#on.state("asleep");
        this.#sleepTimer = -1;
      }, ASLEEP_AFTER_MS);
    } else if (this.#sleepTimer === -1) {
      this.#sleepTimer = 0;
      this.start();
    } else this.#hurry();
  }

  async #connect() {
    clearTimeout(this.#timer);
    const controller = (this.#controller = new AbortController());
    let watchdog = 0;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => controller.abort(), DEAD_AFTER_MS);
    };
    try {
      alive();
      await this.#read(controller.signal, alive);
    } catch (error) {
      if (error.needsToken && this.#controller === controller) {
        this.stop();
        this.#on.error(error);
      }
    } finally {
      clearTimeout(watchdog);
    }
    if (this.#controller !== controller) return;
    this.#controller = null;
    this.#again();
  }

  async #read(signal, alive) {
    const headers = { Accept: "text/event-stream" };
    if (this.#lastId) headers["Last-Event-ID"] = this.#lastId;
    const reply = await this.#api.open("/stream", { headers, signal });
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = reply.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      for (const event of parser.feed(decoder.decode(value, { stream: true }))) {
        if (this.#failures || event.type === "status") this.#live();
        if (event.id) this.#lastId = event.id;
        this.#on.event(event.type, JSON.parse(event.data));
      }
      if (parser.retryMs != null) this.#firstWaitMs = Math.min(parser.retryMs, LONGEST_WAIT_MS);
    }
  }

  #live() {
    this.#failures = 0;
    this.#on.state("live");
  }

  #again() {
    // Not all at once: after a restart every page comes back.
    const spread = 0.75 + Math.random() / 2;
    const waitMs = Math.min(LONGEST_WAIT_MS, this.#firstWaitMs * 2 ** Math.min(this.#failures++, 6)) * spread;
    this.#on.state("reconnecting", Date.now() + waitMs);
    this.#timer = setTimeout(() => this.#connect(), waitMs);
  }
}
