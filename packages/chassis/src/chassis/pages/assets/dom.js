// Elements from data. Text is always text: nothing here ever parses HTML.

export function h(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value") node.value = value;
    else if (key === "checked") node.checked = Boolean(value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

let count = 0;
export const newId = (kind) => `${kind}-${++count}`;

// Characters that change how text looks without being seen; the server's `chassis.pages.unseen`
// names the same ones.
export const UNSEEN =
  /([\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}])/u;

// Text that others sent: apart from the direction of what is around it, and nothing hidden in it.
export function seen(text) {
  const pieces = String(text).split(UNSEEN).map((piece, number) => {
    if (number % 2 === 0) return piece;
    const code = piece.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return h("span", { class: "unseen" }, `U+${code}`);
  });
  return h("bdi", {}, pieces);
}

export function when(instant) {
  const date = new Date(instant);
  const day = 86_400_000;
  const fresh = Date.now() - date < day;
  const shown = fresh
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" })
    : date.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return h("time", { datetime: instant, title: date.toLocaleString() }, shown);
}

export function button(label, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, label);
}
