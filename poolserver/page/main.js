/** Puts the page together: the stream into the store, the route to a view, troubles and the connection above all. */

import { Api } from "./api.js";
import { BlocksView } from "./blocks.js";
import { h, setAttribute, setClass, setText } from "./dom.js";
import { EventsView } from "./events.js";
import { duration } from "./format.js";
import { NodesView } from "./nodes.js";
import { Overview } from "./overview.js";
import { PowerView } from "./power.js";
import { RigsView } from "./rigs.js";
import { parseRoute, routeHash, VIEWS } from "./router.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { themeSwitch } from "./theme.js";
import { tokenForm } from "./token_form.js";
import { Troubles } from "./troubles.js";

const MADE = { overview: Overview, power: PowerView, rigs: RigsView, blocks: BlocksView, nodes: NodesView, events: EventsView };
/** The pool tells its status every two seconds. */
const OLD_AFTER_S = 8;

const byId = (id) => document.getElementById(id);

class App {
  api = new Api();
  store = new Store();
  #main = byId("main");
  #view = null;
  #route = null;
  #troubles = new Troubles();
  #stream;
  #isRefused = false;

  constructor() {
    this.#stream = new Stream(this.api, {
      event: (type, data) => this.#heard(type, data),
      state: (state, nextAt) => this.store.setConnection(state, nextAt),
      error: (error) => this.refused(error),
    });
    byId("troubles").replaceWith(this.#troubles.element);
    this.store.listen((topic) => this.#changed(topic));
    addEventListener("hashchange", () => this.#routed());
    byId("skip").addEventListener("click", (event) => {
      event.preventDefault();
      this.#main.focus();
    });
    themeSwitch(byId("theme"));
    setInterval(() => this.#showConnection(), 1000);
  }

  /** Read what there is, then listen. */
  async start() {
    this.#showConnection();
    try {
      this.store.setStatus(await this.api.get("/status"));
    } catch (error) {
      if (error.needsToken) return this.refused(error);
    }
    this.#isRefused = false;
    const [sites, nodes, power, events] = await Promise.allSettled([
      this.api.get("/sites"), this.api.get("/nodes"), this.api.get("/power"), this.api.get("/events", { limit: 1000 }),
    ]);
    if (sites.value) this.store.setSites(sites.value);
    if (nodes.value) this.store.setBitcoinNodes(nodes.value);
    if (power.value) this.store.setPower(power.value, true);
    if (events.value) this.store.addEvents(events.value.items);
    this.#routed();
    this.#stream.start(String(this.store.events[0]?.id ?? ""));
  }

  siteNames() {
    const fromTree = this.store.topNodes().filter(({ depth }) => depth === 1).map(({ name }) => name);
    return [...new Set([...this.store.sites.map(({ name }) => name), ...fromTree])].filter((name) => name);
  }

  go(route, instead = false) {
    const hash = routeHash(route);
    if (hash === location.hash) return;
    if (instead) {
      history.replaceState(null, "", hash);
      this.#routed();
    } else location.hash = hash;
  }

  /** Other values in the route's query; empty ones leave it. */
  setQuery(change) {
    this.go({ ...this.#route, query: { ...this.#route.query, ...change } }, true);
  }

  /** The pool wants a token, or another one. */
  refused(error) {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#stream.stop();
    this.#view?.close();
    this.#view = null;
    this.#route = null;
    this.api.token = null;
    this.store.setConnection("refused");
    this.#main.replaceChildren(tokenForm(error, (token) => {
      this.api.token = token;
      this.#isRefused = false;
      this.start();
    }));
  }

  #heard(type, data) {
    if (type === "status") this.store.setStatus(data);
    else if (type === "power") this.store.setPower(data);
    else if (type === "sites") this.store.setSites(data);
    else if (type === "nodes") this.store.setBitcoinNodes(data);
    else if (type === "event") this.store.addEvents([data]);
  }

  #changed(topic) {
    if (topic === "status") this.#troubles.update(this.store.status);
    if (topic === "status" || topic === "connection") this.#showConnection();
    this.#view?.update(topic);
  }

  #routed() {
    if (this.#isRefused) return;
    const route = parseRoute(location.hash);
    const isOther = route.view !== this.#route?.view;
    this.#route = route;
    if (isOther) {
      this.#view?.close();
      this.#view = new MADE[route.view](this);
      this.#main.replaceChildren(h("h1", { class: "hidden" }, this.#view.title), this.#view.element);
      setClass(document.body, "fills", ["power", "rigs", "events"].includes(route.view));
      scrollTo(0, 0);
    }
    this.#view.routed(route);
    for (const view of VIEWS) setAttribute(byId(`to-${view}`), "aria-current", view === route.view ? "page" : null);
    this.#name();
    if (isOther) for (const topic of ["sites", "nodes", "tree", "status", "events"]) this.#view.update(topic);
  }

  #name() {
    const wrong = this.store.status?.troubles.length;
    document.title = `${wrong ? `(${wrong}) ` : ""}${this.#view?.title ?? "Pool"} · poolserver`;
  }

  #showConnection() {
    const { state, nextAt } = this.store.connection;
    const { status, heardAt } = this.store;
    const age = heardAt == null ? null : Date.now() / 1000 - heardAt;
    const isOld = age != null && age > OLD_AFTER_S;
    const left = nextAt == null ? "" : `, again in ${duration((nextAt - Date.now()) / 1000)}`;
    const said = { live: isOld ? "no news" : "live", connecting: "connecting", reconnecting: `reconnecting${left}`, asleep: "asleep", refused: "a token is needed" }[state];
    setText(byId("connection"), isOld ? `${said} · data ${duration(age)} old` : said);
    byId("connection").dataset.state = state === "live" && isOld ? "old" : state;
    setClass(document.body, "is-old", isOld);
    if (!status) return;
    setText(byId("network"), status.network === "main" ? "" : status.network);
    setText(byId("about"), `poolserver ${status.version}, configuration ${status.config_sha256.slice(0, 8)}, up for ${duration(this.store.now() - status.started_at)}`);
    this.#name();
  }
}

new App().start();
