// One resource being edited: the version it was opened with, its tag, the form, and what is said
// when a save is refused. A save carries the tag; whoever comes second sees both versions.

import { h, seen, when, button } from "./shared/dom.js";
import { flagPath, statePath } from "./api.js";
import { clearErrors } from "./controls.js";
import { conflictView } from "./conflict.js";
import { content, join, split } from "./fields.js";
import { flagForm } from "./flagform.js";
import { same } from "./json.js";
import { compare, merged } from "./merge.js";
import { stateForm } from "./stateform.js";

export class Draft {
  // `variants` gives the names of the flag's variants, for a state.
  constructor(app, { kind, key, environment, variants }) {
    Object.assign(this, { app, kind, key, environment, variants });
    this.path = kind === "flag" ? flagPath(key) : statePath(key, environment);
    this.title = kind === "flag" ? key : `${key} in ${environment}`;
    this.notice = h("div", { class: "notices", role: "alert" });
    this.newer = h("div", { class: "notices", role: "status" });
    this.body = h("fieldset", { class: "draft-body", disabled: !app.canEdit });
    this.side = h("div", {});
    this.version = h("p", { class: "hint version-line" });
    this.saveButton = h("button", { class: "first" }, kind === "flag" ? "Save flag" : `Save for ${environment}`);
    this.discardButton = button("Discard changes", () => this.discard(), { class: "quiet" });
    this.mark = h("span", { class: "unsaved", hidden: true }, "Unsaved changes");
    this.bar = h("div", { class: "row save-bar", hidden: !app.canEdit }, this.saveButton, this.discardButton, this.mark);
    this.form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.save(); } }, this.body, this.bar);
    this.form.addEventListener("input", () => this.touched());
    this.form.addEventListener("change", () => this.touched());
    this.form.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "s") {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.node = h("div", { class: "draft" }, this.newer, this.notice, this.side, this.form, this.version);
  }

  get dirty() {
    return Boolean(this.fields) && !same(this.fields.read().value, this.opened);
  }

  async load() {
    const answer = await this.app.api.get(this.path);
    if (!answer.ok) return this.refuse(answer);
    this.tell();
    this.take(answer);
    this.show(this.base);
  }

  // What the server has now becomes the version that is edited, under its tag.
  take({ body, etag }) {
    this.base = content(body);
    this.etag = etag;
    this.revision = body.revision;
    this.isGone = false;
    this.newer.replaceChildren();
    this.version.textContent = `Revision ${body.revision}, tag ${etag}`;
  }

  show(value) {
    if (this.fields) this.fields.write(value);
    else {
      this.fields = this.kind === "flag" ? flagForm(value) : stateForm(value, this.variants());
      this.body.replaceChildren(this.fields.node);
    }
    // Asked of the form, so that what a form adds by itself is not taken for an edit.
    if (same(value, this.base)) this.opened = this.fields.read().value;
    this.touched();
  }

  touched() {
    const { dirty } = this;
    this.mark.hidden = !dirty;
    this.discardButton.hidden = !dirty;
    this.app.ondirty();
  }

  discard() {
    this.tell();
    clearErrors(this.form);
    this.show(this.base);
    this.app.say(`Your changes to ${this.title} were discarded.`);
    this.saveButton.focus();
  }

  // -- saving ------------------------------------------------------------------------------------

  async save() {
    this.tell();
    clearErrors(this.form);
    const { value, problems } = this.fields.read();
    if (problems.length) return this.point(problems);
    if (!this.dirty) return this.app.say("There is nothing to save.");
    await this.put(value, this.etag);
  }

  async put(value, etag) {
    if (this.busy) return;
    this.busy = true;
    const before = this.fields.read().value;
    this.saveButton.setAttribute("aria-disabled", "true");
    const answer = await this.app.api.send("PUT", this.path, { content: value, ifMatch: etag });
    this.busy = false;
    this.saveButton.removeAttribute("aria-disabled");
    if (answer.ok) this.saved(answer, before);
    else if (answer.status === 412) await this.clash(value, answer.problem.last_change);
    else this.refuse(answer, value);
  }

  saved(answer, before) {
    // What was typed while the answer was under way stays.
    const typed = !same(this.fields.read().value, before);
    this.take(answer);
    if (typed) this.opened = before;
    else this.show(this.base);
    this.touched();
    this.app.say(`Saved ${this.title}.`);
    this.app.onsaved(this);
  }

  // -- somebody else saved first -------------------------------------------------------------------

  async clash(mine, by) {
    const now = await this.app.api.get(this.path);
    if (!now.ok) return this.refuse(now, mine);
    const theirs = content(now.body);
    const rows = compare(split(this.kind, this.base), split(this.kind, mine), split(this.kind, theirs));
    if (!rows.some((row) => row.by === "me" || row.by === "clash")) {
      this.take(now);
      this.show(this.base);
      this.app.say(`${by?.by ?? "Somebody"} made the same change already.`);
      return this.app.onsaved(this);
    }
    const view = conflictView({
      kind: this.kind, title: this.title, rows, by,
      choose: {
        save: (choices) => this.resolve(now, join(this.kind, merged(rows, choices), theirs.type)),
        theirs: () => this.takeTheirs(now, join(this.kind, merged(rows), theirs.type)),
        back: () => this.goOn(by),
      },
    });
    this.tell();
    this.newer.replaceChildren();
    this.form.hidden = this.version.hidden = true;
    this.side.replaceChildren(view.node);
    view.focus();
  }

  leave() {
    this.side.replaceChildren();
    this.form.hidden = this.version.hidden = false;
  }

  // The merged version is edited on top of theirs, and saved under the fresh tag. If somebody is
  // quicker again, theirs is what both started from.
  async resolve(now, value) {
    this.leave();
    this.take(now);
    this.show(this.base);
    this.show(value);
    this.saveButton.focus();
    if (this.dirty) await this.put(value, this.etag);
    else this.app.say(`${this.title} is as they saved it.`);
  }

  takeTheirs(now, mineOnTop) {
    this.leave();
    this.take(now);
    this.show(this.base);
    this.tell("other", "The form shows their version. Your changes are not in it.", [
      button("Put my changes back", () => { this.tell(); this.show(mineOnTop); this.saveButton.focus(); }),
    ]);
    this.notice.querySelector("button").focus();
  }

  goOn(by) {
    this.leave();
    this.tell("other", [seen(by?.by ?? "Somebody"), " saved another version", by ? [" at ", when(by.at)] : "", ". Yours is still here. When you save, you see both again."]);
    this.saveButton.focus();
  }

  // The list saw a newer version while this one is open. The form is left alone.
  isNewer(revision) {
    if (!this.fields || revision <= this.revision || this.form.hidden || this.busy || this.newer.firstChild) return;
    const text = this.dirty ? "Somebody saved a newer version while you edit. Yours is not lost." : "Somebody saved a newer version.";
    const look = async () => (this.dirty ? this.clash(this.fields.read().value, await this.lastChange()) : this.load());
    this.newer.replaceChildren(h("div", { class: "notice other" }, h("p", {}, text), h("div", { class: "row" }, button(this.dirty ? "Show both" : "Show it", look))));
  }

  // Somebody deleted the flag while this is open. The form is left alone.
  vanished({ by, at }) {
    if (!this.fields || this.isGone) return;
    this.isGone = true;
    const kept = this.dirty ? "What you wrote is kept on this page." : "Its last version is kept on this page.";
    const again = this.kind === "flag" ? [button("Create it again as I have it", () => this.again())] : [];
    const where = again.length || !this.app.canEdit ? "" : " To create it again, go to the tab Flag.";
    this.newer.replaceChildren(h("div", { class: "notice bad" }, h("p", {}, seen(by), " deleted this flag at ", when(at), ". ", kept, where),
      this.app.canEdit && again.length ? h("div", { class: "row" }, again) : null));
  }

  // It is there again: what was not edited here is shown as it is now.
  async returned() {
    if (!this.isGone) return;
    this.isGone = false;
    this.newer.replaceChildren();
    this.tell();
    if (!this.dirty) await this.load();
  }

  again() {
    const { value, problems } = this.fields.read();
    return problems.length ? this.point(problems) : this.recreate(value);
  }

  async lastChange() {
    const answer = await this.app.api.get(`audit?${new URLSearchParams({ flag: this.key, limit: "50" })}`);
    const found = answer.body?.items.find((entry) => entry.kind === this.kind && (this.kind === "flag" || entry.environment === this.environment));
    return found && { by: found.actor, at: found.at };
  }

  // -- refusals ------------------------------------------------------------------------------------

  refuse({ status, problem }, mine) {
    this.leave();
    if (status === 401) return this.signedOut();
    if (status === 404) return this.gone(problem, mine);
    const placed = status === 422 && this.fields ? this.locate(problem.errors ?? []) : [];
    const rest = (problem.errors ?? []).filter((error) => !placed.some((one) => one.error === error));
    if (placed.length) this.point(placed);
    if (!placed.length || rest.length) {
      const list = status === 422 && rest.length ? h("ul", {}, rest.map((error) => h("li", {}, `${error.pointer || error.name || ""} ${error.detail}`))) : null;
      this.tell("bad", [h("strong", {}, `Not saved. ${problem.title ?? ""}`.trim()), " ", seen(problem.detail ?? ""), list]);
    }
  }

  locate(errors) {
    return errors.flatMap((error) => {
      const parts = (error.pointer ?? "").split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
      const node = parts.length ? this.fields.at(parts) : null;
      return node ? [{ node, detail: sentence(error.detail), error }] : [];
    });
  }

  point(problems) {
    for (const { node, detail } of problems) node.fail(detail);
    problems[0].node.control.focus();
    this.app.say(`Not saved. ${problems.length === 1 ? "One field needs a correction." : `${problems.length} fields need a correction.`}`);
  }

  signedOut() {
    const address = `${this.app.signIn}?next=${encodeURIComponent(location.pathname + location.search)}`;
    this.tell("bad", ["You are signed out. What you wrote is kept on this page. ", h("a", { href: address, target: "_blank", rel: "opener" }, "Sign in in a new tab"), ", then save again."]);
  }

  gone(problem, mine) {
    const again = this.kind === "flag" && mine ? [button("Create it again as I have it", () => this.recreate(mine))] : [];
    this.isGone = true;
    this.newer.replaceChildren();
    this.tell("bad", `Somebody deleted ${this.key}. ${again.length ? "What you wrote is kept on this page." : problem.detail}`, again);
  }

  async recreate(mine) {
    const answer = await this.app.api.send("POST", "flags", { content: { key: this.key, ...mine } });
    if (!answer.ok) return this.refuse(answer);
    this.leave();
    this.tell();
    this.saved(answer, mine);
  }

  tell(kind, text, buttons = []) {
    this.notice.replaceChildren();
    if (text) this.notice.append(h("div", { class: `notice ${kind}` }, h("p", {}, text), buttons.length ? h("div", { class: "row" }, buttons) : null));
  }
}

export function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
