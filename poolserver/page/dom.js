/** Elements, made of plain text alone: what rigs and others say is never read as HTML. */

import { utc } from "./format.js";

/** An element. `on…` are listeners, `class` and others attributes; null and false leave one out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** Change a text, and only where it is another: a screen reader and the layout are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setClass(element, name, on) {
  if (element.classList.contains(name) !== on) element.classList.toggle(name, on);
}

export function setAttribute(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** One child for each item, by its key; those that stay are only brought up to date. */
export function keyed(parent, items, keyOf, make, update) {
  const known = parent.keyedRows ??= new Map();
  const wanted = new Set();
  let before = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let row = known.get(key);
    if (!row) known.set(key, (row = make(item)));
    update?.(row, item);
    if (row === before) before = before.nextSibling;
    else parent.insertBefore(row, before);
  }
  for (const [key, row] of known) {
    if (wanted.has(key)) continue;
    row.remove();
    known.delete(key);
  }
}

/** A moment, with UTC in its title. */
export function timeElement(at, text) {
  return h("time", { datetime: new Date(at * 1000).toISOString(), title: utc(at) }, text);
}

let last = 0;
/** An id for aria-labelledby and the like. */
export const newId = (name) => `${name}-${++last}`;

/** A section with its heading. */
export function card(title, attributes, ...children) {
  const id = newId("card");
  const heading = h("h2", { id }, title);
  return h("section", { "aria-labelledby": id, ...attributes, class: `card ${attributes?.class ?? ""}` }, h("header", { class: "card-head" }, heading), ...children);
}
