// JSON in which numbers stay as they were written: 1.0 read and saved again is still 1.0, also where
// an editor did not touch it. Browsers without JSON.rawJSON read it as 1.

const keeps = typeof JSON.rawJSON === "function";

export function parse(text) {
  return JSON.parse(text, (_key, value, context) => {
    if (!keeps || typeof value !== "number" || context?.source === undefined) return value;
    return context.source === String(value) ? value : JSON.rawJSON(context.source);
  });
}

export const write = (value, indent) => JSON.stringify(value, undefined, indent);
export const copy = (value) => (value === undefined ? undefined : parse(write(value)));
export const isNumber = (value) => typeof value === "number" || (keeps && JSON.isRawJSON(value));

// One text for one value, whatever the order of names.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object" && !isNumber(value)) {
    const members = Object.keys(value).sort().map((name) => `${write(name)}:${canonical(value[name])}`);
    return `{${members.join(",")}}`;
  }
  return value === undefined ? "" : write(value);
}

export const same = (one, other) => canonical(one) === canonical(other);
