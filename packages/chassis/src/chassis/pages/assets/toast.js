// Short messages at the edge of the page, read aloud by screen readers and never taking the focus.
//
//     import { say } from "./shared/toast.js";
//     say("Saved."); say("It could not be saved.", { bad: true });
//
// A message goes by itself, but not while somebody points at it or has the focus in it. A bad one
// stays until it is closed. A page may have its own <toast-area>; with `single`, a message takes the
// place of the one before, and lets through whatever is pressed at its place.

import { button, h, seen } from "./dom.js";

const SHOWN_FOR = 8000;

class ToastArea extends HTMLElement {
  connectedCallback() {
    // A live region is announced only where it was there before its text.
    this.setAttribute("role", "status");
    this.setAttribute("aria-live", "polite");
  }

  say(text, { bad = false } = {}) {
    const message = h("div", { class: bad ? "toast bad" : "toast" }, h("p", {}, seen(text)));
    const alone = this.hasAttribute("single");
    if (bad || !alone) message.append(button("Close", () => message.remove(), { class: "quiet", "aria-label": "Close this message" }));
    this.append(message);
    while (this.children.length > (alone ? 1 : 3)) this.firstElementChild.remove();
    if (!bad) this.let(message);
    return message;
  }

  let(message) {
    const go = () => {
      if (message.matches(":hover, :focus-within")) setTimeout(go, 1000);
      else message.remove();
    };
    setTimeout(go, Number(this.getAttribute("shown-for") ?? SHOWN_FOR));
  }
}

customElements.define("toast-area", ToastArea);

export async function say(text, options) {
  let area = document.querySelector("toast-area");
  if (!area) {
    area = document.createElement("toast-area");
    document.body.append(area);
    await new Promise((done) => setTimeout(done, 50)); // the new region has to be known first
  }
  return area.say(text, options);
}
