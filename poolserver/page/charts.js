/** The three charts of the pool or a site: power, hashrate, shares. */

import { Chart } from "./chart.js";
import { h, setText } from "./dom.js";
import { count, figure, moment, NOTHING, percent, plural, quantity } from "./format.js";

export const SPANS = { "1h": "1 hour", "6h": "6 hours", "1d": "1 day", "7d": "7 days" };

/** A pool that has just begun has something to show of it, too. */
const USUAL_SPAN = "1h";
const Z95 = 1.96;

/** What is drawn of a History beside what it has: the ends of the interval, rates for counts. */
export function drawn(history) {
  const edge = (sign) => history.power_w.map((value, i) =>
    value == null ? null : Math.max(0, value + sign * Z95 * (history.power_sigma_w[i] ?? 0)));
  const judged = history.accepted.map((accepted, i) => (accepted ?? 0) + (history.stale[i] ?? 0) + (history.rejected[i] ?? 0));
  const part = (values) => values.map((value, i) => value == null || !judged[i] ? null : value / judged[i]);
  return {
    ...history, judged, low_w: edge(-1), high_w: edge(1), stale_part: part(history.stale), rejected_part: part(history.rejected),
  };
}

/** "from 1 204 MW at 03:10 to 1 690 MW at 17:30", or that nothing is known. */
function extremes(data, key, format) {
  const known = data[key].map((value, i) => [value, i]).filter(([value]) => value != null);
  if (!known.length) return "nothing is known of this time";
  const at = (i) => moment(data.end_s - (data[key].length - 1 - i) * data.step_s, data.end_s);
  const [least, most] = known.reduce(([low, high], each) => [each[0] < low[0] ? each : low, each[0] > high[0] ? each : high], [known[0], known[0]]);
  return `between ${format(least[0])} at ${at(least[1])} and ${format(most[0])} at ${at(most[1])}, at last ${format(known.at(-1)[0])}`;
}

const watts = (value) => quantity(value, "W", 3);
const hashes = (value) => quantity(value, "H/s", 3);

function powerChart() {
  return new Chart({
    title: "Power and its limit",
    class: "chart-power",
    format: watts,
    series: [
      { name: "Power", key: "power_w", colour: "accent", width: 1.5 },
      { name: "", key: "high_w", quiet: true },
      { name: "", key: "low_w", quiet: true, band: "high_w", fill: "accent-veil" },
      { name: "Limit", key: "limit_w", colour: "text", dash: [5, 4], width: 1.5 },
    ],
    read: (data, i) => {
      if (data.power_w[i] == null) return NOTHING;
      const power = figure({ value: data.power_w[i], sigma: data.power_sigma_w[i] ?? 0 }, "W");
      const limit = data.limit_w[i] == null ? "no limit" : `limit ${watts(data.limit_w[i])}`;
      return `${power}, ${limit}${data.ai_w[i] ? `, AI ${watts(data.ai_w[i])}` : ""}`;
    },
    summary: (data) => `Power: ${extremes(data, "power_w", watts)}.`,
  });
}

function hashrateChart() {
  return new Chart({
    title: "Hashrate",
    format: hashes,
    series: [{ name: "Proven", key: "hashrate_h_s", colour: "accent" }],
    read: (data, i) => `${quantity(data.hashrate_h_s[i], "H/s")}${data.rigs[i] == null ? "" : `, ${count(data.rigs[i])} rigs`}`,
    summary: (data) => `Hashrate: ${extremes(data, "hashrate_h_s", hashes)}.`,
  });
}

function sharesChart() {
  return new Chart({
    title: "Stale and rejected",
    format: (value) => percent(value),
    fromZero: true,
    series: [
      { name: "Stale", key: "stale_part", colour: "muted" },
      { name: "Rejected", key: "rejected_part", colour: "bad" },
    ],
    read: (data, i) => data.judged[i] ? `${percent(data.stale_part[i])} stale, ${percent(data.rejected_part[i])} rejected of ${plural(data.judged[i], "share")}` : "no share",
    summary: (data) => `Stale shares: ${extremes(data, "stale_part", percent)}. Rejected: ${extremes(data, "rejected_part", percent)}.`,
  });
}

/** A row of buttons of which one is pressed. */
export function choice(label, options, chosen, onchoose) {
  const buttons = Object.entries(options).map(([key, text]) => h("button", { type: "button", "aria-pressed": key === chosen, "data-key": key, onclick: () => onchoose(key) }, text));
  const element = h("div", { role: "group", "aria-label": label, class: "choice" }, buttons);
  element.choose = (key) => buttons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.key === key));
  return element;
}

/** The charts with their span and site, which stand in the route. */
export class Charts {
  element;
  #app;
  #charts = [powerChart(), hashrateChart(), sharesChart()];
  #note = h("p", { class: "quiet", role: "status" });
  #site;
  #spans;
  #query = null;
  #timer = 0;
  #closed = false;

  constructor(app) {
    this.#app = app;
    this.#spans = choice("Span of the charts", { "1h": "1 h", "6h": "6 h", "1d": "1 d", "7d": "7 d" }, USUAL_SPAN, (span) => app.setQuery({ span: span === USUAL_SPAN ? "" : span }));
    this.#site = h("select", { "aria-label": "Site of the charts", onchange: () => app.setQuery({ site: this.#site.value }) }, h("option", { value: "" }, "All sites"));
    this.element = h("div", { class: "charts-block" },
      h("div", { class: "bar" }, this.#site, this.#spans, this.#note),
      h("div", { class: "charts" }, this.#charts.map(({ element }) => element)));
  }

  setSites(names) {
    const known = [...this.#site.options].map(({ value }) => value).slice(1);
    if (known.join("\n") === names.join("\n")) return;
    const { value } = this.#site;
    this.#site.replaceChildren(h("option", { value: "" }, "All sites"), ...names.map((name) => h("option", { value: name }, name)));
    this.#site.value = this.#query?.site ?? value;
  }

  routed({ span = USUAL_SPAN, site = "" }) {
    if (this.#query?.span === span && this.#query?.site === site) return;
    this.#query = { span: span in SPANS ? span : USUAL_SPAN, site };
    this.#spans.choose(this.#query.span);
    this.#site.value = site;
    this.#load();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const chart of this.#charts) chart.close();
  }

  async #load() {
    clearTimeout(this.#timer);
    const query = this.#query;
    let waitS = 15;
    try {
      const history = await this.#app.api.get("/history", query);
      if (this.#closed || query !== this.#query) return;
      const data = drawn(history);
      for (const chart of this.#charts) chart.show(data);
      setText(this.#note, "");
      waitS = Math.max(10, history.step_s);
    } catch (error) {
      if (this.#closed || query !== this.#query) return;
      setText(this.#note, error.message);
      if (error.needsToken) return this.#app.refused(error);
    }
    // The stream does not tell of history: a point is added each step.
    this.#timer = setTimeout(() => document.hidden ? this.#wakes() : this.#load(), waitS * 1000);
  }

  #wakes() {
    document.addEventListener("visibilitychange", () => this.#closed || this.#load(), { once: true });
  }
}
