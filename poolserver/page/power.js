/** The power tree: each node's power against its limit, how it is known, and what holds it back. */

import { bullet, setBullet } from "./bullet.js";
import { card, h, setAttribute, setClass, setText } from "./dom.js";
import { count, figure, NOTHING, quantity, words } from "./format.js";
import { NodePanel } from "./node_panel.js";
import { TreeRows } from "./tree.js";
import { VirtualGrid } from "./virtual.js";

const METHODS = {
  meter: ["meter", "by its own meter"],
  sum: ["sum", "by what is below it, some of it metered"],
  calibrated: ["calibrated", "by its rigs' proven work, corrected by what a meter has shown"],
  shares: ["shares", "by its rigs' proven work"],
  nothing: [NOTHING, "nothing is known of it"],
};
/** The stream tells of configured nodes only: racks that rigs' names speak of are asked for so often. */
const WHOLE_EACH_S = 60;

const COLUMNS = [
  { title: "Node", class: "c-name" },
  { title: "Of limit", class: "c-bar" },
  { title: "Power", class: "c-power number" },
  { title: "Known by", class: "c-method" },
  { title: "Headroom", class: "c-room number" },
  { title: "Estimate", class: "c-estimate number", hint: "By proven work and ratings" },
  { title: "Residual", class: "c-residual number", hint: "What the meter sees and nothing explains" },
  { title: "Hashrate", class: "c-rate number" },
  { title: "Rigs", class: "c-rigs number" },
];

function makeCells() {
  const cells = COLUMNS.map(({ class: name }) => h("div", { role: "gridcell", class: name }));
  const [name, bar] = cells;
  name.append(name.twisty = h("span", { class: "twisty", "aria-hidden": "true" }), name.label = h("span", { class: "clip" }), name.kind = h("span", { class: "quiet kind" }));
  bar.append(bar.bullet = bullet({ class: "small" }));
  return cells;
}

export class PowerView {
  title = "Power";
  #app;
  #rows = new TreeRows();
  #panel;
  #timer = 0;
  #closed = false;
  #selected = "";
  #note = h("p", { class: "quiet", role: "status" });

  constructor(app) {
    this.#app = app;
    this.#panel = new NodePanel(app);
    this.grid = new VirtualGrid({
      label: "Power tree", role: "treegrid", class: "tree", rowHeight: 34, columns: COLUMNS, make: makeCells,
      fill: (row, cells, index) => this.#fill(row, cells, index),
      open: (index, event) => this.#open(index, event),
      key: (event, index) => this.#key(event, index),
      empty: "Nothing is known of power yet. Without sites that have budgets or meters there is no tree.",
    });
    const button = (text, open) => h("button", { type: "button", onclick: () => this.#all(open) }, text);
    this.element = h("div", { class: "with-panel" },
      card("Power tree", { class: "fill" }, h("div", { class: "bar" }, button("Open all", true), button("Close all", false), this.#note), this.grid.element),
      this.#panel.element);
    this.update("tree");
    this.#loadWhole();
  }

  routed({ rest }) {
    this.#selected = rest || "/";
    this.#show();
    this.#panel.show(this.#selected);
  }

  update(topic) {
    if (topic === "tree") {
      this.#rows.setNodes([...this.#app.store.nodes.values()]);
      this.#show();
    } else if (topic === "power") this.grid.refresh();
    if (topic === "power") this.#panel.update();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.grid.close();
    this.#panel.close();
  }

  #show() {
    const row = this.#rows.reveal(this.#selected);
    this.grid.setCount(this.#rows.rows.length);
    if (row >= 0) this.grid.activate(row, document.activeElement !== this.grid.element);
  }

  #all(open) {
    this.#rows.setAllOpen(open);
    this.grid.setCount(this.#rows.rows.length);
  }

  async #loadWhole() {
    clearTimeout(this.#timer);
    try {
      const power = await this.#app.api.get("/power");
      if (this.#closed) return;
      this.#app.store.setPower(power, true);
      setText(this.#note, "");
    } catch (error) {
      if (this.#closed) return;
      setText(this.#note, error.message);
      if (error.needsToken) return void this.#app.refused(error);
    }
    this.#timer = setTimeout(() => this.#loadWhole(), WHOLE_EACH_S * 1000);
  }

  #fill(row, cells, index) {
    const node = this.#app.store.nodes.get(this.#rows.pathAt(index));
    if (!node) return;
    const [name, bar, power, method, room, estimate, residual, rate, rigs] = cells;
    const parent = this.#rows.hasChildren(index);
    setAttribute(row, "aria-level", node.depth + 1);
    setAttribute(row, "aria-expanded", parent ? String(this.#rows.isOpen(index)) : null);
    setAttribute(row, "aria-selected", String(node.path === this.#selected));
    setClass(row, "selected", node.path === this.#selected);
    name.style.paddingInlineStart = `${6 + node.depth * 16}px`;
    setText(name.twisty, parent ? (this.#rows.isOpen(index) ? "▾" : "▸") : "");
    setText(name.label, node.depth ? node.name : "All sites");
    setText(name.kind, node.depth ? node.kind : "");
    const now = this.#app.store.now();
    setBullet(bar.bullet, { ...node, binding: node.limits[0] ?? null }, now, node.depth ? node.name : "all sites");
    setText(power, figure(node.total_w, "W"));
    const isDoubted = node.meter && node.meter.quality !== "good";
    const [known, hint] = METHODS[node.method] ?? [node.method, ""];
    setText(method, isDoubted ? `meter ${words(node.meter.quality)}` : known);
    setAttribute(method, "title", isDoubted ? `Known ${hint}: its meter ${node.meter.name} is not believed: ${node.meter.reason}` : hint);
    setClass(method, "is-bad", Boolean(isDoubted));
    setText(room, node.headroom_w == null ? NOTHING : quantity(node.headroom_w, "W", 3));
    setClass(room, "is-bad", node.headroom_w != null && node.headroom_w + 2 * node.total_w.sigma < 0);
    setText(estimate, figure(node.estimated_w, "W"));
    setText(residual, figure(node.residual_w, "W"));
    setText(rate, quantity(node.hashrate_h_s.value, "H/s"));
    setText(rigs, node.silent ? `${count(node.rigs)} + ${count(node.silent)} silent` : count(node.rigs));
  }

  #toggle(index, open) {
    if (!this.#rows.setOpen(index, open)) return false;
    this.grid.setCount(this.#rows.rows.length);
    return true;
  }

  #open(index, event) {
    if (event?.target.closest(".twisty") && this.#rows.hasChildren(index)) {
      this.#toggle(index, !this.#rows.isOpen(index));
      return;
    }
    const path = this.#rows.pathAt(index);
    if (path === this.#selected && event) this.#toggle(index, !this.#rows.isOpen(index));
    this.#app.go({ view: "power", rest: path === "/" ? "" : path });
  }

  /** As in the treegrid pattern: right opens, then goes in; left closes, then goes out. */
  #key(event, index) {
    if (index < 0) return false;
    if (event.key === "ArrowRight") {
      if (!this.#toggle(index, true) && this.#rows.hasChildren(index)) this.grid.activate(index + 1);
    } else if (event.key === "ArrowLeft") {
      if (!this.#toggle(index, false)) {
        const parent = this.#rows.parentRow(index);
        if (parent >= 0) this.grid.activate(parent);
      }
    } else return false;
    return true;
  }
}
