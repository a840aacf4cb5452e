/** Series over time by uPlot, with a line that reads them out, and as a table for who does not see them. */

import { h, newId, setText } from "./dom.js";
import { clock, moment, NOTHING, utc } from "./format.js";
import { onTheme } from "./theme.js";
import uPlot from "./vendor/uPlot.esm.js";

const HEIGHT = 180;
const MOST_TABLE_ROWS = 48;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * A chart. `series` are [{name, key, colour, width?, dash?, fill?, band?: key of what is above it, quiet?}], of data
 * {end_s, step_s, [key]: values}; `format` tells a value, `read(data, i)` a point, `summary(data)` the whole.
 */
export class Chart {
  element;
  #options;
  #plot = null;
  #data = null;
  #host;
  #readout;
  #table;
  #forget;

  constructor(options) {
    this.#options = options;
    const id = newId("chart");
    this.#host = h("div", {
      class: "plot", role: "img", tabindex: 0, "aria-describedby": `${id}-keys`,
      onkeydown: (event) => this.#key(event),
      onblur: () => this.#plot?.setCursor({ left: -10, top: -10 }),
    });
    this.#readout = h("p", { class: "readout" });
    this.#table = h("details", { class: "as-table", ontoggle: () => this.#fillTable() }, h("summary", {}, "As a table"), h("div", { class: "table-scroll" }));
    const legend = h("ul", { class: "legend", "aria-hidden": "true" }, options.series.filter(({ quiet }) => !quiet).map((each) => h("li", { class: `key key-${each.colour}${each.dash ? " key-dash" : ""}` }, each.name)));
    this.element = h("section", { class: `card chart ${options.class ?? ""}`, "aria-labelledby": `${id}-title` },
      h("header", { class: "card-head" }, h("h2", { id: `${id}-title` }, options.title), legend),
      this.#readout, this.#host,
      h("p", { id: `${id}-keys`, class: "hidden" }, "The left and right arrow keys read out points."), this.#table);
    this.#forget = onTheme(() => this.#build());
    this.observer = new ResizeObserver(() => this.#resize());
    this.observer.observe(this.#host);
  }

  close() {
    this.#forget();
    this.observer.disconnect();
    this.#plot?.destroy();
  }

  /** `data` as History has it. */
  show(data) {
    this.#data = data;
    this.#host.setAttribute("aria-label", this.#options.summary(data));
    if (this.#plot) this.#plot.setData(this.#columns());
    else this.#build();
    this.#read(null);
    if (this.#table.open) this.#fillTable();
  }

  #times() {
    const { end_s: end, step_s: step } = this.#data;
    const length = this.#data.hashrate_h_s.length;
    return Array.from({ length }, (_, i) => end - (length - 1 - i) * step);
  }

  #columns() {
    return [this.#times(), ...this.#options.series.map(({ key }) => this.#data[key])];
  }

  #resize() {
    const width = this.#host.clientWidth;
    if (this.#plot && width && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
    else if (!this.#plot) this.#build();
  }

  #build() {
    const width = this.#host.clientWidth;
    if (!this.#data || !width) return;
    this.#plot?.destroy();
    const { series, format } = this.#options;
    const text = colour("muted");
    const grid = { stroke: colour("line"), width: 1 };
    const font = "11px system-ui, sans-serif";
    const bands = series.flatMap(({ band, fill }, i) => band ? [{ series: [series.findIndex(({ key }) => key === band) + 1, i + 1], fill: colour(fill) }] : []);
    this.#plot = new uPlot({
      width, height: HEIGHT, bands,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_, low, high) => this.#range(low, high) } },
      axes: [
        { stroke: text, grid: { show: false }, ticks: grid, font, space: 60, size: 28, values: (_, ticks) => this.#ticks(ticks) },
        { stroke: text, grid, ticks: { show: false }, font, size: 68, space: 36, values: (_, ticks) => ticks.map((tick) => format(tick)) },
      ],
      series: [{}, ...series.map((each) => ({
        stroke: each.quiet ? "transparent" : colour(each.colour),
        width: each.width ?? (each.quiet ? 0 : 1.5),
        dash: each.dash,
        points: { show: false },
        spanGaps: false,
      }))],
      hooks: { setCursor: [(plot) => this.#read(plot.cursor.idx)] },
    }, this.#columns(), this.#host);
  }

  #ticks(ticks) {
    const isLong = ticks.length > 1 && ticks[1] - ticks[0] >= 43_200;
    return ticks.map((tick) => isLong ? moment(tick, 0).replace(/ \d+:\d+$/, "").replace(/ \d{4}$/, "") : clock(tick));
  }

  #range(low, high) {
    if (low == null) return [0, 1];
    if (this.#options.fromZero) return [0, (high || 1) * 1.08];
    const room = (high - low || Math.abs(high) || 1) * 0.12;
    return [Math.max(0, low - room), high + room];
  }

  /** The newest point that anything is known of: that of a step that has just ended may not be there yet. */
  #newest() {
    const { hashrate_h_s: known } = this.#data;
    const newest = known.findLastIndex((value) => value != null);
    return newest < 0 ? known.length - 1 : newest;
  }

  #read(index) {
    if (!this.#data) return;
    const i = index ?? this.#newest();
    const at = this.#times()[i];
    if (at == null) return setText(this.#readout, NOTHING);
    setText(this.#readout, `${moment(at, this.#data.end_s)}: ${this.#options.read(this.#data, i)}`);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.#plot) return;
    event.preventDefault();
    const last = this.#data.hashrate_h_s.length - 1;
    const index = Math.max(0, Math.min(last, (this.#plot.cursor.idx ?? last + (step > 0 ? -1 : 1)) + step));
    this.#plot.setCursor({ left: this.#plot.valToPos(this.#times()[index], "x"), top: 20 });
    this.#host.setAttribute("aria-label", this.#readout.textContent);
  }

  #fillTable() {
    if (!this.#table.open || !this.#data) return;
    const { title, series, format } = this.#options;
    const shown = series.filter(({ quiet }) => !quiet);
    const times = this.#times();
    const every = Math.ceil(times.length / MOST_TABLE_ROWS);
    const rows = times.map((at, i) => [at, i]).filter(([, i]) => (times.length - 1 - i) % every === 0).reverse();
    const told = (value) => value == null ? NOTHING : format(value);
    this.#table.lastChild.replaceChildren(h("table", {},
      h("caption", { class: "hidden" }, `${title}, the newest first`),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), shown.map(({ name }) => h("th", { scope: "col", class: "number" }, name)))),
      h("tbody", {}, rows.map(([at, i]) => h("tr", {}, h("td", { title: utc(at) }, moment(at, this.#data.end_s)), shown.map(({ key }) => h("td", { class: "number" }, told(this.#data[key][i]))))))));
  }
}
