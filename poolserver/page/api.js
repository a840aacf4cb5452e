/** Calls of the pool's HTTP API. Errors are told in words. */

const ROOT = "/api/v1";
const KEPT_AS = "poolserver.token";

/** What went wrong, for people. `needsToken`: only a token helps. */
export class ApiError extends Error {
  constructor(message, { code = "", needsToken = false } = {}) {
    super(message);
    this.code = code;
    this.needsToken = needsToken;
  }
}

/** Bears a token in this tab alone. */
export class Api {
  #seen = new Map();

  get token() {
    return sessionStorage.getItem(KEPT_AS);
  }

  set token(value) {
    this.#seen.clear();
    if (value) sessionStorage.setItem(KEPT_AS, value);
    else sessionStorage.removeItem(KEPT_AS);
  }

  /** An answer that is good. Raises ApiError, or AbortError where `signal` ended it. */
  async open(path, { query = {}, headers = {}, signal } = {}) {
    const url = new URL(ROOT + path, location.origin);
    for (const [name, value] of Object.entries(query)) {
      if (value !== "" && value != null) url.searchParams.set(name, value);
    }
    const token = this.token;
    if (token) headers = { ...headers, Authorization: `Bearer ${token}` };
    let reply;
    try {
      reply = await fetch(url, { headers, signal, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("The pool does not answer.", { code: "unreachable" });
    }
    if (reply.ok || reply.status === 304) return reply;
    throw await refusal(reply, token);
  }

  /** The JSON of an answer. The same object as before where nothing has changed. */
  async get(path, query = {}, signal = undefined) {
    const key = path + JSON.stringify(query);
    const seen = this.#seen.get(key);
    const headers = seen ? { "If-None-Match": seen.etag } : {};
    const reply = await this.open(path, { query, headers, signal });
    if (reply.status === 304) return seen.data;
    const data = await reply.json();
    const etag = reply.headers.get("ETag");
    this.#seen.delete(key);
    if (etag && !("cursor" in query)) this.#seen.set(key, { etag, data });
    if (this.#seen.size > 20) this.#seen.delete(this.#seen.keys().next().value);
    return data;
  }
}

async function refusal(reply, token) {
  let problem = {};
  try {
    problem = await reply.json();
  } catch {
    // A proxy's page, say: the status has to do.
  }
  const code = problem.code ?? "";
  if (reply.status === 401) {
    const message = token
      ? "The pool does not know this token. Is it whole, and of this pool?"
      : "From where you are, the pool shows this to those who have a token.";
    return new ApiError(message, { code, needsToken: true });
  }
  if (code === "wrong_host") {
    const message = `The pool does not know itself by the name ${location.hostname}. ` +
      "Whoever runs it can list that in http.names; with a token it answers all the same.";
    return new ApiError(message, { code, needsToken: true });
  }
  if (reply.status === 403) {
    return new ApiError("This token may not read: it lacks the scope “read”.", { code, needsToken: true });
  }
  const title = problem.title ?? `The pool answers with status ${reply.status}`;
  return new ApiError(problem.detail ? `${title}: ${problem.detail}` : `${title}.`, { code });
}
