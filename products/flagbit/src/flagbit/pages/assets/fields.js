// A flag and a state as fields: what people edit, what it is called, and how it reads.

import { same, write, isNumber, copy } from "./json.js";

const FLAG = {
  description: "Description",
  tags: "Tags",
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
const VARIANT = "variants/";

// What the server sets, or the address says.
const NOT_EDITED = new Set(["key", "flag", "environment", "created", "updated", "revision"]);

// What people edit of a document. A member that this page does not know is among it: a save puts the
// whole document there, and must not drop what others wrote.
export function content(document) {
  return copy(Object.fromEntries(Object.entries(document).filter(([name]) => !NOT_EDITED.has(name))));
}

// By field, so that two people who changed two variants do not meet.
export function split(kind, document) {
  const known = Object.keys(kind === "flag" ? FLAG : STATE);
  const { variants = {}, type: _type, ...members } = content(document);
  const fields = new Map();
  for (const name of [...known, ...Object.keys(members)]) if (name in members) fields.set(name, members[name]);
  for (const [name, value] of Object.entries(variants)) fields.set(VARIANT + name, value);
  return fields;
}

export function join(kind, fields, type) {
  const document = kind === "flag" ? { type, variants: {} } : {};
  for (const [field, value] of fields) {
    if (value === undefined) continue;
    if (field.startsWith(VARIANT)) document.variants[field.slice(VARIANT.length)] = copy(value);
    else document[field] = copy(value);
  }
  return document;
}

export function label(kind, field) {
  if (field.startsWith(VARIANT)) return `Variant ${field.slice(VARIANT.length)}`;
  return (kind === "flag" ? FLAG : STATE)[field] ?? field;
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
  const shown = values.map((value) => write(value));
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

export function ruleText(rule) {
  const who = rule.conditions.length ? `if ${rule.conditions.map(conditionText).join(" and ")}` : "for everybody";
  const name = rule.description ? `${rule.id} (${rule.description})` : rule.id;
  return `${name}: ${who}, serve ${serveText(rule.serve)}`;
}

// A value as lines of text, so that what differs can be marked line by line.
export function lines(kind, field, value) {
  if (value === undefined) return ["(not there)"];
  if (field === "description") return value === "" ? ["(empty)"] : value.split("\n");
  if (field === "tags") return value.length ? value : ["(none)"];
  if (field === "rules") return value.length ? value.map((rule, place) => `${place + 1}. ${ruleText(rule)}`) : ["(none)"];
  if (field === "fallthrough") return [serveText(value)];
  if (field === "enabled") return [value ? "on" : "off"];
  if (field === "off_variant" && value === null) return ["the flag's own"];
  if (field.startsWith(VARIANT)) return write(value, 2).split("\n");
  if (typeof value === "boolean") return [value ? "yes" : "no"];
  return [isNumber(value) ? write(value) : String(value)];
}

// What differs between two documents of one kind: [field, before, after].
export function changes(kind, before, after) {
  const one = before ? split(kind, before) : new Map();
  const other = after ? split(kind, after) : new Map();
  const names = new Set([...one.keys(), ...other.keys()]);
  return [...names]
    .map((field) => [field, one.get(field), other.get(field)])
    .filter(([, was, is]) => !same(was, is));
}
