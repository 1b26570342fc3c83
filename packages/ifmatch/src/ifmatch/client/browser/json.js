/**
 * JSON in which numbers stay as they were written: 1.0 read and saved again is still 1.0, and an
 * integer beyond 2^53 is not rounded.
 *
 *     const client = new Client({ parse, stringify });
 *
 * A number that JavaScript would write differently is a `JSON.rawJSON` object; `merge.js` compares
 * such objects as the numbers that they are. Where a browser has no `JSON.rawJSON`, numbers are read
 * as usual.
 */

const keeps = typeof JSON.rawJSON === "function";

/** @param {string} text */
export function parse(text) {
  return JSON.parse(text, (_name, value, context) => {
    if (!keeps || typeof value !== "number" || context?.source === undefined) return value;
    return context.source === String(value) ? value : JSON.rawJSON(context.source);
  });
}

/** @param {number} [indent]  Spaces for each level; without it all is on one line. */
export const stringify = (value, indent) => JSON.stringify(value, undefined, indent);

/** A copy that shares nothing; `structuredClone` would take the numbers for objects. */
export const copy = (value) => (value === undefined ? undefined : parse(stringify(value)));

/** Whether a value is a number, in either form. */
export const isNumber = (value) => typeof value === "number" || (keeps && JSON.isRawJSON(value));
