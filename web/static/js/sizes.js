// Sizes as people read them: 3 significant digits.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

export function size(bytes) {
  let unit = 0;
  for (; bytes >= 1000 && unit < UNITS.length - 1; unit += 1) bytes /= 1000;
  return `${Number(bytes.toPrecision(3))} ${UNITS[unit]}`;
}
