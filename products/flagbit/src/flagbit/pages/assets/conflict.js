// Somebody saved first: the version both started from, mine and theirs, field by field, and the ways
// out. Nothing is saved and nothing is thrown away until one of them is chosen.

import { h, seen, when, button, newId } from "./shared/dom.js";
import { label, lines } from "./fields.js";
import { clashes } from "./merge.js";
import { canonical } from "./json.js";

const who = (by, name) =>
  ({ me: "changed by you", them: ["changed by ", seen(name)], both: "changed alike by both", clash: "changed by both" })[by];

// `by` is { by, at } or null. `choose.save(choices)`, `choose.theirs()`, `choose.back()`.
export function conflictView({ kind, title, rows, by, choose }) {
  const shown = rows.filter((row) => row.by !== "nobody");
  const open = clashes(rows);
  const disjoint = open.length === 0;
  const name = by?.by ?? "Somebody";
  const choices = new Map();

  const heading = h("h3", { tabindex: "-1" }, seen(name), " saved first");
  const what = disjoint
    ? ["You changed different things, so both changes fit together. ", h("strong", {}, "Nothing is lost, and nothing is saved yet.")]
    : [`You both changed ${open.map((row) => label(kind, row.field)).join(" and ")}. Choose whose value stays. `, h("strong", {}, "Nothing is saved yet.")];
  const intro = h("p", {}, seen(name), ` changed ${title} `, by ? ["at ", when(by.at), ", "] : "", "after you opened it. ", what);

  const save = button("", () => choose.save(choices), { class: "first", "data-choice": "save" });
  const name_it = () => {
    if (disjoint) save.textContent = "Merge both and save";
    else if ([...choices.values()].every((one) => one === "mine")) save.textContent = "Keep mine on top of theirs and save";
    else save.textContent = "Save with these choices";
  };
  for (const row of open) choices.set(row.field, "mine");
  name_it();

  const actions = h("div", { class: "row actions" }, save,
    button("Take theirs", choose.theirs, { "data-choice": "theirs" }),
    button("Go on editing", choose.back, { "data-choice": "back" }));

  const fields = shown.map((row) => fieldView(kind, row, name, (whose) => { choices.set(row.field, whose); name_it(); }));
  const node = h("section", { class: "conflict", "aria-label": "Conflict" }, heading, intro, h("div", { class: "fields" }, fields), actions);
  return { node, focus: () => heading.focus() };
}

function fieldView(kind, row, name, choose) {
  const base = lines(kind, row.field, row.base);
  const mine = lines(kind, row.field, row.mine);
  const theirs = lines(kind, row.field, row.theirs);
  const title = h("h4", { id: newId("field") }, label(kind, row.field), " ", h("span", { class: `chip by-${row.by}` }, who(row.by, name)));
  const columns = h("div", { class: "versions" },
    version("Before", base, [...mine, ...theirs], "base", "taken"),
    version("Yours", mine, base, row.by === "them" ? "same" : "mine"),
    version([seen(name), "’s"], theirs, base, row.by === "me" ? "same" : "theirs"));
  const node = h("div", { class: `clash is-${row.by}`, role: "group", "aria-labelledby": title.id, "data-field": row.field }, title, columns);
  if (row.by === "clash") {
    const group = newId("keep");
    const radio = (whose, text) =>
      h("label", { class: "check" }, h("input", { type: "radio", name: group, value: whose, checked: whose === "mine", onchange: () => choose(whose) }), h("span", {}, text));
    node.append(h("div", { class: "row keep" }, radio("mine", "Keep yours"), radio("theirs", ["Keep ", seen(name), "’s"])));
  }
  return node;
}

// One version of a field. Lines that the other side does not have are marked, not by colour alone.
function version(title, own, other, whose) {
  const there = new Set(other.map(canonical));
  const marked = own.map((line) => {
    const differs = whose !== "same" && !there.has(canonical(line));
    const tag = differs ? (whose === "base" ? "del" : "ins") : "span";
    return h(tag, { class: "line" }, line === "" ? " " : seen(line));
  });
  return h("div", { class: `version of-${whose}` }, h("p", { class: "label" }, title), h("div", { class: "lines" }, marked));
}
