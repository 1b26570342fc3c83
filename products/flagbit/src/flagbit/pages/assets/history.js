// Who changed what, when, from what, to what.

import { h, seen, when, button } from "./shared/dom.js";
import { changes, label, lines } from "./fields.js";

export class History {
  constructor(app, key) {
    Object.assign(this, { app, key });
    this.list = h("ol", { class: "history" });
    this.more = button("Older changes", () => this.load(this.next), { hidden: true });
    this.error = h("p", { class: "error", role: "alert" });
    this.node = h("div", { class: "form" }, this.error, this.list, this.more);
  }

  async load(cursor) {
    const query = new URLSearchParams({ flag: this.key, limit: "20", ...(cursor ? { cursor } : {}) });
    const answer = await this.app.api.get(`audit?${query}`);
    this.error.textContent = answer.ok ? "" : answer.problem.detail;
    if (!answer.ok) return;
    const entries = answer.body.items.map(entryView);
    if (cursor) this.list.append(...entries);
    else this.list.replaceChildren(...entries);
    this.next = answer.body.next;
    this.more.hidden = !this.next;
  }
}

function entryView(entry) {
  const where = entry.kind === "state" ? ` in ${entry.environment}` : "";
  const what = { created: "created the flag", deleted: "deleted the flag", changed: entry.kind === "flag" ? "changed the flag" : "changed what it does" }[entry.action];
  const head = h("p", { class: "entry-head" }, h("strong", {}, seen(entry.actor)), ` ${what}${where} `, h("span", { class: "soft" }, when(entry.at)));
  const fields = entry.before && entry.after ? changes(entry.kind, entry.before, entry.after) : [];
  const details = fields.map(([field, was, is]) =>
    h("div", { class: "change" }, h("span", { class: "label" }, label(entry.kind, field)),
      block("del", "Before", entry.kind, field, was), block("ins", "After", entry.kind, field, is)));
  const tag = entry.etag && h("p", { class: "hint mono" }, entry.etag);
  return h("li", { class: "entry" }, head, details, tag);
}

function block(tag, title, kind, field, value) {
  return h(tag, { class: "lines" }, h("span", { class: "heard" }, `${title}: `), lines(kind, field, value).map((line) => h("span", { class: "line" }, line === "" ? " " : seen(line))));
}
