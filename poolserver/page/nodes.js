/** Bitcoin nodes: who is up, whose templates are mined, on which chain. */

import { card, h, setText } from "./dom.js";
import { count, duration, NOTHING, plural } from "./format.js";

const AGAIN_S = 5;

/** What a node does, in a word or two, and whether that is wrong. */
function stateOf(node) {
  if (!node.is_up) return ["away", true];
  if (!node.on_mined_chain) return ["on another chain", true];
  if (node.blocks_behind > 0) return [`${plural(node.blocks_behind, "block")} behind`, node.blocks_behind > 1];
  return [node.is_active ? "mined on" : "standing by", false];
}

export class NodesView {
  title = "Nodes";
  #app;
  #timer = 0;
  #closed = false;
  #body = h("tbody");
  #note = h("p", { class: "quiet", role: "status" }, "Reading…");
  #template = h("p");

  constructor(app) {
    this.#app = app;
    const heads = [["Node"], ["State"], ["Height", "number"], ["Peers", "number"], ["Answers in", "number"], ["Template", "number"]];
    const table = h("table", {}, h("caption", { class: "hidden" }, "Bitcoin nodes"),
      h("thead", {}, h("tr", {}, heads.map(([text, name]) => h("th", { scope: "col", class: name }, text)))), this.#body);
    this.element = card("Bitcoin nodes", {}, this.#template, this.#note, h("div", { class: "table-scroll" }, table));
    this.update("status");
    this.#load();
  }

  routed() {}

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  update(topic) {
    const template = this.#app.store.status?.template;
    if (topic !== "status" || !this.#app.store.status) return;
    setText(this.#template, template
      ? `Rigs work on block ${count(template.height)} with ${plural(template.transactions, "transaction")}; a node confirmed it ${duration(template.age_s)} ago.${template.is_outdated ? " A newer block is known." : ""}`
      : "Rigs have no work.");
  }

  async #load() {
    try {
      const nodes = await this.#app.api.get("/nodes");
      if (this.#closed) return;
      setText(this.#note, nodes.length ? "" : "No node is known yet.");
      this.#body.replaceChildren(...nodes.map((node) => {
        const [text, isBad] = stateOf(node);
        return h("tr", {},
          h("th", { scope: "row" }, node.name),
          h("td", {}, h("span", { class: `state ${isBad ? "state-bad" : node.is_active ? "state-active" : ""}` }, text)),
          h("td", { class: "number" }, count(node.height)),
          h("td", { class: "number" }, count(node.peers)),
          h("td", { class: "number" }, node.is_up ? `${(node.latency_s * 1000).toFixed(1)} ms` : NOTHING),
          h("td", { class: "number" }, node.template_age_s == null ? NOTHING : `${duration(node.template_age_s)} old`));
      }));
    } catch (error) {
      if (this.#closed) return;
      if (error.needsToken) return this.#app.refused(error);
      setText(this.#note, error.message);
    }
    this.#timer = setTimeout(() => this.#load(), AGAIN_S * 1000);
  }
}
