// One flag beside the list: what it does here, what it is, and what was done to it.

import { h, button, newId } from "./shared/dom.js";
import { told } from "./shared/requests.js";
import { flagDraft, stateDraft } from "./drafts.js";
import { History } from "./history.js";

export class Panel {
  constructor(app, key, environment, drafts) {
    Object.assign(this, { app, key, environment, drafts });
    this.title = h("h2", { tabindex: "-1" }, key);
    this.about = h("p", { class: "chips" });
    this.flag = this.draft(`flag ${key}`, () => flagDraft(app, key));
    const names = () => Object.keys(this.flag.base?.variants ?? {});
    this.state = environment && this.draft(`state ${environment} ${key}`, () => stateDraft(app, key, environment, names));
    this.history = new History(app, key);
    this.tabs = [
      ...(this.state ? [["state", `In ${environment}`, this.state.node]] : []),
      ["flag", "Flag", h("div", {}, this.flag.node, this.danger())],
      ["history", "History", this.history.node],
    ].map(([name, label, node]) => this.tab(name, label, node));
    this.tablist = h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the flag", onkeydown: (event) => this.arrow(event) }, this.tabs.map((one) => one.button));
    this.node = h("div", { class: "sheet panel" },
      h("div", { class: "bar" }, h("div", {}, this.title, this.about), button("Close", () => app.close(), { class: "quiet", "aria-label": "Close the editor" })),
      this.tablist, this.tabs.map((one) => one.node));
  }

  // A draft with changes is found again when its flag is opened again.
  draft(name, make) {
    const found = this.drafts.get(name);
    if (found?.dirty) return found;
    const made = make();
    this.drafts.set(name, made);
    return made;
  }

  async open() {
    this.select(this.tabs[0].name);
    if (!this.flag.fields) await this.flag.load();
    if (this.state && this.flag.fields && !this.state.fields) await this.state.load();
    this.describe();
  }

  describe() {
    const { base } = this.flag;
    if (!base) return;
    this.about.replaceChildren(h("span", { class: "chip" }, base.type), base.archived ? h("span", { class: "chip by-clash" }, "archived") : "");
  }

  // After a save of the flag its states may have other variants to choose from.
  saved(draft) {
    this.describe();
    if (draft === this.flag) {
      this.state?.fields?.setVariants(Object.keys(this.flag.base.variants));
      this.state?.returned();
    }
    if (this.selected === "history") this.history.load();
  }

  // The switch in the list changed what is open here.
  toggled(url, made) {
    const { state } = this;
    if (state?.subject.url !== url || !state.fields || state.dirty) return;
    state.take(made);
    state.show(state.base);
  }

  seen(item) {
    for (const draft of this.both()) draft.returned();
    const newer = (draft, now) => draft?.read && now.revision > draft.read.value.revision;
    if (newer(this.flag, item)) this.flag.isNewer();
    const { state } = item;
    if (state?.environment === this.environment && newer(this.state, state)) this.state.isNewer();
  }

  // The list does not show this flag: it is filtered out, or gone. The audit trail knows, for 304.
  async look() {
    let read;
    try {
      read = await this.app.client.get(this.app.at.audit({ flag: this.key, limit: "20" }));
    } catch (error) {
      told(error);
      return; // the list says that it could not be refreshed, and the next round asks again
    }
    if (read.etag === this.looked) return;
    this.looked = read.etag;
    const last = read.value.items.find((entry) => entry.kind === "flag");
    for (const draft of this.both()) {
      if (last?.action === "deleted") draft.vanished({ by: last.actor, at: last.at });
      else draft.returned();
    }
    if (this.selected === "history") this.history.load();
  }

  both() {
    return this.state ? [this.flag, this.state] : [this.flag];
  }

  // -- tabs --------------------------------------------------------------------------------------

  tab(name, label, content) {
    const id = newId("tab");
    const tab = h("button", { type: "button", role: "tab", id, "aria-controls": `${id}-panel`, onclick: () => this.select(name) }, label);
    const node = h("div", { role: "tabpanel", id: `${id}-panel`, "aria-labelledby": id, class: "tab-panel" }, content);
    return { name, button: tab, node };
  }

  select(name) {
    this.selected = name;
    for (const one of this.tabs) {
      const chosen = one.name === name;
      one.button.setAttribute("aria-selected", String(chosen));
      one.button.tabIndex = chosen ? 0 : -1;
      one.node.hidden = !chosen;
    }
    if (name === "history") this.history.load();
  }

  arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = this.tabs.findIndex((one) => one.name === this.selected);
    const next = this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    this.select(next.name);
    next.button.focus();
  }

  // -- deleting ------------------------------------------------------------------------------------

  danger() {
    if (!this.app.canEdit) return null;
    return h("div", { class: "danger-zone" }, button("Delete the flag…", () => this.confirm(), { class: "danger" }));
  }

  confirm() {
    const error = h("p", { class: "error", role: "alert" });
    const dialog = h("dialog", { "aria-labelledby": "confirm-title" },
      h("h2", { id: "confirm-title" }, `Delete ${this.key}?`),
      h("p", {}, "It goes from every environment, and clients get “flag not found”. This cannot be undone."), error,
      h("div", { class: "row" },
        button("Delete it", async () => { error.textContent = await this.remove(); if (!error.textContent) dialog.close(); }, { class: "danger" }),
        button("Keep it", () => dialog.close(), { autofocus: true })));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  // Returns what went wrong, or nothing.
  async remove() {
    try {
      await this.app.client.send(this.flag.subject.url, "DELETE", { etag: this.flag.read.etag });
    } catch (error) {
      const { status, title, detail, problem } = told(error, { writing: true });
      const by = problem.last_change?.by ?? "Somebody";
      if (status === 412) return `${by} changed it after you opened it. Keep it, look at the new version, then decide again.`;
      if (status !== 404) return detail || title;
    }
    for (const name of [...this.drafts.keys()]) if (name.endsWith(` ${this.key}`)) this.drafts.delete(name);
    this.app.say(`Deleted ${this.key}.`);
    this.app.close({ gone: true });
    return "";
  }
}
