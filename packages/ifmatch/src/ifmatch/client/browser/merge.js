/**
 * Three-way merge of JSON: what I made of a document and what others made of it, from one base.
 *
 * It decides as `ifmatch.client.merge` does in Python, and passes the same vectors
 * (`ifmatch/testing/vectors/merge`). One difference is JavaScript's: 1 and 1.0 are one number here
 * and two values there, unless `json.js` read them, which keeps numbers as they were written.
 *
 * @typedef {"base" | "mine" | "theirs"} Side
 * @typedef {{path: string[], pointer: string, base: unknown, mine: unknown, theirs: unknown,
 *   order: boolean}} Clash  A value is undefined where there is none.
 * @typedef {{merged: unknown, clashes: Clash[], mine: string[][], theirs: string[][]}} Merge
 */

/** The members by which the objects of an array are known, in the order in which they are tried. */
export const IDENTITIES = ["id", "key"];

const WHOLE_BELOW = 100;
const ABSENT = undefined; // JSON has no undefined, so nothing else can be it

/**
 * What comes of two sets of changes to one document.
 *
 * `choose` decides clashes: it returns the side whose value is taken, or nothing to leave one open.
 * What stands in `merged` at an open clash is theirs, or mine where they removed it. `whole` has JSON
 * Pointers of values that are never mixed, with `*` for any one member: `["/rules/*"]`. The arguments
 * are not changed; the result shares parts with them.
 *
 * @param {unknown} base
 * @param {unknown} mine
 * @param {unknown} theirs
 * @param {{choose?: (clash: Clash) => Side | undefined | null, identities?: string[],
 *   whole?: string[]}} [options]
 * @returns {Merge}
 */
export function merge(
  base,
  mine,
  theirs,
  { choose = () => null, identities = IDENTITIES, whole = [] } = {},
) {
  const patterns = whole.map((one) => one.split("/").slice(1));
  const merging = new Merging(choose, identities, patterns);
  const merged = merging.value([], base, mine, theirs);
  return { merged, clashes: merging.clashes, mine: merging.mine, theirs: merging.theirs };
}

/**
 * A path as a JSON Pointer is written (RFC 6901), members of arrays as `id=7`.
 *
 * @param {string[]} path
 */
export function pointer(path) {
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/**
 * What stands at a path of a merge in one of its documents; undefined where nothing does.
 *
 * @param {unknown} document
 * @param {string[]} path
 */
export function find(document, path) {
  return path.reduce((value, part) => {
    if (!Array.isArray(value)) return isObject(value) && Object.hasOwn(value, part) ? value[part] : ABSENT;
    return value.find((member) => isObject(member) && known(member, part));
  }, document);
}

/** Whether a member of an array is the one that `id=7` names. */
function known(member, part) {
  const at = part.indexOf("=");
  const name = part.slice(0, at);
  return at > 0 && Object.hasOwn(member, name) && String(member[name]) === part.slice(at + 1);
}

/** Whether two JSON values are equal, whatever the order of their members. */
export function same(one, other) {
  return one === other || (one !== ABSENT && other !== ABSENT && text(one) === text(other));
}

class Merging {
  clashes = [];
  mine = [];
  theirs = [];

  constructor(choose, identities, whole) {
    this.choose = choose;
    this.identities = identities;
    this.whole = whole;
  }

  value(path, base, mine, theirs) {
    const three = [base, mine, theirs];
    if (path.length < WHOLE_BELOW && !this.isWhole(path)) {
      if (three.every(isObject)) return this.members(path, base, mine, theirs);
      if (three.every(Array.isArray)) return this.array(path, base, mine, theirs);
    }
    if (same(mine, theirs)) return theirs;
    if (same(base, theirs)) {
      this.mine.push(path);
      return mine;
    }
    if (same(base, mine)) {
      this.theirs.push(path);
      return theirs;
    }
    return this.clash({ path, pointer: pointer(path), base, mine, theirs, order: false });
  }

  isWhole(path) {
    if (!this.whole.length) return false;
    const parts = path.map((part) => pointer([part]).slice(1));
    return this.whole.some(
      (pattern) =>
        pattern.length === parts.length &&
        pattern.every((asked, n) => asked === "*" || asked === parts[n]),
    );
  }

  clash(clash) {
    const side = this.choose(clash);
    if (side) return clash[side];
    this.clashes.push(clash);
    return clash.theirs === ABSENT ? clash.mine : clash.theirs;
  }

  members(path, base, mine, theirs) {
    const merged = [];
    for (const name of new Set([theirs, mine, base].flatMap(Object.keys))) {
      const made = this.value(
        [...path, name],
        ...[base, mine, theirs].map((one) => (Object.hasOwn(one, name) ? one[name] : ABSENT)),
      );
      if (made !== ABSENT) merged.push([name, made]);
    }
    return Object.fromEntries(merged); // makes members of their own, also of "__proto__"
  }

  array(path, base, mine, theirs) {
    for (const name of this.identities) {
      const known = [base, mine, theirs].map((one) => byIdentity(one, name));
      if (known.every((one) => one) && known.some((one) => one.size)) {
        return this.knownMembers(path, name, ...known);
      }
    }
    return this.sequence(path, base, mine, theirs);
  }

  knownMembers(path, name, base, mine, theirs) {
    const merged = new Map();
    for (const identity of new Set([theirs, mine, base].flatMap((one) => [...one.keys()]))) {
      const three = [base, mine, theirs].map((one) => one.get(identity));
      const made = this.value([...path, `${name}=${identity}`], ...three);
      if (made !== ABSENT) merged.set(identity, made);
    }
    const orders = [base, mine, theirs].map((one) => [...one.keys()]);
    return this.order(path, ...orders, merged).map((identity) => merged.get(identity));
  }

  order(path, base, mine, theirs, kept) {
    const others = new Set(theirs);
    const common = new Set(mine.filter((one) => others.has(one) && kept.has(one)));
    const old = new Set(base.filter((one) => common.has(one)));
    const moved = (side) => !same(only(side, old), only(base, old));
    let sides = [theirs, mine];
    if (!same(only(mine, common), only(theirs, common))) {
      if (moved(mine) === moved(theirs)) {
        const three = [base, mine, theirs].map((one) => only(one, kept));
        const values = { base: three[0], mine: three[1], theirs: three[2] };
        sides.unshift(this.clash({ path, pointer: pointer(path), ...values, order: true }));
      } else if (moved(mine)) {
        sides = [mine, theirs];
        this.mine.push(path);
      } else {
        this.theirs.push(path);
      }
    }
    return sides
      .map((side) => only(side, kept))
      .reduce((first, second) => woven(first, second, base));
  }

  sequence(path, base, mine, theirs) {
    const texts = [base, mine, theirs].map((one) => one.map(text));
    let merged = [];
    const by = new Set();
    for (const chunk of chunks(...texts)) {
      const [old, own, other] = texts.map((one, n) => one.slice(...chunk[n]));
      if (same(own, other) || same(own, old)) {
        if (!same(own, other)) by.add("theirs");
        merged = merged.concat(theirs.slice(...chunk[2]));
      } else if (same(other, old)) {
        by.add("mine");
        merged = merged.concat(mine.slice(...chunk[1]));
      } else {
        const clash = { path, pointer: pointer(path), base, mine, theirs, order: false };
        return this.clash(clash);
      }
    }
    if (by.has("mine")) this.mine.push(path);
    if (by.has("theirs")) this.theirs.push(path);
    return merged;
  }
}

function isObject(value) {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !JSON.isRawJSON?.(value)
  );
}

/** One text for each JSON value, whatever the order of its members. */
function text(value) {
  if (Array.isArray(value)) return `[${value.map(text).join()}]`;
  if (isObject(value)) {
    const names = Object.keys(value).sort();
    return `{${names.map((name) => `${JSON.stringify(name)}:${text(value[name])}`).join()}}`;
  }
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}

/** The members by what they are known by; null where that does not tell them apart. */
function byIdentity(array, name) {
  const found = new Map();
  for (const member of array) {
    const known = isObject(member) && Object.hasOwn(member, name) ? member[name] : null;
    if (typeof known !== "string" && !Number.isSafeInteger(known)) return null;
    if (found.has(String(known))) return null;
    found.set(String(known), member);
  }
  return found;
}

/** @param {{has(one: string): boolean}} among */
function only(order, among) {
  return order.filter((one) => among.has(one));
}

/** The first order, and what only the second has, each behind what it stands behind there. */
function woven(first, second, base) {
  const standing = new Set(first);
  const elsewhere = new Set([...second, ...base]);
  const behind = new Map();
  let place = null; // what a member of the second order stands behind
  for (const identity of second) {
    if (standing.has(identity)) place = identity;
    else behind.set(place, [...(behind.get(place) ?? []), identity]);
  }
  const made = [];
  let waiting = behind.get(null) ?? [];
  for (const identity of first) {
    if (elsewhere.has(identity)) made.push(...waiting.splice(0));
    made.push(identity);
    waiting = [...waiting, ...(behind.get(identity) ?? [])];
  }
  return [...made, ...waiting];
}

/** The three cut in pieces, at each member of the base that both sides still have. */
function chunks(base, mine, theirs) {
  const [inMine, inTheirs] = [matches(base, mine), matches(base, theirs)];
  const between = (start, end) => start.map((from, n) => [from, end[n]]);
  const made = [];
  let at = [0, 0, 0];
  base.forEach((_, number) => {
    if (!inMine.has(number) || !inTheirs.has(number)) return;
    const here = [number, inMine.get(number), inTheirs.get(number)];
    const next = here.map((one) => one + 1);
    made.push(between(at, here), between(here, next));
    at = next;
  });
  made.push(between(at, [base.length, mine.length, theirs.length]));
  return made;
}

/** Which member of the base is which of the other one: see the Python module. */
function matches(base, other) {
  const there = once(other);
  const pairs = [...once(base)].filter(([each]) => there.has(each));
  const ends = [base.length, other.length];
  const found = new Map();
  let low = [0, 0];
  for (const high of [...rising(pairs.map(([each, at]) => [at, there.get(each)])), ends]) {
    agree(base, other, low, high, found);
    if (high !== ends) found.set(...high);
    low = high.map((one) => one + 1);
  }
  return found;
}

/** Match what agrees from both ends of a gap. */
function agree(base, other, [one, two], [oneEnd, twoEnd], found) {
  while (one < oneEnd && two < twoEnd && base[one] === other[two]) found.set(one++, two++);
  while (one < oneEnd && two < twoEnd && base[oneEnd - 1] === other[twoEnd - 1]) {
    found.set(--oneEnd, --twoEnd);
  }
}

/** Where those stand that stand there once, in order. */
function once(texts) {
  const at = new Map();
  texts.forEach((each, number) => at.set(each, at.has(each) ? -1 : number));
  return new Map([...at].filter(([, number]) => number >= 0));
}

/** The longest row of pairs that rises in both numbers; the pairs rise in their first. */
function rising(pairs) {
  const tails = []; // which pair ends a row of each length with the smallest second number
  const before = [];
  pairs.forEach(([, second], number) => {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (pairs[tails[middle]][1] < second) low = middle + 1;
      else high = middle;
    }
    before.push(low ? tails[low - 1] : -1);
    tails[low] = number;
  });
  const row = [];
  for (let number = tails.at(-1) ?? -1; number >= 0; number = before[number]) {
    row.unshift(pairs[number]);
  }
  return row;
}
