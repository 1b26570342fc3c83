// A new flag.

import { h, button } from "./shared/dom.js";
import { clearErrors, field } from "./shared/controls.js";
import { sentence } from "./shared/editor.js";
import { told } from "./shared/requests.js";
import { same } from "./ifmatch/merge.js";
import { select } from "./choices.js";
import { flagForm, preset, TYPES } from "./flagform.js";

export class Create {
  constructor(app) {
    this.app = app;
    this.key = field("Key", h("input", { maxlength: 128, spellcheck: "false", autocomplete: "off", autocapitalize: "off" }), { hint: "Letters, digits, points, _ and -. It stays for good." });
    this.type = field("Type", select(TYPES.map((type) => [type, type]), "boolean"), { hint: "It stays for good." });
    this.box = h("div", {});
    this.error = h("p", { class: "error", role: "alert" });
    this.title = h("h2", { tabindex: "-1" }, "New flag");
    this.type.control.addEventListener("change", () => this.start());
    this.form = h("form", { novalidate: true, class: "form", onsubmit: (event) => { event.preventDefault(); this.save(); } },
      h("div", { class: "pair" }, this.key, this.type), this.box, this.error,
      h("div", { class: "row save-bar" }, h("button", { class: "first" }, "Create the flag"), button("Cancel", () => app.close(), { class: "quiet" })));
    this.node = h("div", { class: "sheet panel" }, h("div", { class: "bar" }, this.title), h("p", { class: "hint" }, "It is off in every environment until somebody switches it on."), this.form);
    this.start();
  }

  get dirty() {
    return this.key.control.value !== "" || !same(this.fields.read().value, this.opened);
  }

  start() {
    const description = this.fields?.read().value.description ?? "";
    const tags = this.fields?.read().value.tags ?? [];
    this.fields = flagForm({ ...preset(this.type.control.value), description, tags });
    this.opened = this.fields.read().value;
    this.box.replaceChildren(this.fields.node);
  }

  async save() {
    clearErrors(this.form);
    this.error.textContent = "";
    const { value, problems } = this.fields.read();
    if (problems.length) return this.point(problems);
    const key = this.key.control.value.trim();
    try {
      await this.app.client.send(this.app.at.flags(), "POST", { value: { key, ...value } });
    } catch (error) {
      return this.refuse(told(error, { writing: true }));
    }
    this.app.created(key);
  }

  refuse({ status, title, detail, errors }) {
    const exists = { pointer: "/key", detail: "There is a flag with this key already. Take another key." };
    const placed = (status === 409 ? [exists] : errors).map((error) => {
      const parts = error.pointer?.split("/").slice(1) ?? [];
      const node = { key: this.key, type: this.type }[parts[0]] ?? (parts[0] && this.fields.at(parts));
      return node && { node, detail: sentence(error.detail) };
    }).filter(Boolean);
    if (placed.length) this.point(placed);
    else this.error.textContent = status === 401 ? "You are signed out. Sign in in another tab, then save again." : (detail || title);
  }

  point(problems) {
    for (const { node, detail } of problems) node.fail(detail);
    problems[0].node.control.focus();
  }
}
