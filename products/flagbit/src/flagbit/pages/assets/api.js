// The API, as an editor sees it: tags in, tags out, and every refusal as problem details.

import { parse, write } from "./json.js";

const SECONDS = 20_000;

export class Api {
  constructor(base) {
    this.base = base;
  }

  // Returns { status, ok, etag, body, problem, bytes }; status 0 where no answer came.
  async send(method, path, { content, ifMatch, ifNoneMatch } = {}) {
    const headers = { Accept: "application/json" };
    if (ifMatch) headers["If-Match"] = ifMatch;
    if (ifNoneMatch) headers["If-None-Match"] = ifNoneMatch;
    if (content !== undefined) {
      headers["Content-Type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    }
    try {
      const answer = await fetch(`${this.base}/${path}`, {
        method,
        headers,
        body: content === undefined ? undefined : write(content),
        // The page keeps the tag and the body itself, so the browser's cache would only hide the 304.
        cache: "no-store",
        credentials: "same-origin",
        redirect: "error",
        signal: AbortSignal.timeout(SECONDS),
      });
      const raw = await answer.arrayBuffer();
      const text = new TextDecoder().decode(raw);
      const body = text === "" ? null : parse(text);
      const { status, ok } = answer;
      return {
        status,
        ok,
        etag: answer.headers.get("ETag"),
        bytes: raw.byteLength,
        body: ok ? body : null,
        problem: ok || status === 304 ? null : (body ?? { title: `The server answered ${status}.` }),
      };
    } catch (error) {
      const detail =
        method === "GET"
          ? "The server did not answer. Check the connection."
          : "The server did not answer, so it is not known whether this was saved. Save again: a change is never made twice, because the tag would not fit any more.";
      return { status: 0, ok: false, etag: null, bytes: 0, body: null, problem: { title: "No answer", detail, cause: String(error) } };
    }
  }

  get(path, ifNoneMatch) {
    return this.send("GET", path, { ifNoneMatch });
  }
}

export const flagPath = (key) => `flags/${encodeURIComponent(key)}`;
export const statePath = (key, environment) => `${flagPath(key)}/environments/${encodeURIComponent(environment)}`;

export function size(bytes) {
  return bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`;
}
