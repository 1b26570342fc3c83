// What went over the wire, and why each answer came: a list of requests, the newest first.

import { h } from "./dom.js";
import { size } from "./amounts.js";

// A fetch for a Client that tells `heard` of each request and its answer as they were.
export function listening(heard) {
  return async (url, { method = "GET", headers = {}, body = null, ...rest } = {}) => {
    const asked = { method, path: url, fields: Object.entries(headers), body };
    const response = await fetch(url, { method, headers, body, ...rest });
    const text = await response.clone().text();
    heard({ ...asked, status: response.status, phrase: response.statusText, answered: [...response.headers], text });
    return response;
  };
}

const PHRASES = { 200: "OK", 201: "Created", 304: "Not Modified", 404: "Not Found", 412: "Precondition Failed", 422: "Unprocessable Content" };
// What says most comes first: a browser gives the fields by their names, not as they came.
const FIRST = ["etag", "state-before", "preference-applied", "content-location", "content-type", "content-length", "cache-control", "vary"];
const UNTOLD = new Set(["accept", "content-type", "prefer"]);

export class Exchanges {
  constructor(list, { explain, kept = 30 }) {
    Object.assign(this, { list, explain, kept });
  }

  // Shows an exchange; `under` is what is shown in its place the next time (a poll, again and again).
  add(who, exchange, { under = null, opened = false } = {}) {
    const same = under && this.list.querySelector(`[data-under="${under}"]`);
    const entry = same ?? h("li", { class: "exchange", "data-under": under });
    const count = Number(entry.dataset.count ?? 0) + 1;
    entry.dataset.count = count;
    const details = same?.firstElementChild ?? h("details", { open: opened });
    details.replaceChildren(summary(who, exchange, count), ...wire(exchange));
    if (!same) {
      entry.append(details);
      this.list.prepend(entry);
      while (this.list.children.length > this.kept) this.list.lastElementChild.remove();
      details.addEventListener("toggle", () => details.open && this.tell(entry));
    }
    entry.exchange = exchange;
    if (details.open) this.tell(entry);
    return entry;
  }

  close() {
    for (const details of this.list.querySelectorAll("details[open]")) details.open = false;
  }

  // The path through 13.2.2, asked for when somebody looks.
  async tell(entry) {
    const { exchange } = entry;
    if (entry.told === exchange) return;
    entry.told = exchange;
    const told = await this.explain(exchange);
    if (told && entry.exchange === exchange) entry.firstElementChild.append(...path(told));
  }
}

function summary(who, { method, fields, status, text }, count) {
  const conditions = fields.filter(([name]) => name.toLowerCase().startsWith("if-"));
  return h("summary", {},
    h("b", {}, who), " ", h("span", { class: "method" }, method), " ",
    h("span", { class: `chip status is-${status}` }, status, " ", PHRASES[status] ?? ""), " ",
    conditions.length
      ? h("code", {}, conditions.map(([name, value]) => `${name}: ${value}`).join(" "))
      : h("span", { class: "hint" }, "no condition"),
    h("span", { class: "hint" }, ` ${size(new TextEncoder().encode(text).length)}${count > 1 ? `, ${count} times` : ""}`));
}

function wire({ method, path, fields, body, status, phrase, answered, text }) {
  const line = ([name, value]) => `${title(name)}: ${value}`;
  const request = [`${method} ${path} HTTP/1.1`, ...fields.map(line), ...(body ? ["", pretty(body)] : [])];
  const place = ([name]) => (FIRST.indexOf(name.toLowerCase()) + 100) % 100; // -1 goes behind them all
  const sorted = [...answered].sort((one, other) => place(one) - place(other));
  const answer = [`HTTP/1.1 ${status} ${phrase || PHRASES[status] || ""}`, ...sorted.map(line), ...(text ? ["", pretty(text)] : [])];
  const box = (name, lines) => h("div", { class: name.toLowerCase() }, h("h3", {}, name), h("pre", {}, lines.join("\n")));
  return [
    h("div", { class: "wire-pair" }, box("Request", request), box("Answer", answer)),
    h("p", { class: "hint" }, "Beside these fields a browser sends its own, such as Host and Cookie."),
  ];
}

const title = (name) => name.toLowerCase() === "etag" ? "ETag" : name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function path({ steps, answer, status, clause, field }) {
  const by = field ? `by ${field}, ${clause}` : "nothing speaks against it";
  return [
    h("h3", {}, "The path through RFC 9110 section 13.2.2"),
    h("ol", { class: "steps" }, steps.map(step)),
    h("p", { class: "verdict" }, h("strong", {}, status ? answer : `So: ${answer}`), ` (${by})`),
  ];
}

function step({ clause, field, said, because, leads_to: leads }) {
  return h("li", { class: `step is-${said.replace(" ", "-")}` },
    h("span", { class: "clause" }, clause), " ", h("b", {}, field), " ", h("span", { class: "said" }, said),
    leads ? h("span", { class: "leads" }, ` → ${leads}`) : null,
    h("br"), h("span", { class: "because" }, because));
}

// What the server is asked, to tell the path of an exchange; null where it never came to 13.2.2.
export function question({ method, fields, status, answered }) {
  const before = answered.find(([name]) => name.toLowerCase() === "state-before")?.[1];
  if (!before || ![200, 304, 412].includes(status)) return null;
  return { method, fields: fields.filter(([name]) => !UNTOLD.has(name.toLowerCase())), state: before };
}
