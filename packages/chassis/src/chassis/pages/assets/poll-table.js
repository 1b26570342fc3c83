// <poll-table src="…" every="5000"> around a table: asks for the rows with If-None-Match, puts in
// what changed, and says under the table what the last poll cost and what all of them saved.
//
// The answer has `items`; each is a row, known by its member `name` (or what `key` says). Columns
// say what they show: <th data-field="requests" data-as="number">. Whoever wants more of a new
// answer listens to "polled", whose detail it is.

import { Client } from "../ifmatch/client.js";
import { shown } from "./amounts.js";
import * as cost from "./cost.js";
import { button, h, seen } from "./dom.js";
import { Poll } from "./poll.js";

class PollTable extends HTMLElement {
  connectedCallback() {
    if (!this.poll) this.furnish();
    this.poll.watch(this.getAttribute("src"));
  }

  disconnectedCallback() {
    this.poll.watch(null);
  }

  furnish() {
    this.columns = [...this.querySelectorAll("thead th")].map(({ dataset, textContent }) => ({ ...dataset, label: textContent.trim() }));
    const line = h("span", { class: "poll" });
    const signIn = this.getAttribute("sign-in");
    this.poll = new Poll(new Client(), {
      every: Number(this.getAttribute("every") ?? 5000),
      onvalue: (value) => this.show(value),
      oncost: (round) => cost.show(line, round, { signIn }),
    });
    this.pausing = button("Pause", () => this.pause(!this.paused), { class: "quiet" });
    this.append(h("p", { class: "cost" }, line, this.pausing));
  }

  // What moves by itself can be stopped (WCAG 2.2.2); whoever goes on is answered at once.
  pause(paused) {
    this.paused = paused;
    this.pausing.textContent = paused ? "Go on" : "Pause";
    if (paused) this.poll.pause();
    this.poll.watch(paused ? null : this.getAttribute("src"));
  }

  show(value) {
    const body = this.querySelector("tbody");
    const known = this.getAttribute("key") ?? "name";
    const old = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    value.items.forEach((item, place) => {
      const row = old.get(String(item[known])) ?? this.add(String(item[known]));
      old.delete(row.dataset.key);
      if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] ?? null);
      this.columns.forEach((column, at) => put(row.cells[at], item[column.field], column.as));
    });
    for (const row of old.values()) row.remove();
    this.dispatchEvent(new CustomEvent("polled", { detail: value }));
  }

  add(key) {
    const cells = this.columns.map(({ as, label }, at) =>
      at ? h("td", { class: as ? "number" : null, "data-label": label }) : h("th", { scope: "row" }));
    return h("tr", { "data-key": key }, ...cells);
  }
}

// A cell, or anything that shows one value; it is touched only where the value is another one.
export function put(cell, value, way) {
  const text = shown(value, way);
  if (cell.textContent === text) return;
  cell.replaceChildren(way ? text : seen(text));
  cell.classList.remove("is-new");
  requestAnimationFrame(() => cell.classList.add("is-new"));
}

customElements.define("poll-table", PollTable);
