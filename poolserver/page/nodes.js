/** Bitcoin nodes: who is up, whose templates are mined, on which chain. */

import { card, h, setText } from "./dom.js";
import { count, duration, NOTHING, plural } from "./format.js";

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
    this.update("nodes");
  }

  routed() {}

  close() {}

  update(topic) {
    const { status, bitcoinNodes } = this.#app.store;
    if (topic === "nodes" && bitcoinNodes) this.#show(bitcoinNodes);
    if (topic !== "status" || !status) return;
    const { template } = status;
    setText(this.#template, template
      ? `Rigs work on block ${count(template.height)} with ${plural(template.transactions, "transaction")}; a node confirmed it ${duration(template.age_s)} ago.${template.is_outdated ? " A newer block is known." : ""}`
      : "Rigs have no work.");
  }

  #show(nodes) {
    setText(this.#note, nodes.length ? "" : "No node is known yet.");
    this.#body.replaceChildren(...nodes.map((node) => {
      const [text, isBad] = stateOf(node);
      const name = isBad ? "state-bad" : node.is_active ? "state-active" : "";
      return h("tr", {},
        h("th", { scope: "row" }, node.name),
        h("td", {}, h("span", { class: `state ${name}` }, text)),
        h("td", { class: "number" }, node.is_up ? count(node.height) : NOTHING),
        h("td", { class: "number" }, node.is_up ? count(node.peers) : NOTHING),
        h("td", { class: "number" }, node.is_up ? `${(node.latency_s * 1000).toFixed(1)} ms` : NOTHING),
        h("td", { class: "number" }, node.template_age_s == null ? NOTHING : `${duration(node.template_age_s)} old`));
    }));
  }
}
