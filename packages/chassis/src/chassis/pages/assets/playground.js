// The playground: two editors of one record, one who only looks, and the wire between.
//
// Ada and Grace each have a client of the library, as two browsers would. With If-Match they save as
// every editor here does; without, they write as most pages do, and what that loses is told.

import "./code-block.js";
import * as cost from "./cost.js";
import { Client, Conflict } from "../ifmatch/client.js";
import { merge, same } from "../ifmatch/merge.js";
import { button, h, newId, seen } from "./dom.js";
import { Exchanges, listening, question } from "./exchanges.js";
import { Poll } from "./poll.js";
import { say } from "./toast.js";

const root = document.getElementById("playground");
const FIELDS = [["title", "Title"], ["place", "Place"], ["guests", "Guests"], ["note", "Note"]];
const LABELS = Object.fromEntries(FIELDS);
const POLL_EVERY = 3000;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const pause = (milliseconds) => new Promise((done) => setTimeout(done, calm.matches ? 0 : milliseconds));
const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const quoted = (value) => h("q", {}, seen(value));
const listed = (names) => names.map((name) => LABELS[name]).join(names.length === 2 ? " and " : ", ");
const differing = (one, other) => FIELDS.map(([name]) => name).filter((name) => !same(one[name], other[name]));

class Refusal extends Error {}

// -- one of the two ------------------------------------------------------------------------------

class Desk {
  constructor(game, name) {
    Object.assign(this, { game, name });
    this.heard = [];
    this.client = new Client({ fetch: listening((exchange) => this.hears(exchange)) });
    this.controls = Object.fromEntries(FIELDS.map(([field, label]) => [field, control(field)]));
    this.holds = h("p", { class: "holds hint" });
    this.panel = h("div", { class: "panel" });
    this.form = h("form", { class: "desk-form", onsubmit: (event) => { event.preventDefault(); game.doing(() => this.save()); } },
      FIELDS.map(([field, label]) => h("div", { class: "field" },
        h("label", { for: this.controls[field].id }, label), this.controls[field])),
      h("div", { class: "row" },
        h("button", { class: "first" }, `Save as ${name}`),
        button("Read again", () => game.doing(() => this.readAgain()), { class: "quiet" })));
    const heading = newId("desk");
    this.node = h("section", { class: "sheet desk", "aria-labelledby": heading, "data-who": name },
      h("h2", { id: heading }, h("span", { class: "face", "aria-hidden": "true" }, name[0]), name),
      this.holds, this.form, this.panel);
  }

  hears(exchange) {
    // After a refusal it is the refusal that is worth a look, not the write that came through.
    const opened = exchange.method === "PUT" && !this.heard.some(({ status }) => status === 412);
    this.heard.push(exchange);
    if (opened) this.game.wire.close();
    this.game.wire.add(this.name, exchange, { opened });
  }

  async open() {
    this.panel.replaceChildren();
    this.take(await this.client.get(this.game.url));
  }

  async readAgain() {
    await this.open();
    this.game.tell("", `${this.name} has read the record again.`);
  }

  take({ value, etag }) {
    this.read = { value, etag };
    for (const [field] of FIELDS) this.controls[field].value = String(value[field]);
    this.say();
  }

  // Which state this page shows; that it is an older one, the person in front of it does not know.
  say() {
    const old = this.game.stored && this.read.etag !== this.game.stored.etag;
    this.holds.replaceChildren("shows the state ", h("code", {}, this.read.etag), old ? h("span", { class: "chip is-old" }, "there is a newer one") : "");
  }

  mine() {
    const made = Object.fromEntries(FIELDS.map(([field]) => [field, this.controls[field].value]));
    const guests = Number(made.guests);
    if (made.guests.trim() === "" || !Number.isInteger(guests) || guests < 0 || guests > 10_000) {
      this.controls.guests.focus();
      throw new Refusal("Guests should be a whole number up to 10000. Correct it and save again.");
    }
    return { ...made, guests };
  }

  async save() {
    const mine = this.mine();
    this.panel.replaceChildren();
    if (same(mine, this.read.value)) {
      this.game.tell("", `${this.name} has changed nothing. Change a field, then save.`);
    } else if (this.game.guarded) await this.saveGuarded(mine, this.read);
    else await this.saveBlindly(mine);
  }

  // As most pages do: what is there is replaced by what the form has.
  async saveBlindly(mine) {
    this.heard = [];
    const { read } = this;
    const { value: before } = await this.game.look();
    const response = await this.client.fetch(this.game.url, {
      method: "PUT",
      headers: { Accept: "application/json", "Content-Type": "application/json" },
      body: JSON.stringify(mine),
      cache: "no-store",
    });
    await refuse(response);
    const lost = differing(before, read.value).filter((field) => !same(before[field], mine[field]));
    const whose = lost.map((field) => ({ field, was: before[field], now: mine[field], ...this.game.owner(field) }));
    this.done({ value: mine, etag: response.headers.get("ETag") }, before);
    if (whose.length) this.game.tellLoss(this.name, whose);
    else this.game.tell("good", `${this.name} saved, and nobody came between. Nothing was lost, by luck. Now save at the other one, whose page shows the older state.`);
  }

  async saveGuarded(mine, from) {
    this.heard = [];
    const { value: base } = this.read;
    try {
      const saved = await this.client.save(this.game.url, mine, from);
      const refused = this.heard.find(({ status }) => status === 412);
      const theirs = refused && JSON.parse(refused.text);
      const before = theirs ?? from.value;
      this.done(saved, before);
      if (saved.merged && theirs) this.tellMerge({ base, mine, theirs, now: saved.value });
      else this.game.tell("good", `${this.name} saved under the tag that it had read. Now save at the other one: its tag is an older one.`);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      this.ask(error);
    }
  }

  done(saved, before) {
    this.game.stores(this.name, saved, before);
    this.take(saved);
    this.game.settle();
  }

  tellMerge({ base, mine, theirs, now }) {
    const others = [...new Set(differing(theirs, base).map((field) => this.game.owner(field).by).filter((by) => by !== this.name))];
    const who = others.join(" and ") || "Somebody else";
    this.game.tell("good",
      h("p", {}, h("strong", {}, `${this.name} was refused with 412, and nothing was lost.`), ` ${who} had saved ${listed(differing(theirs, base))} meanwhile. The two changes fit together, so they were merged and saved under the newer tag.`),
      mergeTable({ base, mine, theirs, now }, who, this.name));
  }

  // Both changed the same: the person decides, field by field. What is free of doubt is merged.
  ask({ base, mine, theirs, clashes, etag }) {
    this.game.meets(theirs);
    const who = this.game.owner(clashes[0].path[0]).by;
    const heading = h("h3", { tabindex: -1 }, "412: decide by field");
    const choices = clashes.map((clash) => choice(clash, who, this.name));
    const decide = () => {
      const sides = Object.fromEntries(clashes.map(({ path }, at) => [path[0], choices[at].value()]));
      const { merged } = merge(base, mine, theirs, { choose: ({ path }) => sides[path[0]] });
      this.panel.replaceChildren();
      this.game.doing(() => this.saveChosen(merged, { value: theirs, etag })).then(() => {
        if (!this.panel.firstChild) this.game.outcome.focus(); // the button that had it is gone
      });
    };
    this.panel.replaceChildren(h("div", { class: "notice other" }, heading,
      h("p", {}, `${who} changed ${listed(clashes.map(({ path }) => path[0]))} too, and was first. Nothing is overwritten.`),
      choices.map(({ node }) => node),
      h("div", { class: "row" }, button("Save with these", decide, { class: "first" }))));
    heading.focus();
    this.game.tell("other", `${this.name} was refused: ${who} had saved first. Choose at ${this.name} what is to be kept.`);
  }

  async saveChosen(merged, from) {
    this.read = from;
    if (same(merged, from.value)) {
      this.done(from, from.value);
      this.game.tell("good", `${this.name} kept what was there. Nothing had to be written.`);
    } else await this.saveGuarded(merged, from);
  }
}

function control(field) {
  const id = newId(field);
  if (field === "note") return h("textarea", { id, rows: 2, maxlength: 1000 });
  return h("input", { id, maxlength: 120, inputmode: field === "guests" ? "numeric" : null, autocomplete: "off", required: field === "guests" });
}

function choice({ path, base, mine, theirs }, who, own) {
  const name = newId("choice");
  const option = (side, label, value, checked) => h("label", { class: "check" },
    h("input", { type: "radio", name, value: side, checked }), h("span", {}, `${label}: `, quoted(value)));
  const node = h("fieldset", { class: "choice" }, h("legend", {}, LABELS[path[0]]),
    option("theirs", `${who}'s`, theirs, true), option("mine", `${own}'s`, mine), option("base", "As it was before", base));
  return { node, value: () => node.querySelector("input:checked").value };
}

function mergeTable({ base, mine, theirs, now }, who, own) {
  const heads = ["Field", "Both had read", `${who} saved`, `${own} wrote`, "Now"];
  const rows = FIELDS.filter(([field]) => !same(base[field], now[field])).map(([field, label]) => {
    const changed = (value) => (same(value, base[field]) ? "is-old" : "is-changed");
    return [label, [base[field]], [theirs[field], changed(theirs[field])], [mine[field], changed(mine[field])], [now[field], "is-now"]];
  });
  return foldingTable("The merge", heads, rows.map(([label, ...cells]) => h("tr", {}, h("th", { scope: "row" }, label),
    cells.map(([value, kind], at) => h("td", { class: kind, "data-label": heads[at + 1] }, h("span", {}, seen(value)))))));
}

function foldingTable(name, heads, body) {
  return h("table", { class: "folds", "aria-label": name },
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))), body instanceof Node ? body : h("tbody", {}, body));
}

// -- the game ------------------------------------------------------------------------------------

class Game {
  constructor() {
    this.guard = h("input", { type: "checkbox", role: "switch", id: "guard", checked: true, onchange: () => this.switched() });
    this.said = h("span", { class: "hint", id: "guard-says" });
    this.guard.setAttribute("aria-describedby", "guard-says");
    this.wire = new Exchanges(h("ol", { class: "exchanges" }), { explain: (exchange) => this.explain(exchange) });
    this.desks = ["Ada", "Grace"].map((name) => new Desk(this, name));
    this.outcome = h("div", { class: "outcome", role: "status", tabindex: -1 });
    this.rows = h("tbody");
    this.looking = h("p", { class: "poll" });
    const lin = new Client({ fetch: listening((exchange) => this.wire.add("Lin", exchange, { under: "poll" })) });
    this.poll = new Poll(lin, { every: POLL_EVERY, onvalue: (value) => this.sees(value), oncost: (round) => cost.show(this.looking, round, { signIn: root.dataset.signIn }) });
    this.curl = h("code-block", {}, h("pre", { tabindex: 0, role: "group", "aria-label": "Command" }, h("code")));
    this.buttons = [
      button("Show me: two changes that fit", () => this.doing(() => this.play("guests", "9"))),
      button("Show me: both change the place", () => this.doing(() => this.play("place", "Roof terrace"))),
      button("Begin anew", () => this.doing(() => this.begin({ announce: true })), { class: "quiet" }),
    ];
    this.owners = new Map();
  }

  get guarded() {
    return this.guard.checked;
  }

  async start() {
    root.append(
      h("section", { class: "sheet controls", "aria-label": "How they save" },
        h("label", { class: "check guard" }, this.guard, h("span", {}, h("b", {}, "Save with If-Match"), h("br"), this.said)),
        h("div", { class: "row" }, this.buttons)),
      h("div", { class: "desks" }, this.desks.map(({ node }) => node)),
      this.outcome,
      this.storedSection(),
      h("section", { class: "sheet wire", "aria-labelledby": "wire-title" },
        h("h2", { id: "wire-title" }, "On the wire"),
        h("p", { class: "hint" }, "The newest first. Open one to see its fields, and why it got its answer."), this.wire.list));
    this.switched();
    await this.doing(() => this.begin());
    root.hidden = false;
    document.documentElement.classList.add("live");
  }

  storedSection() {
    return h("section", { class: "sheet stored", "aria-labelledby": "stored-title" },
      h("h2", { id: "stored-title" }, "What the server has now"),
      foldingTable("What the server has now", ["Field", "Value", "Set by"], this.rows),
      h("p", {}, h("b", {}, "Lin"), " only looks, and asks every 3 seconds with ", h("code", {}, "If-None-Match"), "."),
      this.looking,
      h("details", { class: "terminal" }, h("summary", {}, "Be a third writer, from a terminal"), this.curl));
  }

  // One thing at a time: what is pressed meanwhile would meet half a state.
  async doing(work) {
    if (this.busy) return;
    this.busy = true;
    for (const one of this.buttons) one.setAttribute("aria-disabled", "true");
    try {
      await work();
      this.complain("");
    } catch (error) {
      this.failed(error);
    } finally {
      this.busy = false;
      for (const one of this.buttons) one.removeAttribute("aria-disabled");
    }
  }

  failed(error) {
    if (error instanceof Refusal) return say(error.message, { bad: true });
    const { status } = error;
    if (status === 401) this.complain("You are signed out. Sign in again, then begin anew.");
    else if (status === 404) this.complain("The record has ended: records last an hour. Begin anew.");
    else if (status) this.complain(`${error.problem?.detail ?? error.message}`);
    else this.complain("The server did not answer. Try again.");
    if (status) return null;
    return console.warn(error);
  }

  complain(text) {
    const place = document.getElementById("refused");
    place.hidden = !text;
    if (place.textContent !== text) place.textContent = text;
    if (text) root.hidden = false;
  }

  switched() {
    this.said.textContent = this.guarded
      ? "Each write says which state it was made on. If that is not there any more, it is refused: 412."
      : "Each write replaces whatever is there, as most pages do it.";
  }

  async begin({ announce = false } = {}) {
    this.poll.watch(null);
    const response = await fetch(root.dataset.records, { method: "POST" });
    await refuse(response);
    this.url = response.headers.get("Location");
    this.owners.clear();
    this.wire.list.replaceChildren();
    this.stored = { value: await response.json(), etag: response.headers.get("ETag") };
    for (const desk of this.desks) await desk.open();
    this.settle();
    this.poll.watch(this.url);
    const address = new URL(this.url, root.dataset.origin).href;
    this.curl.querySelector("code").textContent = `curl -i -X PUT -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\\n  -H 'If-Match: ${this.stored.etag}' -d '${JSON.stringify({ ...this.stored.value, guests: 12 })}' \\\n  ${address}`;
    this.tell("", "Change something at Ada and save. Then change something at Grace, who still sees the old state, and save.");
    if (announce) this.desks[0].controls.title.focus();
  }

  // What was changed from a terminal is nobody's here.
  async sees(value) {
    if (this.busy || !differing(value, this.stored.value).length) return;
    await this.look();
    this.settle();
  }

  // The present state, for the judgement of what is lost; it is no request of the play.
  async look() {
    const response = await fetch(this.url, { headers: { Accept: "application/json" }, cache: "no-store" });
    await refuse(response);
    const value = await response.json();
    this.meets(value);
    this.stored = { value, etag: response.headers.get("ETag") };
    return this.stored;
  }

  owner(field) {
    return this.owners.get(field) ?? { by: "Somebody else", at: clock() };
  }

  // What was there, and what nobody here has written, somebody else has.
  meets(before) {
    for (const field of differing(before, this.stored.value)) this.owners.set(field, { by: "Somebody else", at: clock() });
  }

  stores(by, { value, etag }, before) {
    this.meets(before);
    for (const field of differing(value, before)) this.owners.set(field, { by, at: clock() });
    this.stored = { value, etag };
  }

  settle() {
    this.desks.forEach((desk) => desk.say());
    this.rows.replaceChildren(...FIELDS.map(([field, label]) => {
      const { by, at } = this.owners.get(field) ?? {};
      return h("tr", { "data-field": field }, h("th", { scope: "row" }, label), h("td", { "data-label": "Value" }, h("span", {}, seen(this.stored.value[field]))), h("td", { "data-label": "Set by" }, by ? `${by}, ${at}` : h("span", { class: "hint" }, "the beginning")));
    }));
    this.poll.now();
  }

  tell(kind, ...said) {
    this.outcome.className = `outcome notice ${kind}`;
    this.outcome.replaceChildren(...said.map((one) => (typeof one === "string" ? h("p", {}, one) : one)));
  }

  tellLoss(name, lost) {
    this.tell("bad",
      h("p", {}, h("strong", {}, `${[...new Set(lost.map(({ by }) => by))].join(" and ")}'s change is gone.`), " The server answered 200, and nobody was told."),
      h("ul", {}, lost.map(({ field, was, now, by, at }) => h("li", {}, `${LABELS[field]}: `, quoted(was), ` was saved by ${by} at ${at}; ${name} put `, quoted(now), " in its place without having seen it."))),
      h("p", {}, "Now switch If-Match on, and do the same again."));
  }

  async explain(exchange) {
    const asked = question(exchange);
    if (!asked) return null;
    try {
      const response = await fetch(root.dataset.explain, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(asked) });
      return response.ok ? await response.json() : null;
    } catch {
      return null; // the exchange is shown all the same
    }
  }

  // -- played by itself ----------------------------------------------------------------------------

  async play(field, value) {
    await this.begin();
    const [ada, grace] = this.desks;
    await typed(ada.controls.place, "Lake garden");
    await ada.save();
    await pause(900);
    await typed(grace.controls[field], value);
    await grace.save();
    if (!grace.panel.firstChild) this.outcome.focus();
  }
}

async function typed(control, text) {
  control.focus();
  control.classList.add("is-typed");
  control.value = "";
  for (const letter of text) {
    control.value += letter;
    await pause(45);
  }
  await pause(350);
  control.classList.remove("is-typed");
}

// Raises what a Client would raise, for requests that are made without one.
async function refuse(response) {
  if (response.ok) return;
  const problem = await response.clone().json().catch(() => null);
  throw Object.assign(new Error(`The server answered ${response.status}.`), { status: response.status, problem });
}

new Game().start();
