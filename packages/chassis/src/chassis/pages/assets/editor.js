// One resource being edited: the version it was opened with, its tag, the form, and what is said when
// a save meets others' changes. A save carries the tag (If-Match). What others changed elsewhere in
// the document is merged, saved, and told; what both changed is shown, and asked.
//
// The editor knows no product. A `subject` has
//   url, title             what is edited, and what it is called in a sentence
//   save                   the words on the button
//   content(value)         what of a representation is edited; the rest only the server sets
//   whole                  places that are never mixed, as the library's merge takes them
//   form(value)            { node, read() -> { value, problems }, write(value), at(path) -> field }
//   label(place), lines(place, value)    how a place is called, and a value reads, line by line
//   about(value)           a word on the version, beside its tag
//   kind                   what it is, in a sentence: "this flag"
//   changes()              who changed what: [{ by, at, before, after }], the newest first
//   recreate(content)      makes it again after somebody deleted it, or null where that is done
//   elsewhere              elsewhere: a sentence that says where
// and a `page` client, canEdit, owner (the name on the key), signIn (an address), say(text),
// ondirty(), onsaved(editor).

import { conflictView, mergedView, names } from "./conflict.js";
import { clearErrors } from "./controls.js";
import { h, seen, when, button } from "./dom.js";
import { signInAddress, told } from "./requests.js";
import { decided, lastAt, places } from "./versions.js";
import { Conflict } from "../ifmatch/client.js";
import { merge, same } from "../ifmatch/merge.js";

const MILLISECONDS = 60_000; // of a save with all its tries

export class Editor {
  constructor(page, subject) {
    Object.assign(this, { page, subject });
    this.notice = h("div", { class: "notices", role: "alert" });
    this.newer = h("div", { class: "notices", role: "status" });
    this.merged = h("div", { class: "notices", role: "status" });
    this.side = h("div", {}); // a conflict
    this.body = h("fieldset", { class: "draft-body", disabled: !page.canEdit });
    this.version = h("p", { class: "hint version-line" });
    this.saveButton = h("button", { class: "first" }, subject.save);
    this.discardButton = button("Discard changes", () => this.discard(), { class: "quiet" });
    this.mark = h("span", { class: "unsaved", hidden: true }, "Unsaved changes");
    this.bar = h("div", { class: "row save-bar", hidden: !page.canEdit }, this.saveButton, this.discardButton, this.mark);
    this.form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); this.save(); } }, this.body, this.bar);
    this.form.addEventListener("input", () => this.touched());
    this.form.addEventListener("change", () => this.touched());
    this.form.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "s") {
        event.preventDefault();
        this.form.requestSubmit();
      }
    });
    this.node = h("div", { class: "draft" }, this.newer, this.merged, this.notice, this.side, this.form, this.version);
  }

  get dirty() {
    return Boolean(this.fields) && !same(this.fields.read().value, this.opened);
  }

  async load() {
    try {
      const read = await this.page.client.get(this.subject.url);
      this.tell();
      this.take(read);
      this.show(this.base);
    } catch (error) {
      this.refuse(error);
    }
  }

  // What the server has now becomes the version that is edited, under its tag.
  take(read) {
    this.read = read;
    this.base = this.subject.content(read.value);
    this.isGone = false;
    this.newer.replaceChildren();
    this.version.textContent = [this.subject.about(read.value), `tag ${read.etag}`].join(", ");
  }

  show(value) {
    if (this.fields) this.fields.write(value);
    else {
      this.fields = this.subject.form(value);
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
    this.page.ondirty();
  }

  discard() {
    this.tell();
    this.merged.replaceChildren();
    clearErrors(this.form);
    this.show(this.base);
    this.page.say(`Your changes to ${this.subject.title} were discarded.`);
    this.saveButton.focus();
  }

  // -- saving ------------------------------------------------------------------------------------

  async save() {
    this.tell();
    this.merged.replaceChildren();
    clearErrors(this.form);
    const { value, problems } = this.fields.read();
    if (problems.length) return this.point(problems);
    if (!this.dirty) return this.page.say("There is nothing to save.");
    await this.put(value);
  }

  async put(value) {
    if (this.busy) return;
    this.busy = true;
    this.saveButton.setAttribute("aria-disabled", "true");
    const before = this.fields.read().value;
    let between = null;
    const { url, content, whole } = this.subject;
    const manner = { content, whole, came: (one) => { between = one; }, signal: AbortSignal.timeout(MILLISECONDS) };
    try {
      const made = await this.page.client.save(url, value, this.read, manner);
      await this.saved(made, value, before, between);
    } catch (error) {
      if (error instanceof Conflict) await this.compare(this.base, value, error.now);
      else this.refuse(error, value, { before, between });
    } finally {
      this.busy = false;
      this.saveButton.removeAttribute("aria-disabled");
    }
  }

  async saved(made, sent, before, between) {
    const rows = between ? await this.rows(this.base, sent, between.theirs) : [];
    const doneBy = made.changed === false ? await this.author(sent) : null;
    const typed = this.fields.read().value;
    const now = this.subject.content(made.value);
    // What was typed while the answer was under way stays, on top of what was saved.
    const both = merge(before, typed, now, { whole: this.subject.whole });
    this.leave();
    if (both.clashes.length) await this.compare(this.base, typed, made);
    else {
      this.take(made);
      if (same(typed, before)) this.show(now);
      else if (same(before, now)) this.opened = before; // the form has it all, and keeps its caret
      else {
        this.show(now);
        this.show(both.merged);
      }
      this.touched();
    }
    this.tellSaved(rows.filter((row) => row.by === "them"), doneBy);
    this.page.onsaved(this);
  }

  // `doneBy` is who had made the same change already, null where it was made now.
  tellSaved(theirs, doneBy) {
    const { subject, page } = this;
    if (theirs.length && !this.form.hidden) {
      const dismiss = () => { this.merged.replaceChildren(); this.saveButton.focus(); };
      this.merged.replaceChildren(mergedView({ subject, rows: theirs, dismiss }));
      if (!this.dirty) this.merged.scrollIntoView({ block: "nearest" }); // who goes on typing is left there
      page.say(`Saved ${subject.title}, merged with what ${names(theirs)} changed.`);
    } else if (doneBy && doneBy !== page.owner) page.say(`${doneBy} made the same change already.`);
    else page.say(`Saved ${subject.title}.`); // or it was, by a try whose answer was lost
  }

  // -- others' changes -----------------------------------------------------------------------------

  async changes() {
    return this.subject.changes().catch(() => []); // then nobody knows who, and all else goes on
  }

  // Who last changed what was changed here.
  async author(mine) {
    const changes = await this.changes();
    const [path] = merge(this.base, mine, this.base, { whole: this.subject.whole }).mine;
    return lastAt(path ?? [], changes)?.by ?? "Somebody";
  }

  // What anybody changed, and who did.
  async rows(base, mine, theirs) {
    const changes = await this.changes();
    return places(base, mine, theirs, this.subject.whole).map((row) => {
      return { ...row, last: row.by === "me" ? null : lastAt(row.path, changes) };
    });
  }

  async compare(base, mine, now) {
    const { subject } = this;
    const theirs = subject.content(now.value);
    const rows = await this.rows(base, mine, theirs);
    const merged = (choices) => decided(base, mine, theirs, choices, subject.whole);
    const view = conflictView({
      subject, rows,
      choose: {
        save: (choices) => this.resolve(now, merged(choices)),
        theirs: () => this.takeTheirs(now, merged()),
        back: () => this.goOn(rows),
      },
    });
    this.tell();
    this.newer.replaceChildren();
    this.merged.replaceChildren();
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
    if (this.dirty) await this.put(value);
    else this.page.say(`${this.subject.title} is as they saved it.`);
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

  goOn(rows) {
    this.leave();
    this.tell("other", [seen(names(rows)), " saved another version. Yours is still here. When you save, you see both again."]);
    this.saveButton.focus();
  }

  // The page saw a newer version while this one is open. The form is left alone.
  isNewer() {
    if (!this.fields || this.form.hidden || this.busy || this.newer.firstChild) return;
    const text = this.dirty ? "Somebody saved a newer version while you edit. Yours is not lost." : "Somebody saved a newer version.";
    this.newer.replaceChildren(h("div", { class: "notice other" }, h("p", {}, text), h("div", { class: "row" }, button(this.dirty ? "Show both" : "Show it", () => this.look()))));
  }

  async look() {
    if (!this.dirty) return this.load();
    try {
      await this.compare(this.base, this.fields.read().value, await this.page.client.get(this.subject.url));
    } catch (error) {
      this.refuse(error);
    }
  }

  // -- deleted meanwhile ---------------------------------------------------------------------------

  // Somebody deleted it while this is open. The form is left alone.
  vanished({ by, at }) {
    if (!this.fields || this.isGone) return;
    this.isGone = true;
    const kept = this.dirty ? "What you wrote is kept on this page." : "Its last version is kept on this page.";
    const again = this.page.canEdit && this.subject.recreate;
    const where = again || !this.page.canEdit ? "" : ` ${this.subject.elsewhere}`;
    this.newer.replaceChildren(h("div", { class: "notice bad" }, h("p", {}, seen(by), ` deleted ${this.subject.kind} at `, when(at), ". ", kept, where),
      again ? h("div", { class: "row" }, this.againButton(() => this.again())) : null));
  }

  // It is there again: what was not edited here is shown as it is now.
  async returned() {
    if (!this.isGone) return;
    this.isGone = false;
    this.newer.replaceChildren();
    this.tell();
    if (!this.dirty) await this.load();
  }

  againButton(onclick) {
    return button("Create it again as I have it", onclick);
  }

  again() {
    const { value, problems } = this.fields.read();
    return problems.length ? this.point(problems) : this.recreate(value);
  }

  async recreate(mine) {
    const before = this.fields.read().value;
    try {
      const made = await this.subject.recreate(mine);
      this.leave();
      this.tell();
      await this.saved(made, mine, before, null);
    } catch (error) {
      this.refuse(error);
    }
  }

  // -- refusals ------------------------------------------------------------------------------------

  // What was to be saved when a merge was refused is shown in the form: the refusal speaks of that.
  refuse(error, mine, { before, between } = {}) {
    const failure = told(error, { writing: mine !== undefined });
    this.leave();
    if (between && same(this.fields.read().value, before)) {
      this.take(between.now);
      this.show(this.base);
      this.show(between.made.merged);
    }
    if (failure.status === 401) return this.signedOut();
    if (failure.status === 404) return this.gone(failure, mine);
    const placed = failure.status === 422 && this.fields ? this.locate(failure.errors) : [];
    const rest = failure.errors.filter((one) => !placed.some((each) => each.error === one));
    if (placed.length) this.point(placed);
    if (placed.length && !rest.length) return;
    const list = failure.status === 422 && rest.length ? h("ul", {}, rest.map((one) => h("li", {}, `${one.pointer || one.name || ""} ${one.detail}`))) : null;
    this.tell("bad", [h("strong", {}, `Not saved. ${failure.title}`), " ", seen(failure.detail), list]);
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
    this.page.say(`Not saved. ${problems.length === 1 ? "One field needs a correction." : `${problems.length} fields need a correction.`}`);
  }

  signedOut() {
    const link = h("a", { href: signInAddress(this.page.signIn), target: "_blank", rel: "opener" }, "Sign in in a new tab");
    this.tell("bad", ["You are signed out. What you wrote is kept on this page. ", link, ", then save again."]);
  }

  gone(failure, mine) {
    const again = this.subject.recreate && mine !== undefined ? [this.againButton(() => this.recreate(mine))] : [];
    this.isGone = true;
    this.newer.replaceChildren();
    this.tell("bad", `Somebody deleted ${this.subject.kind}. ${again.length ? "What you wrote is kept on this page." : failure.detail}`, again);
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
