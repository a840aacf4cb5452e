/** The first thing seen: power against its budget, then what the pool does. */

import { bullet, setBullet } from "./bullet.js";
import { Charts } from "./charts.js";
import { card, h, keyed, setAttribute, setClass, setText, timeElement } from "./dom.js";
import { bitcoin, count, duration, figureParts, headroomWords, limitBy, moment, percent, plural, quantity, shortened, words } from "./format.js";
import { routeHash } from "./router.js";

const LAST_EVENTS = 7;
const LAST_BLOCKS = 5;

/** A figure with its unit and error in smaller letters. */
export function setFigure(element, given, unit) {
  const { text, unit: named } = figureParts(given, unit);
  const [value, error] = text.split(" ± ");
  element.parts ??= ["big", "error", "unit"].map((name) => element.appendChild(h("span", { class: name })));
  setText(element.parts[0], value);
  setText(element.parts[1], error ? `± ${error}` : "");
  setText(element.parts[2], named);
}

/** A row of the power card: name, figure, bar, words. */
function powerRow(node) {
  const row = h(node.depth ? "li" : "div", { class: node.depth ? "power-row" : "power-row power-all" });
  row.parts = {
    name: h("a", { class: "power-name", href: routeHash({ view: "power", rest: node.path === "/" ? "" : node.path }) }, node.depth ? node.name : "All sites"),
    figure: h("span", { class: "power-figure figure" }),
    limit: h("span", { class: "power-limit quiet" }),
    bar: bullet(),
    words: h("span", { class: "power-words" }),
  };
  row.append(...Object.values(row.parts));
  return row;
}

function setPowerRow(row, node, now) {
  const { name, figure: shown, limit, bar, words: told } = row.parts;
  setFigure(shown, node.total_w, "W");
  setText(limit, node.limit_w == null ? "" : `of ${quantity(node.limit_w, "W")}`);
  const power = { ...node, binding: node.binding ?? node.limits?.[0] ?? null };
  setBullet(bar, power, now, name.textContent);
  const { text, state } = headroomWords(power, now);
  setText(told, text[0].toUpperCase() + text.slice(1));
  setClass(row, "is-over", state === "over");
  setClass(row, "is-near", state === "near");
}

const controlWords = (mode) => mode === "observe" ? "No rig is switched by the pool: it tells what it would do." : `Control: ${words(mode)}.`;

/** What the parts of a bar are. Its own words are in its label, for who does not see it. */
const legend = () => h("ul", { class: "legend", "aria-hidden": "true" }, [["ai", "AI"], ["accent", "Mining"], ["error", "95%"], ["limit", "Limit"]].map(([name, text]) => h("li", { class: `patch patch-${name}` }, text)));

class PowerCard {
  #sites = h("ul", { class: "power-sites plain" });
  #all = h("div");
  #state = h("p", { class: "quiet power-state" });
  #none = h("p", { class: "quiet" }, "Nothing is known of power yet.");
  element = card("Power against the budget", { class: "power-card" }, this.#none, this.#all, this.#sites, this.#state);

  constructor() {
    this.element.querySelector(".card-head").append(legend());
  }

  update({ store }) {
    const { status } = store;
    const now = store.now();
    const nodes = store.topNodes();
    let top = nodes.filter(({ depth }) => depth === 0);
    if (!top.length && status?.power) top = [{ path: "/", depth: 0, ...status.power }];
    const sites = nodes.filter(({ depth }) => depth === 1);
    if (sites.length === 1 && top[0]?.limit_w == null) top = [];
    this.#none.hidden = top.length + sites.length > 0;
    keyed(this.#all, top, ({ path }) => path, powerRow, (row, node) => setPowerRow(row, node, now));
    keyed(this.#sites, sites, ({ path }) => path, powerRow, (row, node) => setPowerRow(row, node, now));
    setText(this.#state, status?.power ? controlWords(status.power_mode) : "");
  }
}

/** Small figures, each with its name and a line below: [name, value, below, where it leads]. */
function tiles(status) {
  const { hashrate_h_s: rate, rejects, template, power } = status;
  const found = Object.values(status.blocks).reduce((sum, number) => sum + number, 0);
  return [
    ["Hashrate, 15 min", rate["15m"], "H/s", `1 h ${quantity(rate["1h"].value, "H/s")}, 1 d ${quantity(rate["1d"].value, "H/s")}`],
    ["Efficiency", power?.j_per_th, "J/TH", power ? `mining ${quantity(power.mining_w.value, "W")}` : "without power nothing is known"],
    ["Rigs", count(status.rigs), "", status.silent_rigs ? `${count(status.silent_rigs)} silent` : "none silent", routeHash({ view: "rigs", query: { state: status.silent_rigs ? "silent" : "" } }), status.troubles.some(({ code }) => code === "rigs_silent")],
    ["Stale, 1 h", rejects ? percent(rejects.stale_1h) : null, "", rejects ? `rejected ${percent(rejects.rejected_1h)}` : "no share yet"],
    ["Block worked on", template ? count(template.height) : "none", "", template ? `${template.is_outdated ? "outdated, " : ""}${duration(template.age_s)} old, ${plural(template.transactions, "transaction")}` : "rigs have no work", routeHash({ view: "nodes" }), !template || template.is_outdated],
    ["Blocks", count(found), "", `effort ${percent(status.round_effort, 0)}${status.luck == null ? "" : `, luck ${percent(status.luck, 0)}`}`, routeHash({ view: "blocks" })],
    ["Best share", quantity(status.best_difficulty, "", 4), "", `${count(status.shares.accepted)} accepted`],
    ["Books", status.journal_lag_s < 1 ? "up to date" : duration(status.journal_lag_s), "", status.journal_lag_s < 1 ? "every share is booked" : "behind the rigs"],
  ];
}

function makeTile([name, , , , href]) {
  const tile = h(href ? "a" : "div", { class: "tile", href });
  tile.parts = { name: h("span", { class: "tile-name" }, name), value: h("span", { class: "figure" }), below: h("span", { class: "tile-below" }) };
  tile.append(...Object.values(tile.parts));
  return tile;
}

function setTile(tile, [, value, unit, below, href, isBad = false]) {
  const given = typeof value === "number" ? { value, sigma: 0 } : value;
  if (typeof value === "string") setFigure(tile.parts.value, null, "");
  else setFigure(tile.parts.value, given, unit);
  if (typeof value === "string") setText(tile.parts.value.parts[0], value);
  setText(tile.parts.below, below);
  setClass(tile, "is-bad", isBad);
  if (href) setAttribute(tile, "href", href);
}

/** What holds each node back, and what would be done about it. */
class BindingCard {
  #intended = h("ul", { class: "sentences" });
  #none = h("p", { class: "quiet" });
  #limits = h("ul", { class: "plain limits" });
  element = card("What binds, and why", {}, this.#none, this.#intended, this.#limits);

  update({ store }) {
    const { status, power } = store;
    const intended = power?.intended ?? status?.intended ?? [];
    this.#none.hidden = intended.length > 0 || !power;
    keyed(this.#intended, intended, (text) => text, (text) => h("li", {}, text));
    const bound = (power?.nodes ?? [])
      .filter(({ configured, headroom_w: room }) => configured && room != null)
      .sort((one, other) => one.headroom_w / one.limit_w - other.headroom_w / other.limit_w).slice(0, 5);
    setText(this.#none, bound.length ? "Nothing has to be done: every node is within its limit." : "No limit is set: a site with a budget, in [[sites]], has one.");
    keyed(this.#limits, bound, ({ path }) => path, (node) => {
      const row = h("li", {});
      row.parts = [h("a", { href: routeHash({ view: "power", rest: node.path === "/" ? "" : node.path }) }), h("span", { class: "number" }), h("span", { class: "quiet" })];
      row.append(...row.parts);
      return row;
    }, (row, node) => {
      setText(row.parts[0], node.depth ? node.path : "All sites");
      const room = node.headroom_w;
      setText(row.parts[1], `${quantity(Math.abs(room), "W", 3)} ${room < 0 ? "over" : "below"}`);
      setClass(row.parts[1], "is-bad", room + 2 * node.total_w.sigma < 0);
      const limit = node.limits[0];
      setText(row.parts[2], limit ? `${quantity(node.limit_w, "W")}: ${limitBy(limit)}` : quantity(node.limit_w, "W"));
    });
  }
}

class BlocksCard {
  #list = h("ul", { class: "plain rows last-blocks" });
  #note = h("p", { class: "quiet" });
  element = card("Last blocks", {}, this.#list, this.#note, h("p", {}, h("a", { href: "#/blocks" }, "All blocks")));
  #found = -1;
  #closed = false;

  close() {
    this.#closed = true;
  }

  async update(app) {
    const found = JSON.stringify(app.store.status?.blocks ?? null);
    if (found === this.#found || found === "null") return;
    this.#found = found;
    try {
      const { items } = await app.api.get("/blocks", { limit: LAST_BLOCKS });
      if (this.#closed) return;
      setText(this.#note, items.length ? "" : "None yet.");
      const now = app.store.now();
      this.#list.replaceChildren(...items.map((block) => h("li", {},
        h("span", { class: "number" }, count(block.height)),
        h("span", { class: `state state-${block.state}` }, block.state),
        h("span", { class: "number wide-only" }, block.value_sat ? bitcoin(block.value_sat) : ""),
        timeElement(block.found_unix_ms / 1000, moment(block.found_unix_ms / 1000, now)))));
    } catch (error) {
      this.#found = -1;
      setText(this.#note, error.message);
    }
  }
}

class EventsCard {
  #list = h("ul", { class: "plain rows" });
  element = card("Last events", {}, this.#list, h("p", {}, h("a", { href: "#/events" }, "All events")));

  update({ store }) {
    const now = store.now();
    keyed(this.#list, store.events.slice(0, LAST_EVENTS), ({ id }) => id, (event) => h("li", { class: `level-${event.level}` },
      timeElement(event.at, moment(event.at, now)),
      h("span", { class: "event-name" }, words(event.event)),
      h("span", { class: "grow clip quiet" }, fieldsText(event))));
  }
}

/** An event's fields in one line. */
export const fieldsText = ({ fields }) => Object.entries(fields).map(([name, value]) => `${name}: ${value ?? "none"}`).join(", ");

export const shortHash = (hash) => shortened(hash, 4, 10);

export class Overview {
  title = "Overview";
  #app;
  #power = new PowerCard();
  #tiles = h("div", { class: "tiles" });
  #binding = new BindingCard();
  #blocks = new BlocksCard();
  #events = new EventsCard();
  #charts;

  constructor(app) {
    this.#app = app;
    this.#charts = new Charts(app);
    this.element = h("div", { class: "overview" }, this.#power.element, this.#tiles, this.#charts.element,
      h("div", { class: "three" }, this.#binding.element, this.#blocks.element, this.#events.element));
    for (const topic of ["status", "power", "events"]) this.update(topic);
  }

  routed({ query }) {
    this.#charts.routed(query);
  }

  update(topic) {
    const { store } = this.#app;
    const isPower = topic === "power" || topic === "tree";
    if (isPower || topic === "status") this.#power.update(this.#app);
    if (topic === "status" && store.status) {
      const rows = tiles(store.status);
      keyed(this.#tiles, rows, ([name]) => name, makeTile, setTile);
      this.#blocks.update(this.#app);
    }
    if (topic === "sites" || isPower) this.#charts.setSites(this.#app.siteNames());
    if (isPower) this.#binding.update(this.#app);
    if (topic === "events") this.#events.update(this.#app);
  }

  close() {
    this.#charts.close();
    this.#blocks.close();
  }
}
