// How pages ask the server: with the library's client, numbers as they were written, and a limit of
// time. What fails is told in words.

import { Client, Refused } from "../ifmatch/client.js";
import { parse, stringify } from "../ifmatch/json.js";

const MILLISECONDS = 20_000;

export const newClient = () => new Client({ parse, stringify, fetch: limited });

function limited(url, request) {
  const limit = AbortSignal.timeout(MILLISECONDS);
  const signal = request.signal ? AbortSignal.any([request.signal, limit]) : limit;
  // Nothing of an API redirects; what does is another page, such as one that asks to sign in.
  return fetch(url, { ...request, signal, redirect: "error" });
}

const READING = "The server did not answer. Check the connection.";
const WRITING =
  "The server did not answer, so it is not known whether this was saved. Save again: a change is never made twice, because the tag would not fit any more.";
const NO_ANSWER = new Set(["TypeError", "AbortError", "TimeoutError"]); // what fetch raises

// { status, title, detail, errors, problem }, with status 0 where no answer came. What is no failure
// of a request is a mistake of ours, and is raised again.
export function told(error, { writing = false } = {}) {
  if (error instanceof Refused) {
    const problem = error.problem ?? {};
    const title = problem.title ?? `The server answered ${error.status}.`;
    return { status: error.status, title, detail: problem.detail ?? "", errors: problem.errors ?? [], problem };
  }
  if (!NO_ANSWER.has(error?.name)) throw error;
  return { status: 0, title: "No answer", detail: writing ? WRITING : READING, errors: [], problem: {} };
}

// Where to sign in, and from there back to this page.
export function signInAddress(signIn) {
  return `${signIn}?next=${encodeURIComponent(location.pathname + location.search)}`;
}
