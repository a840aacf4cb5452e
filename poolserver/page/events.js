/** The log's lines, the newest first: what the stream brings comes in at the top. */

import { choice } from "./charts.js";
import { card, h, setClass, setText } from "./dom.js";
import { moment, plural, utc, words } from "./format.js";
import { fieldsText } from "./overview.js";
import { VirtualGrid } from "./virtual.js";

const RANK = { debug: 0, info: 1, warning: 2, error: 3, critical: 4 };
const COLUMNS = [{ title: "Time", class: "c-time" }, { title: "Level", class: "c-level" }, { title: "Event", class: "c-name" }, { title: "What it tells", class: "c-fields" }];

export class EventsView {
  title = "Events";
  #app;
  #shown = [];
  #query = {};
  #search = h("input", { type: "search", "aria-label": "Search events", placeholder: "Event or text", oninput: () => this.#app.go({ view: "events", query: { ...this.#query, q: this.#search.value } }, true) });
  #levels;
  #note = h("p", { class: "quiet", role: "status" });
  #detail = h("pre", { class: "event-detail", hidden: true, tabindex: 0 });

  constructor(app) {
    this.#app = app;
    this.#levels = choice("Least level", { "": "All", warning: "Warnings", error: "Errors" }, "", (level) => app.go({ view: "events", query: { ...this.#query, level } }, true));
    this.grid = new VirtualGrid({
      label: "Events", class: "events", rowHeight: 30, columns: COLUMNS,
      make: () => COLUMNS.map(({ class: name }) => h("div", { role: "gridcell", class: name })),
      fill: (row, cells, index) => this.#fill(row, cells, index),
      open: (index) => this.#open(index),
      empty: "No such event since the pool began, or among its last thousand.",
    });
    this.element = card("Events", { class: "fill" }, h("div", { class: "bar" }, this.#search, this.#levels, this.#note), this.grid.element, this.#detail);
  }

  routed({ query }) {
    this.#query = query;
    if (document.activeElement !== this.#search) this.#search.value = query.q ?? "";
    this.#levels.choose(query.level ?? "");
    this.update("events");
  }

  update(topic) {
    if (topic !== "events") return;
    const least = RANK[this.#query.level] ?? 0;
    const text = (this.#query.q ?? "").toLowerCase();
    const { events } = this.#app.store;
    const isWanted = (event) => (RANK[event.level] ?? 1) >= least && (!text || `${event.event} ${words(event.event)} ${fieldsText(event)}`.toLowerCase().includes(text));
    const before = this.#shown[0]?.id;
    this.#shown = events.filter(isWanted);
    const news = before == null ? 0 : Math.max(0, this.#shown.findIndex(({ id }) => id === before));
    const { active, element } = this.grid;
    if (active >= 0) this.grid.active = active + news;
    this.grid.setCount(this.#shown.length);
    // Who reads further down stays with what is read.
    if (element.scrollTop > 0 && news) element.scrollTop += news * 30;
    setText(this.#note, plural(this.#shown.length, "event"));
  }

  close() {
    this.grid.close();
  }

  #fill(row, cells, index) {
    const event = this.#shown[index];
    if (!event) return;
    const [time, level, name, fields] = cells;
    setText(time, moment(event.at, this.#app.store.now(), true));
    time.title = utc(event.at);
    setText(level, event.level);
    setText(name, words(event.event));
    setText(fields, fieldsText(event));
    setClass(row, "is-error", (RANK[event.level] ?? 0) >= RANK.error);
    setClass(row, "is-warning", event.level === "warning");
  }

  #open(index) {
    const event = this.#shown[index];
    if (!event) return;
    const lines = [`${utc(event.at)}  ${event.level}  ${event.event}`, ...Object.entries(event.fields).map(([name, value]) => `${name}: ${value}`)];
    this.#detail.hidden = false;
    setText(this.#detail, lines.join("\n"));
  }
}
