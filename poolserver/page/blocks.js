/** Found blocks and what became of them, the newest first. */

import { card, h, keyed, setText, timeElement } from "./dom.js";
import { bitcoin, count, moment, NOTHING, percent, plural } from "./format.js";

const PAGE = 50;
const STATES = {
  found: "sent to the nodes", accepted: "in the chain, not spendable yet", mature: "in the chain for good",
  stale: "another block was first", orphaned: "was in the chain and is not any more", rejected: "the node would not take it",
};

const HEADS = [["Height"], ["State"], ["Found"], ["Hash", "wide-only"], ["Rig"], ["Value", "number"], ["Fee", "number wide-only"], ["Payees", "number wide-only"], ["Owed", "number wide-only"], ["Effort", "number wide-only"], ["Luck", "number"]];

export class BlocksView {
  title = "Blocks";
  #app;
  #items = [];
  #next = null;
  #known = null;
  #closed = false;
  #body = h("tbody");
  #note = h("p", { class: "quiet", role: "status" }, "Reading…");
  #counts = h("ul", { class: "plain counts" });
  #more = h("button", { type: "button", hidden: true, onclick: () => this.#load(this.#next) }, "Show older blocks");

  constructor(app) {
    this.#app = app;
    const table = h("table", { class: "blocks" }, h("caption", { class: "hidden" }, "Found blocks, the newest first"),
      h("thead", {}, h("tr", {}, HEADS.map(([text, name]) => h("th", { scope: "col", class: name }, text)))), this.#body);
    this.element = card("Blocks", {}, this.#counts, this.#note, h("div", { class: "table-scroll" }, table), this.#more);
    this.update("status");
  }

  routed() {}

  close() {
    this.#closed = true;
  }

  update(topic) {
    const blocks = this.#app.store.status?.blocks;
    if (topic !== "status" || !blocks) return;
    keyed(this.#counts, Object.entries(blocks).filter(([, number]) => number), ([state]) => state,
      ([state]) => h("li", { class: `state state-${state}`, title: STATES[state] }),
      (row, [state, number]) => setText(row, `${count(number)} ${state}`));
    const known = JSON.stringify(blocks);
    if (known === this.#known) return;
    this.#known = known;
    this.#load(null);
  }

  async #load(cursor) {
    try {
      const query = cursor == null ? { limit: PAGE } : { limit: PAGE, cursor };
      const page = await this.#app.api.get("/blocks", query);
      if (this.#closed) return;
      this.#items = cursor == null ? page.items : [...this.#items, ...page.items];
      this.#next = page.next;
      this.#show();
    } catch (error) {
      if (this.#closed) return;
      if (error.needsToken) this.#app.refused(error);
      this.#known = null;
      setText(this.#note, error.message);
    }
  }

  #show() {
    setText(this.#note, this.#items.length ? "" : "No block yet. Effort tells how much of one is done.");
    this.#more.hidden = this.#next == null;
    const now = this.#app.store.now();
    this.#body.replaceChildren(...this.#items.map((block) => this.#row(block, now)));
  }

  #row(block, now) {
    const at = block.found_unix_ms / 1000;
    const cell = (content, name) => h("td", { class: name }, content);
    return h("tr", {},
      h("th", { scope: "row", class: "number-left" }, count(block.height)),
      cell(h("span", { class: `state state-${block.state}`, title: STATES[block.state] }, block.state)),
      cell(timeElement(at, moment(at, now))),
      cell(h("code", { class: "hash", title: block.hash }, block.hash.replace(/^0+/, "…").slice(0, 17)), "wide-only"),
      cell(h("span", { class: "clip" }, block.worker)),
      cell(block.value_sat ? bitcoin(block.value_sat) : NOTHING, "number"),
      cell(block.fee_sat ? bitcoin(block.fee_sat) : NOTHING, "number wide-only"),
      cell(block.payees_paid ? count(block.payees_paid) : NOTHING, "number wide-only"),
      cell(block.unpaid_sat ? h("span", { title: `${plural(block.unpaid_sat, "satoshi", "satoshi")} go to later blocks` }, bitcoin(block.unpaid_sat)) : NOTHING, "number wide-only"),
      cell(percent(block.effort, 0), "number wide-only"),
      cell(percent(block.luck, 0), "number"));
  }
}
