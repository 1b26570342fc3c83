// The front page: keeps the products' state and the figures fresh, out of the answers of one poll.

import "./chart.js";
import "./code-block.js";
import { number } from "./amounts.js";
import { h, seen, when } from "./dom.js";
import { put } from "./poll-table.js";

const table = document.querySelector("poll-table");

function fact({ label, value, kind, by }) {
  const said = kind === "instant" ? when(value) : kind === "number" ? number(value) : seen(value);
  return h("div", {}, h("dt", {}, label), h("dd", {}, said, by ? h("span", { class: "by" }, " by ", seen(by)) : null));
}

function showProduct(item) {
  const card = document.querySelector(`.product[data-key="${CSS.escape(item.name)}"]`);
  if (!card) return;
  const chip = card.querySelector(".state");
  chip.className = `chip state ${item.ready ? "is-ready" : "is-wrong"}`;
  chip.textContent = item.ready ? "ready" : "not ready";
  const wrong = card.querySelector(".wrong");
  wrong.hidden = item.ready;
  wrong.textContent = item.wrong ?? "";
  card.querySelector(".facts").replaceChildren(...item.facts.map(fact));
}

function show({ total, items }) {
  items.forEach(showProduct);
  for (const tile of document.querySelectorAll("#tiles [data-field]")) {
    put(tile, total[tile.dataset.field], tile.dataset.as);
  }
  document.getElementById("idle").hidden = total.requests > 0;
  document.querySelector("bar-chart").draw();
}

// Times in the place where they are read; the server writes them in UTC.
for (const time of document.querySelectorAll("time[datetime]")) time.replaceWith(when(time.dateTime));
table?.addEventListener("polled", ({ detail }) => show(detail));
