/** What is known now, and who is told when that changes. */

const MOST_EVENTS = 1000;

export class Store {
  status = null;
  /** The newest PowerView; its nodes are those that the pool streams, or all of them once they were read. */
  power = null;
  /** PowerView's nodes by path. */
  nodes = new Map();
  sites = [];
  bitcoinNodes = null;
  /** The newest first. */
  events = [];
  /** Unix seconds here when the last news came. */
  heardAt = null;
  connection = { state: "connecting", nextAt: null };
  #listeners = new Set();
  #ahead = 0;

  /** `listener(topic)`: status, sites, nodes (Bitcoin's), power, tree (other power nodes), events, connection. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(topic) {
    for (const listener of this.#listeners) listener(topic);
  }

  /** The pool's clock: this machine's may be off. */
  now() {
    return Date.now() / 1000 + this.#ahead;
  }

  setStatus(status) {
    this.status = status;
    this.heardAt = Date.now() / 1000;
    const ahead = status.at - this.heardAt;
    // Below two seconds it may be the way of the message.
    this.#ahead = Math.abs(ahead) > 2 ? ahead : 0;
    this.tell("status");
  }

  /** `whole`: these are all nodes. Otherwise those that it has take the place of the known ones. */
  setPower(power, whole = false) {
    let changed = whole;
    if (whole) this.nodes = new Map();
    for (const node of power.nodes) {
      changed ||= !this.nodes.has(node.path);
      this.nodes.set(node.path, node);
    }
    this.power = power;
    this.tell(changed ? "tree" : "power");
  }

  setSites(sites) {
    this.sites = sites;
    this.tell("sites");
  }

  setBitcoinNodes(nodes) {
    this.bitcoinNodes = nodes;
    this.tell("nodes");
  }

  /** The programme and its sites. */
  topNodes() {
    return (this.power?.nodes ?? []).filter((node) => node.depth <= 1);
  }

  addEvents(events) {
    const newest = this.events[0]?.id ?? -1;
    const news = events.filter((event) => event.id > newest).reverse();
    if (!news.length) return;
    this.events = [...news, ...this.events].slice(0, MOST_EVENTS);
    this.tell("events");
  }

  setConnection(state, nextAt = null) {
    if (this.connection.state === state && this.connection.nextAt === nextAt) return;
    this.connection = { state, nextAt };
    this.tell("connection");
  }
}
