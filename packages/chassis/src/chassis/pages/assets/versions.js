// Three versions of one document, place by place: the one that both started from, mine, and theirs.
// Values in, values out; nothing here knows a page.

import { find, merge, pointer, same } from "../ifmatch/merge.js";

// Rows of { path, pointer, by, base, mine, theirs, order } where anybody changed something: what is
// to be decided first, then theirs, then mine. `by` is "clash", "them" or "me".
export function places(base, mine, theirs, whole = []) {
  const made = merge(base, mine, theirs, { whole });
  const row = (by) => (path) => ({
    path, pointer: pointer(path), by, order: false,
    base: find(base, path), mine: find(mine, path), theirs: find(theirs, path),
  });
  const clashes = made.clashes.map((clash) => ({ ...clash, by: "clash" }));
  return [...clashes, ...made.theirs.map(row("them")), ...made.mine.map(row("me"))];
}

// One document of all three. `choices` says by pointer whose value is taken at a clash; mine where
// it says nothing.
export function decided(base, mine, theirs, choices = new Map(), whole = []) {
  const choose = (clash) => choices.get(clash.pointer) ?? "mine";
  return merge(base, mine, theirs, { choose, whole }).merged;
}

// Who changed a place last, of `changes` with { by, at, before, after }, the newest first; null where
// none of them did.
export function lastAt(path, changes) {
  const found = changes.find(({ before, after }) => !same(find(before, path), find(after, path)));
  return found ? { by: found.by, at: found.at } : null;
}
