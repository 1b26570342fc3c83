// Who changed what, when, from what, to what.

import { h, seen, when, button } from "./shared/dom.js";
import { told } from "./shared/requests.js";
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
    const query = { flag: this.key, limit: "20", ...(cursor ? { cursor } : {}) };
    let found;
    try {
      found = (await this.app.client.get(this.app.at.audit(query))).value;
    } catch (error) {
      const { title, detail } = told(error);
      this.error.textContent = detail || title;
      return;
    }
    this.error.textContent = "";
    const entries = found.items.map(entryView);
    if (cursor) this.list.append(...entries);
    else this.list.replaceChildren(...entries);
    this.next = found.next;
    this.more.hidden = !this.next;
  }
}

function entryView(entry) {
  const where = entry.kind === "state" ? ` in ${entry.environment}` : "";
  const what = { created: "created the flag", deleted: "deleted the flag", changed: entry.kind === "flag" ? "changed the flag" : "changed what it does" }[entry.action];
  const head = h("p", { class: "entry-head" }, h("strong", {}, seen(entry.actor)), ` ${what}${where} `, h("span", { class: "soft" }, when(entry.at)));
  const fields = entry.before && entry.after ? changes(entry.kind, entry.before, entry.after) : [];
  const details = fields.map(({ path, was, is }) =>
    h("div", { class: "change" }, h("span", { class: "label" }, seen(label(entry.kind, { path }))),
      block("del", "Before", path, was), block("ins", "After", path, is)));
  const tag = entry.etag && h("p", { class: "hint mono" }, entry.etag);
  return h("li", { class: "entry" }, head, details, tag);
}

function block(tag, title, path, value) {
  return h(tag, { class: "lines" }, h("span", { class: "heard" }, `${title}: `), lines({ path }, value).map((line) => h("span", { class: "line" }, line === "" ? " " : seen(line))));
}
