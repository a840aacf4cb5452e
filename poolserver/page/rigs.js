/** All rigs: searched, sorted and filtered by the pool, shown as far as one scrolls. */

import { card, h, setClass, setText } from "./dom.js";
import { ago, count, figure, figureParts, NOTHING, percent, plural, quantity } from "./format.js";
import { PagedRigs } from "./rig_pages.js";
import { RigPanel } from "./rig_panel.js";
import { VirtualGrid } from "./virtual.js";

const SEARCH_AFTER_MS = 250;
/** The pool's own list is made anew about so often. */
const AGAIN_S = 15;
const STATES = { "": "Every state", hashing: "Hashing", silent: "Silent", new: "New", away: "Away" };

const COLUMNS = [
  { title: "Rig", class: "c-name", key: "worker" },
  { title: "State", class: "c-state", key: "state" },
  { title: "Site", class: "c-site", key: "site" },
  { title: "Power node", class: "c-node", key: "node" },
  { title: "Model", class: "c-model", key: "model" },
  { title: "5 min", class: "c-rate-5m number", key: "hashrate_5m", hint: "Proven hashrate over 5 minutes" },
  { title: "1 h", class: "c-rate number", key: "hashrate_1h", hint: "Proven hashrate over an hour" },
  { title: "Power", class: "c-power number", key: "power" },
  { title: "J/TH", class: "c-jth number", key: "j_per_th" },
  { title: "Stale", class: "c-stale number", key: "stale_1h" },
  { title: "Rejected", class: "c-rejected number", key: "rejected_1h" },
  { title: "Last share", class: "c-last number", key: "last_share_at", hint: "How long ago, accepted or not" },
];
/** Of rigs in these states it is asked first since when. */
const STOPPED = ["silent", "away"];
const RATE = COLUMNS.findIndex(({ key }) => key === "hashrate_1h");
const USUAL = "-hashrate_1h";

/** With its error in an element of its own: a phone has no room for it beside a rig's name. */
function fillRate(cell, rate) {
  const { text, unit } = figureParts(rate, "H/s");
  const [value, error] = text.split(/(?= ± )/);
  const whole = `${text}\u00a0${unit}`;
  if (cell.textContent !== whole) cell.replaceChildren(value, h("span", { class: "error" }, error), `\u00a0${unit}`);
}

function fillCells(cells, rig, now) {
  const texts = [
    rig.worker, rig.state, rig.site, rig.node, rig.model,
    figure(rig.hashrate_5m_h_s, "H/s"), null,
    quantity(rig.power_w, "W"), rig.j_per_th == null ? NOTHING : rig.j_per_th.toFixed(1),
    percent(rig.stale_1h), percent(rig.rejected_1h), ago(rig.last_share_at, now),
  ];
  texts.forEach((text, i) => text === null || setText(cells[i], text || NOTHING));
  fillRate(cells[RATE], rig.hashrate_1h_h_s);
  cells[1].className = `c-state state state-${rig.state}`;
}

export class RigsView {
  title = "Rigs";
  #app;
  #pages;
  #panel;
  #query = {};
  #timer = 0;
  #searchTimer = 0;
  #search = h("input", { type: "search", "aria-label": "Search rigs", placeholder: "Rig, model, address, node", oninput: () => this.#typed() });
  #site = h("select", { "aria-label": "Site", onchange: () => this.#set({ site: this.#site.value }) });
  #state = h("select", { "aria-label": "State", onchange: () => this.#set({ state: this.#state.value }) }, Object.entries(STATES).map(([value, text]) => h("option", { value }, text)));
  #node = h("button", { type: "button", hidden: true, onclick: () => this.#set({ node: "" }) });
  #note = h("p", { class: "quiet", role: "status" });

  constructor(app) {
    this.#app = app;
    this.#panel = new RigPanel(app, () => this.#closePanel());
    this.#pages = new PagedRigs(app.api, (error) => this.#changed(error));
    this.grid = new VirtualGrid({
      label: "Rigs", class: "rigs", rowHeight: 32, columns: COLUMNS,
      make: () => COLUMNS.map(({ class: name }) => h("div", { role: "gridcell", class: name })),
      fill: (row, cells, index) => this.#fill(row, cells, index),
      open: (index) => this.#open(index),
      sight: (first, last) => this.#pages.want(last),
      empty: "No rig is like this.",
    });
    this.element = h("div", { class: "with-panel" },
      card("Rigs", { class: "fill" },
        h("form", { class: "bar", role: "search", onsubmit: (event) => event.preventDefault() }, this.#search, this.#site, this.#state, this.#node,
          h("button", { type: "button", onclick: () => this.#pages.again() }, "Read again"), this.#note),
        this.grid.element),
      this.#panel.element);
    this.update("sites");
    this.#timer = setInterval(() => this.#tick(), AGAIN_S * 1000);
  }

  routed({ rest, query }) {
    const { q = "", site = "", state = "", node = "", sort = USUAL } = query;
    const asked = { q, site, state, node, sort };
    if (JSON.stringify(asked) !== JSON.stringify(this.#query)) {
      this.#query = asked;
      if (document.activeElement !== this.#search) this.#search.value = q;
      this.#site.value = site;
      this.#state.value = state;
      this.#node.hidden = !node;
      setText(this.#node, `${node} ✕`);
      this.#node.setAttribute("aria-label", `No longer only ${node}`);
      this.#headers();
      setClass(this.grid.element, "by-last", STOPPED.includes(state));
      this.grid.emptyNote.textContent = q || site || state || node ? "No rig is like this." : "No rig yet. It is here once it has logged in, as account.name with an account of a site.";
      this.grid.scrollToTop();
      this.#pages.ask(asked);
    }
    this.#panel.show(rest);
  }

  update(topic) {
    if (topic !== "sites" && topic !== "tree") return;
    const names = this.#app.siteNames();
    if (this.#site.options.length === names.length + 1) return;
    this.#site.replaceChildren(h("option", { value: "" }, "Every site"), ...names.map((name) => h("option", { value: name }, name)));
    this.#site.value = this.#query.site ?? "";
  }

  close() {
    clearInterval(this.#timer);
    clearTimeout(this.#searchTimer);
    this.#pages.close();
    this.#panel.close();
    this.grid.close();
  }

  #tick() {
    if (!document.hidden && this.grid.element.scrollTop === 0 && !this.#search.matches(":focus")) this.#pages.again();
    this.#panel.load();
  }

  #set(change) {
    const query = { ...this.#query, ...change };
    if (query.sort === USUAL) query.sort = "";
    this.#app.go({ view: "rigs", query }, true);
  }

  #typed() {
    clearTimeout(this.#searchTimer);
    this.#searchTimer = setTimeout(() => this.#set({ q: this.#search.value.trim() }), SEARCH_AFTER_MS);
  }

  #headers() {
    const { sort } = this.#query;
    this.grid.setColumns(COLUMNS.map((column) => {
      const isSorted = sort.replace(/^-/, "") === column.key;
      const isFalling = sort.startsWith("-");
      return {
        ...column,
        title: column.title,
        class: `${column.class}${isSorted ? (isFalling ? " falling" : " rising") : ""}`,
        sorted: isSorted ? (isFalling ? "descending" : "ascending") : "none",
        onsort: () => this.#set({ sort: isSorted && isFalling ? column.key : isSorted ? `-${column.key}` : column.class.includes("number") ? `-${column.key}` : column.key }),
      };
    }));
  }

  #changed(error) {
    if (error?.needsToken) return this.#app.refused(error);
    const { total, loaded, isLoading } = this.#pages;
    const note = error ? error.message : isLoading && !loaded ? "Reading…" : total == null ? plural(loaded, "rig") : `${plural(total, "rig")}${isLoading ? `, ${count(loaded)} read` : ""}`;
    setText(this.#note, note);
    this.grid.setCount(Math.max(loaded, total ?? loaded));
  }

  #fill(row, cells, index) {
    const rig = this.#pages.at(index);
    setClass(row, "loading", !rig);
    setClass(row, "selected", Boolean(rig) && rig.worker === this.#panel.worker);
    if (rig) fillCells(cells, rig, this.#app.store.now());
    else cells.forEach((cell, i) => setText(cell, i ? "" : "…"));
  }

  #open(index) {
    const rig = this.#pages.at(index);
    if (!rig) return;
    this.#panel.openedFrom = this.grid.element;
    const query = { ...this.#query, sort: this.#query.sort === USUAL ? "" : this.#query.sort };
    this.#app.go({ view: "rigs", rest: rig.worker, query });
    this.grid.refresh();
  }

  #closePanel() {
    this.#set({});
    this.grid.element.focus();
    this.grid.refresh();
  }
}
