// What polls cost and what they saved, in one line: what a `Poll` tells, for people.

import { size } from "./amounts.js";
import { h } from "./dom.js";

// Nodes for the line. `signIn` leads whoever is signed out back; `failed` is said where there was no
// answer that helps.
export function cost({ polls, unchanged, saved, status, bytes, paused, failure }, { signIn, failed = "No answer. It is tried again." }) {
  if (failure?.status === 401) return ["You are signed out. ", h("a", { href: signIn }, "Sign in")];
  if (failure) return [failed];
  const last = paused ? "Paused" : `${status}, ${size(bytes)}`;
  return [
    h("span", { class: paused ? "dot" : "dot is-live" }),
    h("strong", {}, last),
    ` ${polls} ${polls === 1 ? "poll" : "polls"}, ${unchanged} unchanged, ${size(saved)} saved`,
  ];
}

// Puts it into an element, and marks that where there was no answer.
export function show(line, round, options) {
  line.classList.toggle("is-bad", Boolean(round.failure));
  line.replaceChildren(...cost(round, options));
}
