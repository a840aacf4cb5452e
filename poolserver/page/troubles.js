/** What is wrong now, at the top of every view. Only changes are said to who listens. */

import { h, keyed, setClass, setText } from "./dom.js";
import { plural, words } from "./format.js";

/** Where the pool serves what the documents tell to do. */
export const runbookOf = (code) => `/docs/runbooks/${encodeURIComponent(code)}.md`;

export class Troubles {
  #list = h("ul", { class: "plain troubles" });
  #said = h("p", { class: "hidden", "aria-live": "polite" });
  #known = null;
  element = h("section", { "aria-label": "Troubles", class: "trouble-block" }, this.#list, this.#said);

  update(status) {
    const troubles = [...status.troubles].sort((one, other) => other.is_urgent - one.is_urgent);
    keyed(this.#list, troubles, ({ code, text }) => `${code} ${text}`, (trouble) => h("li", { class: "trouble" },
      h("strong", {}, words(trouble.code)),
      h("span", { class: "grow" }, trouble.text),
      h("a", { href: runbookOf(trouble.code), target: "_blank", rel: "help noopener", "aria-label": `Runbook for ${words(trouble.code)}` }, "Runbook")),
    (row, trouble) => setClass(row, "urgent", trouble.is_urgent));
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
