/** All of one power node: its limits and who says them, its estimates over windows, its meter and its rigs. */

import { bullet, setBullet } from "./bullet.js";
import { h, newId, setText } from "./dom.js";
import { duration, figure, headroomWords, limitBy, moment, NOTHING, quantity, rangeWords, untilWords } from "./format.js";
import { routeHash } from "./router.js";

const AGAIN_S = 15;
const MOST_RIGS = 20;

function table(caption, heads, rows) {
  return h("div", { class: "table-scroll" }, h("table", {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, heads.map((head, i) => h("th", { scope: "col", class: i ? "number" : null }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => h("td", { class: i ? "number" : null }, cell)))))));
}

function limitsTable(node, now) {
  const all = [...node.limits, ...node.mining_limits.map((limit) => ({ ...limit, kind: "mining" }))];
  if (!all.length) return null;  // the words above say so
  const rows = all.map((limit, i) => [
    h("span", {}, limitBy(limit), i === 0 && node.limits.length ? h("strong", { class: "binds" }, "binds") : null),
    quantity(limit.limit_w, "W"), untilWords(limit, now) || NOTHING,
  ]);
  return table("Limits, the one that binds first", ["Who says so", "Limit", "Holds"], rows);
}

const interval = (low, high, unit) => h("span", { class: "below" }, rangeWords(low, high, unit));

function windowsTable(windows) {
  return table("Proven, with the 95% interval", ["Window", "Hashrate", "Mining power"], windows.map((each) => [
    duration(each.window_s),
    [figure(each.hashrate_h_s, "H/s"), interval(each.hashrate_low_h_s, each.hashrate_high_h_s, "H/s")],
    [figure(each.power_w, "W"), interval(each.power_low_w, each.power_high_w, "W")],
  ]));
}

function facts(node, next, now) {
  const { meter, calibration } = node;
  const rows = [
    ["Mining", figure(node.mining_w, "W")],
    ["AI", node.ai_w || !node.ai_known ? `${quantity(node.ai_w, "W")}${node.ai_known ? "" : ", assumed"}` : NOTHING],
    ["Estimate", figure(node.estimated_w, "W")],
    ["Residual", figure(node.residual_w, "W")],
  ];
  if (meter) {
    const age = meter.at == null ? "" : `, ${duration(now - meter.at)} ago`;
    rows.push([`Meter ${meter.name}`, `${quantity(meter.power_w, "W")}${age}${meter.quality === "good" ? "" : ` — not believed: ${meter.reason || meter.quality}`}`]);
  }
  if (calibration) rows.push(["Meter over estimate", `${calibration.factor.toFixed(4)} ± ${(calibration.factor * calibration.sigma).toFixed(4)}, ${calibration.teaching}`]);
  if (next) rows.push(["Next limit", `${next.limit_w == null ? "none" : quantity(next.limit_w, "W")} at ${moment(next.at, now)}${next.source ? `, by ${next.source}` : ""}`]);
  return h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function rigsTable({ node, rigs, more }) {
  if (!rigs.length) return null;
  const rows = rigs.slice(0, MOST_RIGS).map((rig) => [
    h("a", { href: routeHash({ view: "rigs", rest: rig.worker }) }, rig.worker), rig.state,
    quantity(rig.windows.at(-1)?.hashrate_h_s.value, "H/s"), quantity(rig.windows.at(-1)?.power_w.value, "W"),
  ]);
  const left = more + Math.max(0, rigs.length - MOST_RIGS);
  const link = h("p", {}, h("a", { href: routeHash({ view: "rigs", query: { node: node.path } }) }, left ? `All rigs here, ${left} more` : "These rigs in the list"));
  return [table("Rigs right here", ["Rig", "State", "Hashrate", "Power"], rows), link];
}

export class NodePanel {
  #app;
  #path = "";
  #timer = 0;
  #closed = false;
  #title;
  #bar = bullet();
  #words = h("p", { class: "panel-words" });
  #body = h("div", { class: "panel-body" });

  constructor(app) {
    this.#app = app;
    const id = newId("node");
    this.#title = h("h2", { id });
    this.element = h("aside", { class: "card panel panel-below", "aria-labelledby": id }, this.#title, this.#bar, this.#words, this.#body);
    this.#bar.hidden = true;
  }

  show(path) {
    if (path !== this.#path) this.#body.replaceChildren();
    this.#path = path;
    setText(this.#title, path === "/" ? "All sites" : path);
    this.update();
    this.#load();
  }

  /** What the stream tells. */
  update() {
    const node = this.#app.store.nodes.get(this.#path);
    this.#bar.hidden = node?.limit_w == null;
    if (!node) return;
    const now = this.#app.store.now();
    const power = { ...node, binding: node.limits[0] ?? null };
    setBullet(this.#bar, power, now, node.depth ? node.name : "all sites");
    setText(this.#words, `${figure(node.total_w, "W")}: ${headroomWords(power, now).text}.`);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #load() {
    clearTimeout(this.#timer);
    const path = this.#path;
    try {
      const detail = await this.#app.api.get("/power/node", { path });
      if (this.#closed || path !== this.#path) return;
      const now = this.#app.store.now();
      const parts = [limitsTable(detail.node, now), facts(detail.node, detail.next_limit, now), windowsTable(detail.windows), rigsTable(detail)];
      // While somebody stands on a link in it, it is left alone.
      if (!this.#body.contains(document.activeElement)) this.#body.replaceChildren(...parts.flat().filter(Boolean));
    } catch (error) {
      if (this.#closed || path !== this.#path) return;
      this.#body.replaceChildren(h("p", { class: "quiet" }, error.message));
    }
    this.#timer = setTimeout(() => this.#load(), AGAIN_S * 1000);
  }
}
