// Somebody saved first. Either all fits together, and is told; or the version both started from, mine
// and theirs stand side by side, place by place, with a choice where both changed the same. Nothing
// is saved and nothing is thrown away until one of the ways out is chosen.
//
// What a place is called and how its value reads comes from the `subject`: label(place), lines(place,
// value). A place is a row of versions.js with `last`, { by, at } of who changed it, or null.

import { h, seen, when, button, newId } from "./dom.js";

const SOMEBODY = "Somebody";

// "Ada", "Ada and Lin", or "Somebody".
export function names(rows) {
  const known = new Set(rows.filter((row) => row.by !== "me").map((row) => row.last?.by ?? SOMEBODY));
  return listed([...known]) || SOMEBODY;
}

function listed(all) {
  return [all.slice(0, -1).join(", "), all.at(-1)].filter(Boolean).join(" and ");
}

function changedAt(rows) {
  const theirs = rows.filter((row) => row.by !== "me" && row.last);
  const latest = theirs.map((row) => row.last.at).sort().at(-1);
  return latest ? [" at ", when(latest)] : [];
}

// `choose.save(choices)`, `choose.theirs()`, `choose.back()`; choices are by pointer.
export function conflictView({ subject, rows, choose }) {
  const open = rows.filter((row) => row.by === "clash");
  const choices = new Map(open.map((row) => [row.pointer, "mine"]));
  const name = names(rows);
  const heading = h("h3", { tabindex: "-1" }, seen(name), " saved first");
  const places = listed(open.map((row) => subject.label(row)));
  const what = open.length
    ? ["You both changed ", seen(places), ". Choose whose value stays. ", h("strong", {}, "Nothing is saved yet.")]
    : ["You changed different things, so both changes fit together. ", h("strong", {}, "Nothing is lost, and nothing is saved yet.")];
  const intro = h("p", {}, seen(name), " changed ", seen(subject.title), changedAt(rows), ", after you opened it. ", what);

  const save = button("", () => choose.save(choices), { class: "first", "data-choice": "save" });
  const nameIt = () => {
    if (!open.length) save.textContent = "Merge both and save";
    else if ([...choices.values()].every((one) => one === "mine")) save.textContent = "Keep mine on top of theirs and save";
    else save.textContent = "Save with these choices";
  };
  nameIt();
  const actions = h("div", { class: "row actions" }, save,
    button("Take theirs", choose.theirs, { "data-choice": "theirs" }),
    button("Go on editing", choose.back, { "data-choice": "back" }));

  const decide = (row) => (side) => { choices.set(row.pointer, side); nameIt(); };
  const views = rows.map((row) => placeView(subject, row, decide(row)));
  const node = h("section", { class: "conflict", "aria-label": "Conflict" }, heading, intro, h("div", { class: "fields" }, views), actions);
  return { node, focus: () => heading.focus() };
}

// What came of others while this was edited, and was merged and saved: told, with nothing to decide.
export function mergedView({ subject, rows, dismiss }) {
  const items = rows.map((row) =>
    h("li", { class: "merged-place", "data-field": field(row) },
      h("p", { class: "label" }, seen(subject.label(row)), " ", who(row)),
      h("div", {}, version("Before", subject.lines(row, row.base), subject.lines(row, row.theirs), "del")),
      h("div", {}, version("Now", subject.lines(row, row.theirs), subject.lines(row, row.base), "ins"))));
  return h("section", { class: "notice other merged", "aria-label": "Merged" },
    h("p", {}, h("strong", {}, seen(names(rows)), " saved first."), " You changed different things, so both changes were merged, and both are saved."),
    h("ul", { class: "merged-places of-theirs" }, items),
    h("div", { class: "row" }, button("Dismiss", dismiss, { class: "quiet" })));
}

const field = (row) => row.pointer.slice(1);

function who(row) {
  const last = row.last;
  const said = row.by === "me" ? "changed by you"
    : row.by === "clash" ? "changed by both"
    : ["changed by ", seen(last?.by ?? SOMEBODY), last ? [" at ", when(last.at)] : ""];
  return h("span", { class: `chip by-${row.by}` }, said);
}

function placeView(subject, row, choose) {
  const [base, mine, theirs] = [row.base, row.mine, row.theirs].map((value) => subject.lines(row, value));
  const whose = () => (row.last ? [seen(row.last.by), "’s"] : "Theirs");
  const title = h("h4", { id: newId("place") }, seen(subject.label(row)), " ", who(row));
  const columns = h("div", { class: "versions" },
    h("div", { class: "version of-base" }, version("Before", base, [...mine, ...theirs], "del")),
    h("div", { class: `version ${row.by === "them" ? "" : "of-mine"}` }, version("Yours", mine, base, "ins")),
    h("div", { class: `version ${row.by === "me" ? "" : "of-theirs"}` }, version(whose(), theirs, base, "ins")));
  const about = { class: `clash is-${row.by}`, "data-field": field(row) };
  if (row.by !== "clash") return h("div", { ...about, role: "group", "aria-labelledby": title.id }, title, columns);
  const group = newId("keep");
  const radio = (side, text) =>
    h("label", { class: "check" }, h("input", { type: "radio", name: group, value: side, checked: side === "mine", onchange: () => choose(side) }), h("span", {}, text));
  const keep = h("div", { class: "row keep" }, radio("mine", "Keep yours"), radio("theirs", row.last ? ["Keep ", whose()] : "Keep theirs"));
  return h("fieldset", about, h("legend", {}, title), columns, keep);
}

// One version of a place. Lines that the other does not have are marked, not by colour alone.
function version(title, own, other, mark) {
  const there = new Set(other);
  const lines = own.map((line) => h(there.has(line) ? "span" : mark, { class: "line" }, line === "" ? " " : seen(line)));
  return [h("p", { class: "label" }, title), h("div", { class: "lines" }, lines)];
}
