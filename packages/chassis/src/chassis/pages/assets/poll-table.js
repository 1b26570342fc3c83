// <poll-table src="…" every="5000"> around a table: asks for the rows with If-None-Match, puts in
// what changed, and says under the table what the last poll cost and what all of them saved.
//
// The answer has `items`; each is a row, known by its member `name` (or what `key` says). Columns
// say what they show: <th data-field="requests" data-as="number">. Whoever wants more of a new
// answer listens to "polled", whose detail it is.

import { Client } from "../ifmatch/client.js";
import { shown, size } from "./amounts.js";
import { button, h, seen } from "./dom.js";

// Asks for one address again and again. It sleeps while nobody looks, and waits longer while there
// is no answer. `told` hears of each round: {status, bytes, saved, error, paused}.
export class Rounds {
  constructor(src, { every, told, changed, client = new Client() }) {
    Object.assign(this, { src, every, told, changed, client, etag: null, failures: 0, paused: false });
    document.addEventListener("visibilitychange", () => this.go());
  }

  go() {
    clearTimeout(this.timer);
    if (document.hidden || this.paused || this.ended) return;
    this.timer = setTimeout(() => this.ask(), 0);
  }

  stop() {
    this.ended = true;
    clearTimeout(this.timer);
  }

  pause(paused) {
    this.paused = paused;
    this.go();
    if (paused) this.told({ ...this.last, saved: this.client.saved, paused });
  }

  async ask() {
    const number = (this.number = (this.number ?? 0) + 1);
    let wait = this.every;
    try {
      const { value, etag, status, bytes } = await this.client.get(this.src);
      if (this.ended) return;
      this.failures = 0;
      this.last = { status, bytes: status === 304 ? 0 : bytes };
      if (etag !== this.etag) this.changed(value);
      this.etag = etag;
      this.told({ ...this.last, saved: this.client.saved });
    } catch (error) {
      if (this.ended) return;
      this.failures += 1;
      wait = Math.min(this.every * 2 ** this.failures, 60_000);
      this.told({ error, status: error.status, saved: this.client.saved });
    }
    if (number === this.number && !document.hidden && !this.paused) {
      this.timer = setTimeout(() => this.ask(), wait);
    }
  }
}

// What a round cost, and what all of them saved, in one line.
export function cost({ status, bytes, saved, error, paused }, signIn = null) {
  if (error && status === 401) {
    const way = signIn ? h("a", { href: signIn }, "Sign in") : "Sign in";
    return ["You are signed out. ", way, " to go on."];
  }
  if (error) return ["No answer: it is asked again in a moment."];
  const last = paused ? "Paused" : `${status}, ${size(bytes)}`;
  const polls = `${saved.asked} ${saved.asked === 1 ? "poll" : "polls"}`;
  return [
    h("span", { class: paused ? "dot" : "dot is-live" }),
    h("strong", {}, last),
    ` ${polls}, ${saved.unchanged} unchanged, ${size(saved.bytes)} saved`,
  ];
}

class PollTable extends HTMLElement {
  connectedCallback() {
    if (this.rounds) return this.rounds.go();
    this.columns = [...this.querySelectorAll("thead th")].map(({ dataset, textContent }) => ({ ...dataset, label: textContent.trim() }));
    this.line = h("span", { class: "poll" });
    const pause = button("Pause", () => {
      const paused = !this.rounds.paused;
      pause.textContent = paused ? "Go on" : "Pause";
      this.rounds.pause(paused);
    }, { class: "quiet" });
    this.append(h("p", { class: "cost" }, this.line, pause));
    this.rounds = new Rounds(this.getAttribute("src"), {
      every: Number(this.getAttribute("every") ?? 5000),
      told: (round) => {
        this.line.classList.toggle("is-bad", Boolean(round.error));
        this.line.replaceChildren(...cost(round, this.getAttribute("sign-in")));
      },
      changed: (value) => this.show(value),
    });
    this.rounds.go();
  }

  disconnectedCallback() {
    clearTimeout(this.rounds.timer);
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
