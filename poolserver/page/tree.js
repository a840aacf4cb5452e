/** A tree as rows: which nodes are open, and so which are seen. Pure. */

/** Sites begin open where what is right below them is no more than this. */
const MOST_OPEN = 40;

/** Nodes come depth first, as PowerView has them. */
export class TreeRows {
  #nodes = [];
  #ends = [];
  #index = new Map();
  #open = new Set();
  rows = [];

  /** Take other nodes. What was open stays so. */
  setNodes(nodes) {
    this.#nodes = nodes;
    this.#index = new Map(nodes.map((node, i) => [node.path, i]));
    // Where what is below each node ends.
    const above = [];
    this.#ends = new Array(nodes.length);
    nodes.forEach(({ depth }, i) => {
      while (above.length && nodes[above.at(-1)].depth >= depth) this.#ends[above.pop()] = i;
      above.push(i);
    });
    for (const i of above) this.#ends[i] = nodes.length;
    if (!this.#open.size) this.#open = this.#openAtFirst();
    this.#build();
  }

  #openAtFirst() {
    const few = this.#nodes.filter(({ depth }) => depth === 2).length <= MOST_OPEN;
    return new Set(this.#nodes.filter(({ depth }) => depth === 0 || (few && depth === 1)).map(({ path }) => path));
  }

  #build() {
    this.rows = [];
    for (let i = 0; i < this.#nodes.length;) {
      this.rows.push(i);
      i = this.#open.has(this.#nodes[i].path) ? i + 1 : this.#ends[i];
    }
  }

  pathAt(row) {
    return this.#nodes[this.rows[row]]?.path;
  }

  depthAt(row) {
    return this.#nodes[this.rows[row]].depth;
  }

  hasChildren(row) {
    const i = this.rows[row];
    return this.#ends[i] > i + 1;
  }

  isOpen(row) {
    return this.#open.has(this.pathAt(row));
  }

  setOpen(row, open) {
    const path = this.pathAt(row);
    if (!this.hasChildren(row) || this.#open.has(path) === open) return false;
    if (open) this.#open.add(path);
    else this.#open.delete(path);
    this.#build();
    return true;
  }

  /** Open all nodes above this one; its row, or -1 where it is not there. */
  reveal(path) {
    if (!this.#index.has(path)) return -1;
    const parts = path.split("/");
    this.#open.add("/");
    for (let length = 1; length < parts.length; length++) this.#open.add(parts.slice(0, length).join("/"));
    this.#build();
    return this.rows.indexOf(this.#index.get(path));
  }

  /** Open or close everything. */
  setAllOpen(open) {
    this.#open = new Set(open ? this.#nodes.map(({ path }) => path) : ["/"]);
    this.#build();
  }

  /** The row of the node above, or -1. */
  parentRow(row) {
    const depth = this.depthAt(row);
    for (let each = row - 1; each >= 0; each--) if (this.depthAt(each) < depth) return each;
    return -1;
  }
}
