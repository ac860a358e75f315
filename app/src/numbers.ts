/** Numbers as people read them, from their decimal logarithm (a double could not hold 1e-600). */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** 10^log with three digits: 0.00625, 54, 1.64e-15. */
export function fromLog(log: number, digits = 3): string {
  if (log > -4 && log < 5) return plain(10 ** log, digits);
  let exponent = Math.floor(log);
  let mantissa = (10 ** (log - exponent)).toPrecision(digits);
  if (mantissa.startsWith("10")) {
    exponent += 1;
    mantissa = (1).toPrecision(digits);
  }
  return `${mantissa}e${exponent}`;
}

export function plain(value: number, digits = 3): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(digits - 1);
  const rounded = Number(value.toPrecision(digits));
  return Math.abs(rounded) >= 1000 ? Math.round(rounded).toLocaleString("en-US") : String(rounded);
}

/** A factor from its logarithm: ×1,020, ÷54. */
export function factor(log: number): string {
  return `${log < 0 ? "÷" : "×"}${fromLog(Math.abs(log), 2)}`;
}

/** The label of a whole decade: 1, 10, 10⁻⁵. */
export function decade(exponent: number): string {
  if (exponent === 0) return "1";
  if (exponent === 1) return "10";
  const raised = [...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]).join("");
  return `10${exponent < 0 ? "⁻" : ""}${raised}`;
}

/** Whole decades between two logarithms, at most `most` of them. */
export function decades(low: number, high: number, most: number): number[] {
  const wanted = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.max(0, Math.floor(Math.log10(wanted)));
  const step = [1, 2, 5, 10].map((multiple) => multiple * power).find((candidate) => candidate >= wanted) ?? 10 * power;
  const ticks: number[] = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) ticks.push(tick);
  return ticks;
}
