/** What is looked at stands behind the # of the address: it can be kept, sent and gone back to. */

export const VIEWS = ["overview", "power", "rigs", "blocks", "nodes", "events"];

/** "#/rigs?q=S21" as {view: "rigs", rest: "", query: {q: "S21"}}. What is no view is the overview. */
export function parseRoute(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view, ...rest] = path.split("/");
  const query = Object.fromEntries(new URLSearchParams(search));
  if (!VIEWS.includes(view)) return { view: "overview", rest: "", query: {} };
  return { view, rest: rest.map(decoded).join("/"), query };
}

/** The other way. `rest` is one name, slashes and all. */
export function routeHash({ view, rest = "", query = {} }) {
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value != null);
  const search = new URLSearchParams(kept).toString();
  return `#/${view}${rest ? `/${encodeURIComponent(rest)}` : ""}${search ? `?${search}` : ""}`;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
