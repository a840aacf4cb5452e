/** The pages of a list of rigs, read one after the other as far as they are wanted. */

const PAGE = 500;

export class PagedRigs {
  total = null;
  isLoading = false;
  #api;
  #changed;
  #query = null;
  #items = [];
  #next = null;
  #wanted = 0;
  #controller = new AbortController();

  /** `changed(error?)` is called when there is more, or when it went wrong. */
  constructor(api, changed) {
    this.#api = api;
    this.#changed = changed;
  }

  get loaded() {
    return this.#items.length;
  }

  at(index) {
    return this.#items[index];
  }

  /** Begin another list. */
  ask(query) {
    this.#query = query;
    this.#wanted = 0;
    this.again();
  }

  /** Read the list anew from its top. What is shown stays until then. */
  again() {
    this.#controller.abort();
    this.#controller = new AbortController();
    this.#load(null, this.#controller.signal);
  }

  /** Rows up to here are in sight. */
  want(last) {
    this.#wanted = last;
    if (!this.isLoading && this.#next != null && last + PAGE / 2 > this.#items.length) {
      this.#load(this.#next, this.#controller.signal);
    }
  }

  close() {
    this.#controller.abort();
  }

  async #load(cursor, signal) {
    this.isLoading = true;
    try {
      const query = cursor == null ? { ...this.#query, limit: PAGE } : { ...this.#query, limit: PAGE, cursor };
      const page = await this.#api.get("/rigs", query, signal);
      if (signal.aborted) return;
      if (cursor == null) this.#items = [];
      for (const item of page.items) this.#items.push(item);
      this.#next = page.next;
      this.total = page.total;
      this.isLoading = false;
      this.#changed();
      this.want(this.#wanted);
    } catch (error) {
      if (signal.aborted) return;
      this.isLoading = false;
      this.#next = null;
      this.#changed(error);
    }
  }
}
