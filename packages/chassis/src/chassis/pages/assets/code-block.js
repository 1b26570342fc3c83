// <code-block> around a <pre>: adds a button that copies the text.

import { button } from "./dom.js";
import { say } from "./toast.js";

class CodeBlock extends HTMLElement {
  connectedCallback() {
    if (this.querySelector("button")) return;
    this.append(button("Copy", () => this.copy(), { class: "copy" }));
  }

  get text() {
    return this.querySelector("code").textContent;
  }

  set text(value) {
    this.querySelector("code").textContent = value;
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.text);
      await say("Copied.");
    } catch {
      // Without https, or where it is not allowed: the text is selected, ready to be copied.
      getSelection().selectAllChildren(this.querySelector("code"));
      await say("It is selected: copy it with the keyboard.");
    }
  }
}

customElements.define("code-block", CodeBlock);
