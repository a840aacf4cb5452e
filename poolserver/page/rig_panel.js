/** One rig. */

import { h, newId, setText, timeElement } from "./dom.js";
import { ago, figure, intervalWords, NOTHING, moment, percent, quantity } from "./format.js";
import { routeHash } from "./router.js";

const STATES = {
  hashing: "It hashes.",
  silent: "It is connected and has been silent for longer than luck explains.",
  new: "It is connected, and has sent too few shares yet to be told by.",
  away: "It is not connected. What follows is what it did last.",
};

export class RigPanel {
  worker = "";
  openedFrom = null;
  #app;
  #title;
  #body = h("div", { class: "panel-body" });
  #closed = false;

  constructor(app, onclose) {
    this.#app = app;
    const id = newId("rig");
    this.#title = h("h2", { id, tabindex: -1 });
    this.element = h("aside", {
      class: "card panel", "aria-labelledby": id, hidden: true,
      onkeydown: (event) => event.key === "Escape" && onclose(),
    }, h("header", { class: "card-head" }, this.#title, h("button", { type: "button", class: "icon", "aria-label": "Close this rig", onclick: onclose }, "✕")), this.#body);
  }

  show(worker) {
    if (worker === this.worker) return;
    this.worker = worker;
    this.element.hidden = !worker;
    setText(this.#title, worker);
    this.#body.replaceChildren();
    if (!worker) return;
    if (this.openedFrom) this.#title.focus();
    this.openedFrom = null;
    this.load();
  }

  close() {
    this.#closed = true;
  }

  async load() {
    const { worker } = this;
    if (!worker) return;
    try {
      const rig = await this.#app.api.get(`/rigs/${encodeURIComponent(worker)}`);
      if (this.#closed || worker !== this.worker) return;
      if (!this.#body.contains(document.activeElement)) this.#body.replaceChildren(...this.#facts(rig));
    } catch (error) {
      if (this.#closed || worker !== this.worker) return;
      this.#body.replaceChildren(h("p", { class: "quiet" }, error.message));
    }
  }

  #facts(rig) {
    const now = this.#app.store.now();
    const rate = (given) => h("span", { title: intervalWords(given, "H/s") }, figure(given, "H/s"));
    const time = (at) => at == null ? NOTHING : timeElement(at, `${moment(at, now)}, ${ago(at, now)}`);
    const rows = [
      ["Last share", time(rig.last_share_at)],
      ["Hashrate, 5 min", rate(rig.hashrate_5m_h_s)],
      ["Hashrate, 1 h", rate(rig.hashrate_1h_h_s)],
      ["Hashrate, 1 d", rate(rig.hashrate_1d_h_s)],
      ["Power", quantity(rig.power_w, "W")],
      ["Efficiency", rig.j_per_th == null ? NOTHING : `${rig.j_per_th.toFixed(1)} J/TH`],
      ["Stale, 1 h", percent(rig.stale_1h)],
      ["Rejected, 1 h", percent(rig.rejected_1h)],
      ["Best share", quantity(rig.best_difficulty, "")],
      ["Model", rig.model || NOTHING],
      ["Account", rig.account],
      ["Site", rig.site],
      ["Power node", rig.node ? h("a", { href: routeHash({ view: "power", rest: rig.node }) }, rig.node) : "no place is known"],
      ["Address", rig.address || NOTHING],
      ["Connections", String(rig.sessions)],
      ["Last told of itself", time(rig.seen_at)],
    ];
    return [
      h("p", { class: `state state-${rig.state}` }, STATES[rig.state] ?? rig.state),
      h("p", { class: "quiet" }, intervalWords(rig.hashrate_1h_h_s, "H/s"), " over an hour"),
      h("dl", {}, rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ];
  }
}
