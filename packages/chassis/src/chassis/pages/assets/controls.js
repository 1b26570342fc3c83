// Parts of forms: a labelled field that can say what is wrong with it, and JSON for experts.

import { h, newId, button } from "./dom.js";
import { parse, stringify } from "../ifmatch/json.js";

// Adds to `control` its label, a hint, and a place for errors. The node has `fail(text)`.
export function field(label, control, { hint, hidden } = {}) {
  const id = (control.id ||= newId("in"));
  const error = h("p", { class: "error", id: `${id}-error` });
  const said = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  if (said) control.setAttribute("aria-describedby", said.id);
  const node = h("div", { class: "field" }, h("label", { for: id, class: hidden && "heard" }, label), control, said, error);
  node.control = control;
  node.fail = (text) => fail(control, error, text, said?.id);
  return node;
}

export function check(label, checked) {
  const control = h("input", { type: "checkbox", id: newId("in"), checked });
  const error = h("p", { class: "error", id: `${control.id}-error` });
  const node = h("div", { class: "field" }, h("label", { class: "check" }, control, h("span", {}, label)), error);
  node.control = control;
  node.fail = (text) => fail(control, error, text);
  return node;
}

function fail(control, error, text, hint) {
  // Two faults of one field are both said.
  error.textContent = text ? [error.textContent, text].filter(Boolean).join(" ") : "";
  if (text) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
  const said = [hint, text && error.id].filter(Boolean).join(" ");
  if (said) control.setAttribute("aria-describedby", said);
  else control.removeAttribute("aria-describedby");
}

export function clearErrors(node) {
  for (const one of node.querySelectorAll(".field")) one.fail?.("");
}

// JSON for experts: shows what the form says, and puts into the form what is written there.
// `read` gives the form's value, `write` puts one there.
export function jsonView({ read, write }) {
  const area = h("textarea", { rows: 10, spellcheck: "false", class: "mono" });
  const box = field("The same as JSON", area, { hidden: true });
  const show = () => { area.value = stringify(read(), 2); box.fail(""); area.rows = Math.min(24, area.value.split("\n").length); };
  const apply = button("Put into the form", () => {
    box.fail("");
    try {
      write(parse(area.value));
    } catch (error) {
      box.fail(`This is not JSON: ${error.message}`);
      area.focus();
    }
  });
  const node = h("details", { class: "json" }, h("summary", {}, "JSON"), box, h("div", { class: "row" }, apply, button("Show the form's", show)));
  node.addEventListener("toggle", () => { if (node.open) show(); });
  return node;
}
