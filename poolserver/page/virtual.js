/**
 * A grid of many rows, of which only those in sight are elements. Row heights are alike.
 *
 * The grid has the focus; arrow keys move the row that is meant (aria-activedescendant), Enter opens it.
 */

import { h, newId, setAttribute, setClass } from "./dom.js";

/** Rows beyond either edge, so that a quick scroll finds them made. */
const SPARE = 8;

export class VirtualGrid {
  element;
  #body;
  #sizer;
  #pool = new Map();
  #spare = [];
  #options;
  #count = 0;
  #frame = 0;
  #id = newId("grid");
  active = -1;

  /**
   * options: label; columns [{title, class, sort?, sorted?, onsort?}]; rowHeight; role ("grid" or "treegrid");
   * make() -> a row's cells; fill(row, cells, index); open(index); key(event, index) -> true if it was dealt with;
   * sight(first, last): which rows are in sight; empty: said where there is no row.
   */
  constructor(options) {
    this.#options = options;
    this.#body = h("div", { class: "grid-rows", role: "rowgroup" });
    this.#sizer = this.#body;
    this.header = h("div", { role: "row", class: "grid-row grid-header", "aria-rowindex": 1 });
    this.emptyNote = h("p", { class: "quiet empty", hidden: true }, options.empty ?? "Nothing to show.");
    this.element = h("div", {
      class: `grid ${options.class ?? ""}`,
      role: options.role ?? "grid",
      "aria-label": options.label,
      "aria-readonly": "true",
      "aria-colcount": options.columns.length,
      tabindex: 0,
      onscroll: () => this.#later(),
      onkeydown: (event) => this.#key(event),
      onclick: (event) => this.#click(event),
    }, h("div", { role: "rowgroup", class: "grid-head" }, this.header), this.#body, this.emptyNote);
    this.setColumns(options.columns);
    this.observer = new ResizeObserver(() => this.#later());
    this.observer.observe(this.element);
  }

  setColumns(columns) {
    this.header.replaceChildren(...columns.map((column) => h(
      "div",
      { role: "columnheader", class: column.class, "aria-sort": column.sorted, title: column.hint },
      column.onsort
        ? h("button", { type: "button", class: "sort", onclick: column.onsort }, column.title)
        : column.title,
    )));
  }

  close() {
    this.observer.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  get count() {
    return this.#count;
  }

  /** There are so many rows now, and all in sight are filled anew. */
  setCount(count) {
    this.#count = count;
    this.#sizer.style.height = `${count * this.#options.rowHeight}px`;
    setAttribute(this.element, "aria-rowcount", count + 1);
    this.emptyNote.hidden = count > 0;
    if (this.active >= count) this.active = count - 1;
    this.refresh();
  }

  /** Fill what is in sight. */
  refresh() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#draw(true);
  }

  activate(index, scroll = true) {
    this.active = Math.max(0, Math.min(this.#count - 1, index));
    if (scroll) this.#scrollTo(this.active);
    this.#draw(false);
  }

  scrollToTop() {
    this.element.scrollTop = 0;
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw(false);
    });
  }

  #sight() {
    const { rowHeight } = this.#options;
    const top = this.element.scrollTop;
    const height = this.element.clientHeight - this.header.offsetHeight;
    const first = Math.max(0, Math.floor(top / rowHeight) - SPARE);
    const last = Math.min(this.#count, Math.ceil((top + height) / rowHeight) + SPARE);
    return { first, last: Math.max(first, last) };
  }

  #draw(anew) {
    const { first, last } = this.#sight();
    for (const [index, row] of this.#pool) {
      if (index >= first && index < last) continue;
      this.#pool.delete(index);
      this.#spare.push(row);
    }
    for (let index = first; index < last; index++) {
      let row = this.#pool.get(index);
      if (!row) {
        row = this.#spare.pop() ?? this.#makeRow();
        this.#pool.set(index, row);
        this.#place(row, index);
        this.#options.fill(row.element, row.cells, index);
      } else if (anew) this.#options.fill(row.element, row.cells, index);
      setClass(row.element, "active", index === this.active);
    }
    for (const row of this.#spare) if (!row.element.hidden) row.element.hidden = true;
    const isThere = this.#pool.has(this.active);
    setAttribute(this.element, "aria-activedescendant", isThere ? `${this.#id}-${this.active}` : null);
    this.#options.sight?.(first, last);
  }

  #makeRow() {
    const cells = this.#options.make();
    const element = h("div", { role: "row", class: "grid-row" }, cells);
    this.#body.append(element);
    return { element, cells };
  }

  #place(row, index) {
    row.element.hidden = false;
    row.element.id = `${this.#id}-${index}`;
    row.element.setAttribute("aria-rowindex", index + 2);
    row.element.style.transform = `translateY(${index * this.#options.rowHeight}px)`;
    row.element.rowIndexShown = index;
  }

  #scrollTo(index) {
    const { rowHeight } = this.#options;
    const height = this.element.clientHeight - this.header.offsetHeight;
    const top = index * rowHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + rowHeight > this.element.scrollTop + height) this.element.scrollTop = top + rowHeight - height;
  }

  #key(event) {
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.#options.key?.(event, this.active)) return void event.preventDefault();
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.#options.rowHeight) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) this.activate(this.active + steps[event.key]);
    else if (event.key === "Home") this.activate(0);
    else if (event.key === "End") this.activate(this.#count - 1);
    else if (event.key === "Enter" && this.active >= 0) this.#options.open?.(this.active);
    else return;
    event.preventDefault();
  }

  #click(event) {
    const row = event.target.closest(".grid-rows > .grid-row");
    if (!row) return;
    this.activate(row.rowIndexShown, false);
    this.#options.open?.(row.rowIndexShown, event);
  }
}
