// The form of a state: what a flag does in one environment. Its rules are cards in their order.

import { h, button } from "./shared/dom.js";
import { check, field, jsonView } from "./shared/controls.js";
import { isNumber, parse, stringify } from "./ifmatch/json.js";
import { select, serveControl } from "./choices.js";
import { OPERATORS } from "./fields.js";

const TEXTS = new Set(["starts_with", "ends_with", "before", "after", "semver_eq", "semver_lt", "semver_gt"]);
const HINTS = {
  before: "Such as 2026-03-01T09:00:00Z.",
  after: "Such as 2026-03-01T09:00:00Z.",
  semver_eq: "Such as 2.10.0.",
  semver_lt: "Such as 2.10.0.",
  semver_gt: "Such as 2.10.0.",
};

// Two people who each add a rule add two: a number would name both alike.
const newName = () => `rule-${Math.random().toString(36).slice(2, 7)}`;

// Returns { node, read, write, at, setVariants }.
export function stateForm(first, variants) {
  const enabled = check("Switched on here");
  enabled.classList.add("lead-check");
  const list = h("ol", { class: "rules" });
  const none = h("p", { class: "hint" }, "No rules: everybody gets the same.");
  const off = field("While off, serve", h("select"));
  const fallthroughBox = h("div");
  let names = variants;
  let fallthrough;
  let rest = {};

  const cards = () => [...list.children].map((card) => card.parts);
  const changed = () => node.dispatchEvent(new Event("input", { bubbles: true }));

  function renumber() {
    none.hidden = list.children.length > 0;
    cards().forEach((card, place) => card.number(place + 1, list.children.length));
  }

  function addRule(rule) {
    const card = ruleCard(rule, names, {
      move(step) {
        const other = step < 0 ? card.node.previousElementSibling : card.node.nextElementSibling;
        if (!other) return;
        if (step < 0) other.before(card.node);
        else other.after(card.node);
        renumber();
        changed();
      },
      remove() {
        const next = card.node.nextElementSibling ?? card.node.previousElementSibling;
        card.node.remove();
        renumber();
        changed();
        (next?.querySelector("input") ?? add).focus();
      },
    });
    list.append(card.node);
    return card;
  }

  const add = button("Add a rule", () => {
    const rule = { id: newName(), description: "", conditions: [{ attribute: "", op: "equals", values: [], negate: false }], serve: { variant: names[0] } };
    const card = addRule(rule);
    renumber();
    changed();
    card.node.querySelector(".condition input").focus();
  });

  function offOptions(value = off.control.value) {
    const choices = [["", "the flag's own off variant"], ...names.map((name) => [name, name])];
    off.control.replaceChildren(...choices.map(([name, label]) => h("option", { value: name }, label)));
    if (value && !names.includes(value)) off.control.append(h("option", { value }, `${value} (not a variant)`));
    off.control.value = value ?? "";
  }

  function put(value) {
    const { enabled: on, rules, fallthrough: others, off_variant, ...unknown } = value;
    rest = unknown;
    enabled.control.checked = on;
    list.replaceChildren();
    for (const rule of rules ?? []) addRule(rule);
    fallthrough = serveControl("Everybody else gets", others ?? { variant: names[0] }, names);
    fallthroughBox.replaceChildren(fallthrough.node);
    offOptions(off_variant ?? "");
    renumber();
  }

  function read() {
    const problems = [];
    const value = {
      ...rest, enabled: enabled.control.checked, rules: cards().map((card) => card.read(problems)),
      fallthrough: fallthrough.read(), off_variant: off.control.value || null,
    };
    return { value, problems };
  }

  function at([member, ...more]) {
    if (member === "rules") return cards()[Number(more[0])]?.at(more.slice(1));
    if (member === "fallthrough") return fallthrough.at(more);
    return { enabled, off_variant: off }[member];
  }

  function setVariants(now) {
    names = now;
    for (const card of cards()) card.setVariants(now);
    fallthrough.setVariants(now);
    offOptions();
  }

  const rulesBox = h("fieldset", { class: "group" }, h("legend", {}, "Rules"), h("p", { class: "hint" }, "The first rule that fits decides."), list, none, add);
  const json = jsonView({ read: () => read().value, write: (value) => { put(value); changed(); } });
  const node = h("div", { class: "form" }, enabled, rulesBox, fallthroughBox, off, json);
  put(first);
  return { node, read, write: put, at, setVariants };
}

// -- one rule ----------------------------------------------------------------------------------

function ruleCard(rule, variants, { move, remove }) {
  const id = field("Name", h("input", { value: rule.id, spellcheck: "false", autocomplete: "off" }));
  const description = field("What for", h("input", { value: rule.description ?? "", maxlength: 2000, autocomplete: "off" }));
  const title = h("span", { class: "number" });
  const up = button("Up", () => { move(-1); up.focus(); }, { class: "quiet" });
  const down = button("Down", () => { move(1); down.focus(); }, { class: "quiet" });
  const gone = button("Remove", remove, { class: "quiet" });
  const list = h("div", { class: "conditions" });
  const serve = serveControl("Serve", rule.serve, variants);
  const { id: _id, description: _description, conditions, serve: _serve, ...rest } = rule;

  const rows = () => [...list.children].map((row) => row.parts);
  function addCondition(condition) {
    const row = conditionRow(condition, () => {
      row.node.remove();
      add.focus();
      node.dispatchEvent(new Event("input", { bubbles: true }));
    });
    list.append(row.node);
    return row;
  }
  const add = button("Add a condition", () => {
    addCondition({ attribute: "", op: "equals", values: [], negate: false }).node.querySelector("input").focus();
    node.dispatchEvent(new Event("input", { bubbles: true }));
  }, { class: "quiet" });
  for (const condition of conditions) addCondition(condition);

  const node = h("li", { class: "rule" },
    h("div", { class: "rule-bar" }, title, h("span", { class: "row" }, up, down, gone)),
    h("div", { class: "pair" }, id, description),
    h("div", {}, h("p", { class: "label" }, "If all of these hold"), list, add),
    serve.node);

  const parts = {
    node,
    id: () => id.control.value,
    setVariants: serve.setVariants,
    number(place, count) {
      title.textContent = `Rule ${place}`;
      // Not `disabled`: the focus would be lost when a rule arrives at its end of the list.
      up.setAttribute("aria-disabled", String(place === 1));
      down.setAttribute("aria-disabled", String(place === count));
      for (const [one, what] of [[up, "up"], [down, "down"]]) one.setAttribute("aria-label", `Move rule ${place} ${what}`);
      gone.setAttribute("aria-label", `Remove rule ${place}`);
    },
    read: (problems) => ({
      ...rest, id: id.control.value.trim(), description: description.control.value,
      conditions: rows().map((row) => row.read(problems)), serve: serve.read(),
    }),
    at([member, ...more]) {
      if (member === "conditions") return rows()[Number(more[0])]?.at(more.slice(1)) ?? id;
      if (member === "serve") return serve.at(more);
      return member === "description" ? description : id;
    },
  };
  node.parts = parts;
  return parts;
}

// -- one condition -------------------------------------------------------------------------------

function conditionRow(condition, remove) {
  const attribute = field("Attribute", h("input", { value: condition.attribute, spellcheck: "false", autocomplete: "off", placeholder: "email" }), {});
  const choices = Object.entries(OPERATORS).flatMap(([op, [plain, negated]]) => [[op, plain], [`!${op}`, negated]]);
  const op = field("Comparison", select(choices, (condition.negate ? "!" : "") + condition.op));
  const area = h("textarea", { rows: 1, spellcheck: "false", value: condition.values.map(showValue(condition.op)).join("\n") });
  const values = field("Values", area, { hint: " " });
  const hint = values.querySelector(".hint");
  const { attribute: _a, op: _o, values: _v, negate: _n, ...rest } = condition;

  const chosen = () => op.control.value.replace("!", "");
  function refresh() {
    area.rows = Math.min(8, Math.max(1, area.value.split("\n").length));
    values.hidden = chosen() === "exists";
    const many = "One a line; any of them is enough.";
    hint.textContent = `${many} ${HINTS[chosen()] ?? ""}${chosen() === "equals" || chosen() === "contains" ? "42 is a number, \"42\" is text." : ""}`.trim();
  }
  op.control.addEventListener("change", refresh);
  area.addEventListener("input", refresh);
  refresh();

  const node = h("div", { class: "condition" }, attribute, op, values, button("Remove", remove, { class: "quiet", "aria-label": "Remove this condition" }));
  node.parts = {
    read(problems) {
      const kind = chosen();
      const texts = kind === "exists" ? [] : area.value.split("\n").filter((line) => line.trim() !== "");
      const read = texts.map((line) => readValue(kind, line, (detail) => problems.push({ node: values, detail })));
      return { ...rest, attribute: attribute.control.value.trim(), op: kind, values: read, negate: op.control.value.startsWith("!") };
    },
    at([member]) {
      return { attribute, op, negate: op }[member] ?? values;
    },
  };
  return { node };
}

// Where text and numbers are both possible, what reads as JSON is that, and all else is text.
function readsAsJson(text) {
  try {
    const value = parse(text);
    return isNumber(value) || typeof value === "boolean" || typeof value === "string" ? { value } : null;
  } catch {
    return null;
  }
}

function readValue(op, line, complain) {
  const text = line.trim();
  if (TEXTS.has(op) && !text.startsWith("\"")) return text;
  const found = readsAsJson(text);
  if (found) return found.value;
  if (["lt", "lte", "gt", "gte"].includes(op)) complain(`${text} is no number. Write one such as 18.`);
  return text;
}

const showValue = (op) => (value) => {
  if (typeof value !== "string") return stringify(value);
  const plain = value !== "" && value === value.trim() && !value.includes("\n") && !value.startsWith("\"");
  return plain && (TEXTS.has(op) || !readsAsJson(value)) ? value : stringify(value);
};
