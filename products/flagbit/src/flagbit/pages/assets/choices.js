// Choices among variants: one of them, or who gets which.

import { h } from "./shared/dom.js";
import { field } from "./shared/controls.js";
import { share } from "./fields.js";

export function select(options, value, attributes = {}) {
  const node = h("select", attributes);
  fill(node, options, value);
  return node;
}

// Options as [value, label]; a value that is not among them is kept, so that nothing is lost.
export function fill(node, options, value = node.value) {
  const known = options.some(([name]) => name === value);
  const all = known || value === undefined || value === "" ? options : [...options, [value, `${value} (not a variant)`]];
  node.replaceChildren(...all.map(([name, label]) => h("option", { value: name }, label)));
  if (value !== undefined) node.value = value;
}

const SPLIT = "/split"; // no variant can be called so

// Who gets what: one variant, or a split by weight. Returns { node, read, at, setVariants }.
export function serveControl(label, serve, variants) {
  const choice = h("select");
  const chooser = field(label, choice);
  const by = field("Same person, same variant, by", h("input", { value: serve.bucket_by ?? "targetingKey", spellcheck: "false", autocomplete: "off" }));
  const shares = h("div", { class: "shares" });
  const box = h("fieldset", { class: "split" }, h("legend", { class: "heard" }, `Weights: ${label}`), shares, by);
  const rows = new Map();

  function setVariants(names) {
    const chosen = choice.value || (serve.split ? SPLIT : serve.variant);
    fill(choice, [...names.map((name) => [name, name]), [SPLIT, "A split by weight…"]], chosen);
    const shown = new Set([...names, ...Object.keys(serve.split ?? {})]);
    for (const [name, row] of rows) if (!shown.has(name)) { row.remove(); rows.delete(name); }
    for (const name of shown) if (!rows.has(name)) addRow(name, serve.split?.[name]);
    refresh();
  }

  function addRow(name, weight) {
    const row = field(name, h("input", { type: "number", min: 0, max: 1000000, step: 1, inputmode: "numeric", value: weight ?? "" }));
    row.classList.add("share");
    row.append(h("output", {}));
    rows.set(name, row);
    shares.append(row);
  }

  function weights() {
    const given = [...rows].filter(([, row]) => row.control.value.trim() !== "");
    return Object.fromEntries(given.map(([name, row]) => [name, Number(row.control.value)]));
  }

  function refresh() {
    box.hidden = choice.value !== SPLIT;
    const given = weights();
    const total = Object.values(given).reduce((sum, one) => sum + one, 0);
    for (const [name, row] of rows) {
      row.querySelector("output").textContent = name in given && total > 0 ? share(given[name], total) : "";
    }
  }

  choice.addEventListener("change", () => {
    if (choice.value === SPLIT && Object.keys(weights()).length === 0) {
      [...rows.values()].forEach((row, place) => { row.control.value = place < 2 ? 50 : ""; });
    }
    refresh();
  });
  shares.addEventListener("input", refresh);
  setVariants(variants);

  return {
    node: h("div", { class: "serve" }, chooser, box),
    setVariants,
    read() {
      if (choice.value !== SPLIT) return { variant: choice.value };
      return { split: weights(), bucket_by: by.control.value };
    },
    at([member, name]) {
      if (member === "split") return rows.get(name) ?? chooser;
      return member === "bucket_by" ? by : chooser;
    },
  };
}
