// A flag and a state as documents: what people edit, what its places are called, and how they read.

import { copy, isNumber, stringify } from "./ifmatch/json.js";
import { find, merge, pointer } from "./ifmatch/merge.js";

const FLAG = {
  description: "Description",
  tags: "Tags",
  variants: "Variants",
  default_variant: "Default variant",
  off_variant: "Off variant",
  client_visible: "Visible to client keys",
  archived: "Archived",
};
const STATE = {
  enabled: "Switched on",
  rules: "Rules",
  fallthrough: "Everybody else gets",
  off_variant: "While off, serve",
};

// What is only right together: a rule's conditions with what it serves, the parts of a variant's value.
export const WHOLE = { flag: ["/variants/*"], state: ["/rules/*", "/fallthrough"] };

// What the server sets, or the address says.
const NOT_EDITED = new Set(["key", "flag", "environment", "created", "updated", "revision"]);

// What people edit of a document. A member that this page does not know is among it: a save puts the
// whole document there, and must not drop what others wrote.
export function content(document) {
  return copy(Object.fromEntries(Object.entries(document).filter(([name]) => !NOT_EDITED.has(name))));
}

// What a place of a flag or a state is called; `path` is one of the library's merge.
export function label(kind, { path, order = false }) {
  const [name, member] = path;
  if (path.length === 2 && name === "variants") return `Variant ${member}`;
  if (path.length === 2 && name === "rules") return `Rule ${member.slice(member.indexOf("=") + 1)}`;
  if (order) return `Order of the ${name}`;
  const known = (kind === "flag" ? FLAG : STATE)[name] ?? name;
  return path.length > 1 ? `${known} ${pointer(path.slice(1))}` : known;
}

// -- how values read ---------------------------------------------------------------------------

export const OPERATORS = {
  equals: ["is", "is not"],
  contains: ["contains", "does not contain"],
  starts_with: ["starts with", "does not start with"],
  ends_with: ["ends with", "does not end with"],
  lt: ["is less than", "is not less than"],
  lte: ["is at most", "is not at most"],
  gt: ["is more than", "is not more than"],
  gte: ["is at least", "is not at least"],
  before: ["is before", "is not before"],
  after: ["is after", "is not after"],
  semver_eq: ["is version", "is not version"],
  semver_lt: ["is a version below", "is not a version below"],
  semver_gt: ["is a version above", "is not a version above"],
  exists: ["is there", "is not there"],
};

export function conditionText({ attribute, op, values, negate }) {
  const words = OPERATORS[op]?.[negate ? 1 : 0] ?? `${negate ? "not " : ""}${op}`;
  const shown = values.map((value) => stringify(value));
  return [attribute, words, shown.join(" or ")].filter(Boolean).join(" ");
}

export function serveText(serve) {
  if (!serve) return "nothing";
  if (!serve.split) return String(serve.variant);
  const total = Object.values(serve.split).reduce((sum, weight) => sum + weight, 0) || 1;
  const shares = Object.entries(serve.split).map(([name, weight]) => `${name} ${share(weight, total)}`);
  const by = serve.bucket_by && serve.bucket_by !== "targetingKey" ? ` by ${serve.bucket_by}` : "";
  return shares.join(", ") + by;
}

export const share = (weight, total) => `${Number(((100 * weight) / total).toFixed(2))}\u00a0%`;

// A rule by line: what it is called, each condition, what it serves.
export function ruleLines(rule) {
  const conditions = rule.conditions.map((one, place) => `${place ? "and" : "if"} ${conditionText(one)}`);
  const name = rule.description ? `${rule.id} (${rule.description})` : rule.id;
  return [name, ...(conditions.length ? conditions : ["for everybody"]), `serve ${serveText(rule.serve)}`];
}

export function ruleText(rule) {
  const [name, ...rest] = ruleLines(rule);
  const serve = rest.pop();
  return `${name}: ${rest.join(" ")}, ${serve}`;
}

// A value at a place as lines of text, so that what differs can be marked line by line.
export function lines({ path, order = false }, value) {
  if (value === undefined) return ["(not there)"];
  if (order) return value.map((one, place) => `${place + 1}. ${one}`);
  const [name] = path;
  if (path.length === 2 && name === "rules") return ruleLines(value);
  if (path.length > 1) return stringify(value, 2).split("\n");
  if (name === "description") return value === "" ? ["(empty)"] : value.split("\n");
  if (name === "tags") return value.length ? value : ["(none)"];
  if (name === "rules") return value.length ? value.map((rule, place) => `${place + 1}. ${ruleText(rule)}`) : ["(none)"];
  if (name === "fallthrough") return [serveText(value)];
  if (name === "enabled") return [value ? "on" : "off"];
  if (name === "off_variant" && value === null) return ["the flag's own"];
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  if (isNumber(value) || value === null || typeof value === "object") return stringify(value, 2).split("\n");
  return [String(value)];
}

// Where two documents of one kind differ: { path, was, is }.
export function changes(kind, before, after) {
  const [old, now] = [content(before), content(after)];
  return merge(old, old, now, { whole: WHOLE[kind] }).theirs.map((path) => ({ path, was: find(old, path), is: find(now, path) }));
}
