/** Power against its limit: a bar, its 95% interval, and a line where the limit is. */

import { h, setAttribute, setClass } from "./dom.js";
import { figure, headroomWords, interval95, intervalWords } from "./format.js";

export function bullet(attributes = {}) {
  const parts = {
    ai: h("span", { class: "bullet-ai" }),
    bar: h("span", { class: "bullet-bar" }),
    error: h("span", { class: "bullet-error" }),
    limit: h("span", { class: "bullet-limit" }),
  };
  const element = h("div", { ...attributes, role: "meter", class: `bullet ${attributes.class ?? ""}` }, Object.values(parts));
  element.parts = parts;
  return element;
}

const at = (value, most) => `${(Math.min(1, Math.max(0, value / most)) * 100).toFixed(2)}%`;

/** Bring a bar up to date with a PowerStatus, or a node, and the pool's clock. */
export function setBullet(element, power, now, name) {
  const { ai, bar, error, limit } = element.parts;
  const { low, high } = interval95(power.total_w);
  const most = Math.max(power.limit_w ?? 0, high, 1) * 1.06;
  const aiWatts = Math.min(power.ai_w ?? 0, power.total_w.value);
  ai.style.width = at(aiWatts, most);
  bar.style.left = at(aiWatts, most);
  bar.style.width = at(power.total_w.value - aiWatts, most);
  error.style.left = at(low, most);
  error.style.width = at(high - low, most);
  limit.hidden = power.limit_w == null;
  if (power.limit_w != null) limit.style.left = at(power.limit_w, most);
  const words = headroomWords(power, now);
  setClass(element, "is-over", words.state === "over");
  setClass(element, "has-no-limit", power.limit_w == null);
  setAttribute(element, "aria-label", `Power of ${name}`);
  setAttribute(element, "aria-valuemin", 0);
  setAttribute(element, "aria-valuemax", Math.round(most));
  setAttribute(element, "aria-valuenow", Math.round(power.total_w.value));
  setAttribute(element, "aria-valuetext", `${figure(power.total_w, "W")}, ${words.text}`);
  setAttribute(element, "title", `${figure(power.total_w, "W")}, ${intervalWords(power.total_w, "W")}; ${words.text}`);
}
