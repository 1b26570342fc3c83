// Three versions of one thing, field by field: the one that both started from, mine, and theirs.
// Values in, values out; nothing here knows a page.

import { same } from "./json.js";

// Rows of { field, base, mine, theirs, by }. `by` says who changed the field: "nobody", "me",
// "them", "both" the same way, or "clash".
export function compare(base, mine, theirs) {
  const fields = new Set([...base.keys(), ...mine.keys(), ...theirs.keys()]);
  return [...fields].map((field) => {
    const row = { field, base: base.get(field), mine: mine.get(field), theirs: theirs.get(field) };
    return { ...row, by: author(row) };
  });
}

function author({ base, mine, theirs }) {
  const me = !same(base, mine);
  const them = !same(base, theirs);
  if (me && them) return same(mine, theirs) ? "both" : "clash";
  return me ? "me" : them ? "them" : "nobody";
}

export const clashes = (rows) => rows.filter((row) => row.by === "clash");

// The fields with my changes on top of theirs. `choices` says for a clash whose value is taken:
// "mine", which is also taken where nothing is said, or "theirs".
export function merged(rows, choices = new Map()) {
  const fields = new Map();
  for (const row of rows) {
    const mine = row.by === "me" || (row.by === "clash" && choices.get(row.field) !== "theirs");
    fields.set(row.field, mine ? row.mine : row.theirs);
  }
  return fields;
}
