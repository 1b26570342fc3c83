/**
 * Conditional requests in a browser or in Node: reads that ask whether anything changed, edits that
 * lose nobody's change, polls that cost next to nothing while nothing happens.
 *
 *     const client = new Client({ headers: { Authorization: `Bearer ${key}` } });
 *     const { value } = await client.get("/flags/dark-mode");
 *     await client.edit("/flags/dark-mode", (flag) => ({ ...flag, enabled: true }));
 *     for await (const { value } of client.poll("/flags", { every: 5000 })) show(value);
 *
 * A client keeps what it read for one caller: make another one for other credentials.
 *
 * @typedef {{value: any, etag: string | null, status: number, bytes: number}} Representation
 *   What a read came to. With status 304 the value is the one that was kept; `bytes` are those of
 *   its text.
 * @typedef {Representation & {changed: boolean, tries: number, merged: boolean}} Edited
 *   `changed` is false where everything was as it was wished; `merged` says that somebody else's
 *   changes came between and are in the value.
 * @typedef {import("./merge.js").Clash} Clash
 * @typedef {{choose?: (clash: Clash) => import("./merge.js").Side | null | undefined,
 *   whole?: string[], content?: (value: any) => any, came?: (between: Between) => void,
 *   tries?: number, signal?: AbortSignal}} Manner
 *   How an edit goes about others' changes. `choose` and `whole` are those of a merge. `content`
 *   takes from a representation what is edited, and leaves out what only the server sets. `came`
 *   is told each time that others came between and all fits together, before it is sent.
 * @typedef {{base: any, mine: any, theirs: any, made: import("./merge.js").Merge,
 *   now: Representation, problem: any}} Between
 *   Three contents, what the merge made of them, what is there now, and the problem of the 412.
 */

import { merge, same } from "./merge.js";

/** An answer that is no success: `status`, the `problem` of RFC 9457 if it has one, `retryAfter`. */
export class Refused extends Error {
  name = "Refused";

  /** @param {{status: number, problem: any, retryAfter: number | null, url: string}} answer */
  constructor(answer) {
    const { title, detail } = answer.problem ?? {};
    super([title ?? `${answer.url} answered ${answer.status}.`, detail].filter(Boolean).join(": "));
    Object.assign(this, answer);
  }
}

/** An edit met changes that it cannot be merged with. Nothing was overwritten. */
export class Conflict extends Refused {
  name = "Conflict";

  /** @param {Between} between  Its members are those of the error, with `clashes` and `etag`. */
  constructor(answer, between) {
    super(answer);
    const { clashes } = between.made;
    Object.assign(this, between, { clashes, etag: between.now.etag });
    const places = clashes.map((clash) => clash.pointer || "the whole").join(", ");
    this.message = `Somebody else changed ${places} too. Decide which to keep, and edit again.`;
  }
}

/** What cannot be edited safely, and why. */
export class Unsafe extends Error {
  name = "Unsafe";
}

/** An answer whose fields say so; its body is no representation. */
const PROBLEM = "application/problem+json";
const FINAL = new Set([400, 401, 403, 404, 405, 406, 410, 501]);

export class Client {
  /** What conditional requests saved: reads asked, answered 304, and bytes that were not sent. */
  saved = { asked: 0, unchanged: 0, bytes: 0 };

  #kept = new Map();

  /**
   * `fetch`, `sleep` and `random` may be given, for tests; `parse` and `stringify`, those of
   * `json.js`, where numbers must survive that JavaScript cannot hold (1.0, integers beyond 2^53).
   *
   * @param {{headers?: Record<string, string>, fetch?: typeof fetch, credentials?: RequestCredentials,
   *   parse?: (text: string) => any, stringify?: (value: any) => string,
   *   sleep?: (milliseconds: number, signal?: AbortSignal) => Promise<void>,
   *   random?: () => number, keep?: number}} [options]  `keep`: how many URLs are remembered.
   */
  constructor({
    headers = {},
    fetch = (...request) => globalThis.fetch(...request),
    credentials = "same-origin",
    parse = JSON.parse,
    stringify = JSON.stringify,
    sleep = pause,
    random = Math.random,
    keep = 200,
  } = {}) {
    Object.assign(this, { headers, fetch, credentials, parse, stringify, sleep, random, keep });
  }

  /**
   * What is there now. What was read before is asked for with If-None-Match, past all caches.
   *
   * @param {string} url
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<Representation>}  Raises Refused, and TypeError where no answer came.
   */
  async get(url, { signal } = {}) {
    const kept = this.#kept.get(url);
    const answer = await this.#send(url, "GET", kept ? { "If-None-Match": kept.etag } : {}, { signal });
    this.saved.asked += 1;
    if (answer.status === 304 && kept) {
      this.saved.unchanged += 1;
      this.saved.bytes += kept.bytes;
      const { text, etag, bytes } = kept;
      return { value: this.parse(text), etag, status: 304, bytes };
    }
    if (!answer.ok) {
      this.#kept.delete(url);
      throw new Refused(answer);
    }
    return this.#read(url, answer);
  }

  /**
   * Change what is at a URL, whoever else does so meanwhile.
   *
   * `change` makes of a copy of the value what is to be there, or changes the copy itself. It is
   * called once: where somebody came between, its outcome is merged with theirs. `choose` decides
   * where both changed the same place; without a decision that is a Conflict, which has `base`,
   * `mine`, `theirs` and `clashes`. An edit whose answer was lost is sent again under the same tag,
   * and recognised where it was done already.
   *
   * @param {string} url
   * @param {(value: any) => any} change
   * @param {Manner} [manner]
   * @returns {Promise<Edited>}  Raises Conflict, Refused, Unsafe, TypeError.
   */
  async edit(url, change, manner = {}) {
    const { content = unchanged, signal } = manner;
    const read = await this.get(url, { signal });
    const copy = this.parse(this.stringify(content(read.value)));
    const mine = (await change(copy)) ?? copy;
    return this.save(url, mine, read, manner);
  }

  /**
   * Save what a form made of `read`, which `get` or an earlier save returned. As `edit`.
   *
   * @param {string} url
   * @param {any} mine
   * @param {{value: any, etag: string | null}} read
   * @param {Manner} [manner]
   */
  async save(url, mine, read, manner = {}) {
    const { choose, whole, content = unchanged, came = unchanged, tries = 5, signal } = manner;
    if (!read.etag) {
      throw new Unsafe(
        `${url} has no ETag, so an edit could overwrite what others changed. Ask its makers for one.`,
      );
    }
    let now = read;
    let merged = false;
    for (let tried = 1; ; tried += 1) {
      const base = content(now.value);
      if (same(base, mine)) {
        // Nothing to do, or, after an answer that was lost, done already.
        const { value, etag } = now;
        return { value, etag, status: 200, bytes: 0, changed: false, tries: tried, merged };
      }
      const answer = await this.#put(url, mine, now.etag, { signal, last: tried >= tries });
      if (answer.ok) {
        return { ...this.#written(url, answer, mine), changed: true, tries: tried, merged };
      }
      if (answer.status === 412) {
        now = await this.#theirs(url, answer, signal);
        const theirs = content(now.value);
        const made = merge(base, mine, theirs, { choose, whole });
        const between = { base, mine, theirs, made, now, problem: answer.problem };
        if (made.clashes.length || tried >= tries) throw new Conflict(answer, between);
        came(between);
        merged ||= made.theirs.length > 0 || !same(made.merged, mine);
        mine = made.merged;
      } else if (!isPassing(answer.status) || tried >= tries) {
        throw new Refused(answer);
      }
      await this.sleep(answer.retryAfter ?? this.#jitter(tried), signal);
    }
  }

  /**
   * One request as it is, for what is no edit of a whole: POST, DELETE, PATCH. It is sent once.
   *
   * @param {string} url
   * @param {string} method
   * @param {{value?: any, etag?: string | null, type?: string, signal?: AbortSignal}} [options]
   *   `etag` goes into If-Match; `type` is the media type of `value`, JSON unless it says otherwise.
   * @returns {Promise<Representation>}  With the value null where the answer has none. Raises
   *   Refused, and TypeError where no answer came: then nobody knows whether it was done.
   */
  async send(url, method, { value, etag, type = "application/json", signal } = {}) {
    const fields = etag ? { "If-Match": etag } : {};
    const sent = value === undefined ? {} : { body: this.stringify(value) };
    if (sent.body) fields["Content-Type"] = type;
    const answer = await this.#send(url, method, fields, { signal, ...sent });
    if (!answer.ok) throw new Refused(answer);
    if (answer.located && answer.text) return this.#read(url, answer);
    const { text, status, bytes } = answer;
    return { value: text ? this.parse(text) : null, etag: answer.etag, status, bytes };
  }

  /**
   * The value each time that it changed, beginning with what is there.
   *
   * While nothing changes a round costs a 304. Where no answer comes, or one that will pass (429,
   * 5xx), it waits longer each time, up to a minute, or as long as Retry-After says, and tells
   * `failed`. Ends when `signal` is aborted; raises Refused for what will not pass. `answered` is
   * told of every answer, changed or not, when a new value has been taken.
   *
   * @param {string} url
   * @param {{every?: number, signal?: AbortSignal, failed?: (error: Error) => void,
   *   answered?: (read: Representation) => void}} [options]
   *   `every`: milliseconds from one answer to the next question.
   * @returns {AsyncGenerator<Representation>}
   */
  async *poll(url, { every = 5000, signal, failed = unchanged, answered = unchanged } = {}) {
    let failures = 0;
    let shown;
    while (!signal?.aborted) {
      let [read, wait] = [null, every];
      try {
        read = await this.get(url, { signal });
        failures = 0;
      } catch (error) {
        if (signal?.aborted) return;
        if (FINAL.has(error.status)) throw error;
        failed(error);
        failures += 1;
        wait = Math.max(error.retryAfter ?? 0, Math.min(every * 2 ** failures, 60_000));
      }
      if (read) {
        const looks = read.etag ?? this.stringify(read.value);
        if (looks !== shown) yield read;
        shown = looks;
        answered(read);
      }
      await this.sleep(wait * (0.9 + this.random() * 0.2), signal).catch(() => {});
    }
  }

  // -- requests ----------------------------------------------------------------------------

  /** A write under a tag. One whose answer was lost is sent again: the tag keeps that harmless. */
  async #put(url, value, etag, { signal, last }) {
    const fields = {
      "If-Match": etag,
      "Content-Type": "application/json",
      Prefer: "return=representation",
    };
    try {
      return await this.#send(url, "PUT", fields, { signal, body: this.stringify(value) });
    } catch (error) {
      if (last || signal?.aborted) throw error;
      return { ok: false, status: 0, retryAfter: null, url, problem: null, text: "" };
    }
  }

  /** What a write made: the answer has it, or it is what was sent (RFC 9110 section 9.3.4). */
  #written(url, answer, mine) {
    if (answer.applied || answer.located) return this.#read(url, answer);
    this.#kept.delete(url);
    return { value: mine, etag: answer.etag, status: answer.status, bytes: answer.bytes };
  }

  /** What is there now: the 412 brought it along, or it is read. */
  async #theirs(url, answer, signal) {
    if (answer.etag && answer.applied) return this.#read(url, answer);
    return this.get(url, { signal });
  }

  async #send(url, method, fields, { signal, body } = {}) {
    const response = await this.fetch(url, {
      method,
      body,
      signal,
      headers: { Accept: "application/json", ...this.headers, ...fields },
      cache: "no-store", // what is kept here is asked for here; a cache between would hide the 304
      credentials: this.credentials,
    });
    const text = await response.text();
    const isProblem = (response.headers.get("Content-Type") ?? "").startsWith(PROBLEM);
    const applied = response.headers.get("Preference-Applied") ?? "";
    const location = response.headers.get("Content-Location");
    return {
      url,
      text,
      ok: response.ok,
      status: response.status,
      etag: response.headers.get("ETag"),
      bytes: new TextEncoder().encode(text).length,
      problem: isProblem ? parsed(text) : null,
      applied: !isProblem && applied.includes("return=representation"),
      located: location !== null && URL.parse(location, response.url)?.href === response.url,
      retryAfter: milliseconds(response.headers.get("Retry-After")),
    };
  }

  /** The representation in an answer, kept for the next question if it has a tag. */
  #read(url, { text, etag, status, bytes }) {
    this.#kept.delete(url);
    if (etag) {
      this.#kept.set(url, { text, etag, bytes });
      if (this.#kept.size > this.keep) this.#kept.delete(this.#kept.keys().next().value);
    }
    return { value: this.parse(text), etag, status, bytes };
  }

  /** Full jitter: writers who met once do not meet at the same moment again. */
  #jitter(tried) {
    return this.random() * Math.min(50 * 2 ** tried, 2000);
  }
}

/** What is given, as it is. */
const unchanged = (value) => value;

/** No answer, too many requests, a server that is not up: it may be otherwise in a moment. */
function isPassing(status) {
  return status === 0 || status === 429 || [500, 502, 503, 504].includes(status);
}

/** Retry-After in milliseconds, from seconds or a date (RFC 9110 section 10.2.3). */
function milliseconds(value) {
  if (value === null) return null;
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(wait) ? null : Math.max(0, wait);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function pause(milliseconds, signal) {
  return new Promise((done, failed) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      failed(signal.reason);
    });
  });
}
