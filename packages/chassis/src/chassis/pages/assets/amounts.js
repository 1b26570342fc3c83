// How amounts are written; the server's `chassis.pages.amounts` writes them alike.

export function number(value) {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
}

export function size(bytes) {
  if (bytes < 1000) return `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  while (value >= 999.95 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value.toFixed(1)} ${units[0]}`;
}

const WAYS = { number, size, share: (value) => `${value.toFixed(1)} %` };

// A value as a column or a tile asks for it with `data-as`.
export function shown(value, way) {
  return (WAYS[way] ?? String)(value);
}
