/** Asks for a token where the pool wants one, and says what is wrong with one that was given. */

import { h, newId } from "./dom.js";

export function tokenForm(error, onToken) {
  const id = newId("token");
  const input = h("input", { id, type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": `${id}-why` });
  const form = h("form", {
    class: "card token-form",
    onsubmit: (event) => {
      event.preventDefault();
      onToken(input.value.trim());
    },
  },
  h("h2", {}, "A token is needed"),
  h("p", { id: `${id}-why`, role: "alert" }, error.message),
  h("label", { for: id }, "Token"), input,
  h("p", { class: "quiet" }, "Whoever runs the pool makes one with the scope “read” (docs/api.md). It is kept in this tab alone, and forgotten when that is closed."),
  h("button", { type: "submit", class: "main-button" }, "Look"));
  queueMicrotask(() => input.focus());
  return form;
}
