// The list of flags. A row stays the same element while its flag is there, so that a poll takes the
// focus from nobody.

import { h, seen } from "./shared/dom.js";
import { serveText } from "./fields.js";

export class List {
  constructor(app, node) {
    Object.assign(this, { app, node });
    this.rows = new Map();
  }

  show(items, { text, archived }) {
    const keys = new Set(items.map((item) => item.key));
    for (const [key, row] of this.rows) if (!keys.has(key)) { row.node.remove(); this.rows.delete(key); }
    if (!this.started) { this.node.replaceChildren(); this.started = true; }
    this.node.querySelector(".none")?.remove();
    let place = this.node.firstElementChild;
    for (const item of items) {
      const row = this.rows.get(item.key) ?? this.add(item.key);
      row.update(item);
      if (row.node === place) place = place.nextElementSibling;
      else this.node.insertBefore(row.node, place);
    }
    if (!items.length) {
      const said = text ? "No flag has this in its key or description." : archived ? "No flag is archived." : this.app.canEdit ? "There is no flag yet. Press New flag to make the first one." : "There is no flag yet.";
      this.node.append(h("li", { class: "none" }, said));
    }
  }

  add(key) {
    const row = new Row(this.app, key);
    this.rows.set(key, row);
    return row;
  }

  mark(opened, dirty) {
    for (const [key, row] of this.rows) {
      if (key === opened) row.link.setAttribute("aria-current", "true");
      else row.link.removeAttribute("aria-current");
      row.node.classList.toggle("is-open", key === opened);
      row.unsaved.hidden = !dirty.has(key);
    }
  }
}

class Row {
  constructor(app, key) {
    Object.assign(this, { app, key });
    this.link = h("a", { class: "key", onclick: (event) => this.click(event) }, key);
    this.unsaved = h("span", { class: "unsaved", hidden: true }, "unsaved");
    this.says = h("p", { class: "says" });
    this.chips = h("p", { class: "chips" });
    this.serves = h("p", { class: "serves" });
    this.word = h("span", { class: "word" });
    this.toggle = h("button", { type: "button", role: "switch", class: "switch", onclick: () => this.app.toggle(this.item, this.toggle) }, h("span", { class: "knob" }), this.word);
    this.node = h("li", { class: "flag", "data-key": key },
      h("div", { class: "what" }, h("div", { class: "key-line" }, this.link, this.unsaved), this.says, this.chips), h("div", { class: "does" }, this.toggle, this.serves));
  }

  click(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    this.app.open(this.key);
  }

  update(item) {
    this.link.href = this.app.address({ flag: this.key });
    const mark = `${item.revision} ${item.state?.revision} ${item.state?.environment} ${item.updated} ${item.state?.updated}`;
    if (mark === this.shown) return;
    this.shown = mark;
    this.item = item;
    const { state } = item;
    this.says.replaceChildren(seen(item.description));
    this.chips.replaceChildren(h("span", { class: "chip" }, item.type), ...item.tags.map((tag) => h("span", { class: "chip tag" }, seen(tag))));
    this.toggle.hidden = !state;
    if (!state) return;
    this.toggle.setAttribute("aria-checked", String(state.enabled));
    this.toggle.setAttribute("aria-label", `${this.key} in ${state.environment}`);
    this.toggle.disabled = !this.app.canEdit || item.archived;
    this.word.textContent = state.enabled ? "On" : "Off";
    this.serves.replaceChildren(seen(serves(item)));
  }
}

function serves({ state, off_variant: own }) {
  if (!state.enabled) return `serves ${state.off_variant ?? own}`;
  const rules = state.rules.length === 0 ? "" : state.rules.length === 1 ? "1 rule, else " : `${state.rules.length} rules, else `;
  return `${rules}${serveText(state.fallthrough)}`;
}
