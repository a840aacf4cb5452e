/** What is wrong now, at the top of every view. Only changes are said to who listens. */

import { h, keyed, setClass, setText } from "./dom.js";
import { plural, words } from "./format.js";

/** Where the pool serves what the documents tell to do. */
export const runbookOf = (code) => `/docs/runbooks/${encodeURIComponent(code)}.md`;

/** So many are open to sight; the others wait behind one line, so that the view itself is seen. */
const SHOWN = 3;

/** A row. Its text changes with each figure in it, and the row stays: its link may have the focus. */
function makeTrouble({ code }) {
  const text = h("span", { class: "grow" });
  const row = h("li", { class: "trouble" }, h("strong", {}, words(code)), text,
    h("a", { href: runbookOf(code), target: "_blank", rel: "help noopener", "aria-label": `Runbook for ${words(code)}` }, "Runbook"));
  row.text = text;
  return row;
}

function setTrouble(row, { text, is_urgent: isUrgent }) {
  setText(row.text, text);
  setClass(row, "urgent", isUrgent);
}

const keyOf = ({ code, nth }) => `${code} ${nth}`;

export class Troubles {
  #list = h("ul", { class: "plain troubles" });
  #rest = h("ul", { class: "plain troubles" });
  #summary = h("summary");
  #more = h("details", { class: "more-troubles" }, this.#summary, this.#rest);
  #said = h("p", { class: "hidden", "aria-live": "polite" });
  #known = null;
  element = h("section", { "aria-label": "Troubles", class: "trouble-block" }, this.#list, this.#more, this.#said);

  update(status) {
    const nths = new Map();
    const nth = (code) => nths.set(code, (nths.get(code) ?? 0) + 1).get(code);
    const troubles = status.troubles.map((trouble) => ({ ...trouble, nth: nth(trouble.code) }))
      .sort((one, other) => other.is_urgent - one.is_urgent);
    const rest = troubles.slice(SHOWN);
    keyed(this.#list, troubles.slice(0, SHOWN), keyOf, makeTrouble, setTrouble);
    keyed(this.#rest, rest, keyOf, makeTrouble, setTrouble);
    this.#more.hidden = rest.length === 0;
    const urgent = rest.filter(({ is_urgent: isUrgent }) => isUrgent).length;
    setText(this.#summary, `${rest.length} more${urgent ? `, ${urgent} of them urgent` : ""}`);
    this.element.hidden = false;
    this.#say(troubles);
  }

  #say(troubles) {
    const codes = new Map(troubles.map(({ code, text }) => [code, text]));
    const before = this.#known;
    this.#known = codes;
    if (!before) return setText(this.#said, troubles.length ? plural(troubles.length, "trouble") : "");
    const begun = [...codes].filter(([code]) => !before.has(code)).map(([, text]) => text);
    const over = [...before.keys()].filter((code) => !codes.has(code)).map((code) => `${words(code)} is over`);
    if (begun.length + over.length) setText(this.#said, [...begun, ...over].join(". "));
  }
}
