// <bar-chart> beside a table: each row as a bar, cut into the columns that have a `data-part`.
//
// The table stays: it says the same in numbers, and is what a screen reader reads. The picture has
// a name of its own that sums it up. Nothing here has a style of its own, which the page's security
// policy forbids: colours come from classes, lengths are attributes of SVG.

import { h } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const ROW = 46;

function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// The rows of a table as {label, parts: [{name, part, value}]}.
export function rowsOf(table) {
  const heads = [...table.querySelectorAll("thead th")];
  return [...table.tBodies[0].rows].map((row) => ({
    label: row.cells[0].textContent.trim(),
    parts: heads
      .map((head, at) => ({ part: head.dataset.part, name: head.textContent.trim(), cell: row.cells[at] }))
      .filter(({ part }) => part)
      .map(({ part, name, cell }) => ({ part, name, value: Number(cell.textContent.replace(/[^\d.]/g, "")) })),
  }));
}

// The bars: the longest row is as wide as the picture.
export function bars(rows) {
  const sums = rows.map(({ parts }) => parts.reduce((sum, { value }) => sum + value, 0));
  const longest = Math.max(...sums, 0);
  if (longest === 0) return null;
  const told = rows.map(({ label, parts }) => `${label}: ${parts.map(({ name, value }) => `${value} ${name.toLowerCase()}`).join(", ")}`);
  const picture = svg("svg", { class: "bars", width: "100%", height: rows.length * ROW, role: "img", "aria-label": `${told.join(". ")}.` });
  rows.forEach(({ label, parts }, number) => {
    const top = number * ROW;
    picture.append(svg("text", { x: 0, y: top + 14 }, label));
    picture.append(svg("rect", { class: "track", x: 0, y: top + 20, width: "100%", height: 16, rx: 4 }));
    let start = 0;
    for (const { part, value } of parts) {
      const width = (100 * value) / longest;
      picture.append(svg("rect", { class: `part-${part}`, x: `${start}%`, y: top + 20, width: `${width}%`, height: 16 }));
      start += width;
    }
  });
  return picture;
}

class BarChart extends HTMLElement {
  connectedCallback() {
    this.draw();
  }

  draw() {
    const table = this.parentElement.querySelector("table");
    const rows = rowsOf(table);
    const picture = bars(rows);
    this.hidden = !picture;
    if (!picture) return;
    const legend = rows[0].parts.map(({ part, name }) =>
      h("li", {}, h("span", { class: `swatch part-${part}` }), name));
    this.replaceChildren(picture, h("ul", { class: "legend", "aria-hidden": "true" }, ...legend));
  }
}

customElements.define("bar-chart", BarChart);
