// The form of a flag: what it is, the same in every environment.

import { h, button } from "./shared/dom.js";
import { check, field, jsonView } from "./shared/controls.js";
import { copy, isNumber, parse, stringify } from "./ifmatch/json.js";
import { fill, select } from "./choices.js";

const PRESETS = {
  boolean: { on: true, off: false },
  string: { on: "on", off: "off" },
  integer: { small: 1, large: 10 },
  float: { low: 0.5, high: 1.5 },
  object: { none: {} },
};
export const TYPES = Object.keys(PRESETS);

export function preset(type) {
  const names = Object.keys(PRESETS[type]);
  const off = names.includes("off") ? "off" : names[0];
  const chosen = names.includes("on") ? "on" : off; // who switches it on expects that something changes
  return { type, description: "", tags: [], variants: copy(PRESETS[type]), default_variant: chosen, off_variant: off, client_visible: false, archived: false };
}

// Returns { node, read, write, at }. `read` gives { value, problems }: what is no value of the
// flag's type cannot be sent, and is said at its place.
export function flagForm(first) {
  const description = field("Description", h("textarea", { rows: 2, maxlength: 2000 }));
  const tags = field("Tags", h("input", { autocomplete: "off", spellcheck: "false" }), { hint: "With commas between." });
  const visible = check("Client keys may see it (browsers, apps)");
  const archived = check("Archived: clients get “flag not found”, the history is kept");
  const chosen = field("Default variant", h("select"), { hint: "Served where the flag is on and nothing else is chosen." });
  const off = field("Off variant", h("select"), { hint: "Served where the flag is off." });
  const list = h("div", { class: "variants" });
  const group = h("fieldset", { class: "group" }, h("legend", {}, "Variants"), list,
    button("Add a variant", () => { addVariant("", blank()); renamed(); list.lastElementChild.parts.name.control.focus(); }, { class: "quiet add" }));
  let type = first.type;
  let rest = {};

  const blank = () => ({ boolean: false, object: {}, string: "" })[type] ?? 0;
  const rows = () => [...list.children].map((row) => row.parts);
  const names = () => rows().map((row) => row.name.control.value.trim()).filter(Boolean);

  function addVariant(name, value) {
    const parts = {
      name: field("Name", h("input", { value: name, spellcheck: "false", autocomplete: "off" })),
      value: field("Value", valueControl(type, value)),
    };
    const row = h("div", { class: "variant" }, parts.name, parts.value,
      button("Remove", () => { row.remove(); renamed(); group.querySelector(".add").focus(); group.dispatchEvent(new Event("input", { bubbles: true })); }, { class: "quiet", "aria-label": `Remove the variant ${name}` }));
    row.parts = parts;
    // A variant that gets another name stays chosen.
    let before = name;
    parts.name.control.addEventListener("input", () => {
      const now = parts.name.control.value.trim();
      const follow = [chosen, off].filter((one) => one.control.value === before);
      renamed();
      for (const one of follow) fill(one.control, options(), now);
      before = now;
    });
    list.append(row);
  }

  const options = () => names().map((name) => [name, name]);
  function renamed() {
    fill(chosen.control, options());
    fill(off.control, options());
  }

  function put(value) {
    ({ type } = value);
    const { description: text, tags: _tags, variants, default_variant, off_variant, client_visible, archived: gone, type: _type, ...others } = value;
    rest = others; // members that this page does not know are sent back as they came
    description.control.value = text ?? "";
    description.control.rows = Math.min(8, Math.max(2, (text ?? "").split("\n").length));
    tags.control.value = (value.tags ?? []).map((tag) => (/[,"\n]|^\s|\s$/.test(tag) ? stringify(tag) : tag)).join(", ");
    visible.control.checked = client_visible ?? false;
    archived.control.checked = gone ?? false;
    list.replaceChildren();
    for (const [name, each] of Object.entries(variants ?? {})) addVariant(name, each);
    fill(chosen.control, options(), default_variant);
    fill(off.control, options(), off_variant);
  }

  function read() {
    const problems = [];
    const variants = {};
    rows().forEach((row) => {
      const name = row.name.control.value.trim();
      if (name in variants) problems.push({ node: row.name, detail: `There are two variants ${name}. Give one another name.` });
      try {
        variants[name] = readValue(type, row.value.control);
      } catch (error) {
        problems.push({ node: row.value, detail: error.message });
        variants[name] = row.value.control.value;
      }
    });
    const value = {
      ...rest, type, description: description.control.value, tags: readTags(tags.control.value), variants,
      default_variant: chosen.control.value, off_variant: off.control.value,
      client_visible: visible.control.checked, archived: archived.control.checked,
    };
    return { value, problems };
  }

  function at([member, name]) {
    if (member === "variants") {
      const row = rows().find((one) => one.name.control.value.trim() === name);
      return row ? (/^[A-Za-z0-9._-]{1,64}$/.test(name) ? row.value : row.name) : rows()[0]?.name;
    }
    return { description, tags, default_variant: chosen, off_variant: off, client_visible: visible, archived }[member];
  }

  put(first);
  const json = jsonView({ read: () => read().value, write: (value) => { put({ ...value, type }); node.dispatchEvent(new Event("input", { bubbles: true })); } });
  const node = h("div", { class: "form" }, description, tags, group,
    h("div", { class: "pair" }, chosen, off), visible, archived, json);
  return { node, read, write: put, at, names };
}

function readTags(text) {
  const tags = [];
  for (const [, quoted, plain] of text.matchAll(/("(?:[^"\\]|\\.)*")|([^,]+)/g)) {
    if (quoted) {
      try { tags.push(JSON.parse(quoted)); } catch { tags.push(quoted); }
    } else if (plain.trim()) tags.push(plain.trim());
  }
  return tags;
}

// -- values ------------------------------------------------------------------------------------

function valueControl(type, value) {
  if (type === "boolean") return select([["true", "true"], ["false", "false"]], String(value));
  if (type === "string") return h("textarea", { rows: Math.min(6, String(value).split("\n").length), value: String(value) });
  if (type === "object") {
    const text = stringify(value, 2);
    return h("textarea", { rows: Math.min(10, text.split("\n").length), value: text, class: "mono", spellcheck: "false" });
  }
  return h("input", { inputmode: "decimal", value: isNumber(value) ? stringify(value) : String(value), autocomplete: "off" });
}

function readValue(type, control) {
  const text = control.value;
  if (type === "boolean") return text === "true";
  if (type === "string") return text;
  let value;
  try {
    value = parse(text.trim());
  } catch (error) {
    throw new Error(type === "object" ? `This is not JSON: ${error.message}` : "This is no number. Write one such as 10.");
  }
  if (type === "object" && (value === null || Array.isArray(value) || typeof value !== "object" || isNumber(value))) {
    throw new Error("Write an object, such as {\"text\": \"Hello\"}.");
  }
  if (type !== "object" && !isNumber(value)) throw new Error("This is no number. Write one such as 10.");
  return value;
}
