// Numbers with three significant digits and a unit.

export type Unit = "percent" | "bytes" | "byterate" | "count" | "rate" | "seconds" | "celsius" | "rpm" | "watts" | "hertz" | "number";

const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;
const SI = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"] as const;
const HERTZ = ["Hz", "kHz", "MHz", "GHz"] as const;
const COUNT = ["", "k", "M", "G", "T"] as const;

export function digits(v: number): string {
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 100) return v.toFixed(0);
  if (size >= 10) return v.toFixed(1);
  if (size >= 0.01) return v.toFixed(2);
  return v.toPrecision(2);
}

function scaled(v: number, base: number, names: readonly string[]): string {
  let i = 0;
  let x = v;
  while (Math.abs(x) >= base * 0.9995 && i < names.length - 1) {
    x /= base;
    i++;
  }
  const text = i === 0 && Number.isInteger(x) ? String(x) : digits(x);
  return names[i] ? `${text} ${names[i]}` : text;
}

export function duration(s: number): string {
  const size = Math.abs(s);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${digits(s * 1e9)} ns`;
  if (size < 1e-3) return `${digits(s * 1e6)} µs`;
  if (size < 1) return `${digits(s * 1e3)} ms`;
  if (size < 120) return `${digits(s)} s`;
  const days = Math.floor(size / 86400);
  const hours = Math.floor((size % 86400) / 3600);
  const minutes = Math.floor((size % 3600) / 60);
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return `${minutes} min`;
}

export function show(v: number | null | undefined, unit: Unit): string {
  if (v === null || v === undefined || Number.isNaN(v)) return "–";
  switch (unit) {
    case "percent":
      return `${Math.abs(v) >= 99.95 ? v.toFixed(0) : v.toFixed(1)} %`;
    case "bytes":
      return scaled(v, 1024, IEC);
    case "byterate":
      return scaled(Math.abs(v) < 0.5 ? 0 : v, 1000, SI);
    case "count":
      return scaled(v, 1000, COUNT);
    case "number": // any sign, and any size: an expression can give everything
      return Math.abs(v) >= 1e15 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toPrecision(3) : scaled(v, 1000, COUNT);
    case "rate":
      return `${scaled(v, 1000, COUNT)}/s`;
    case "seconds":
      return duration(v);
    case "celsius":
      return `${v.toFixed(1)} °C`;
    case "rpm":
      return `${v.toFixed(0)} rpm`;
    case "watts":
      return `${digits(v)} W`;
    case "hertz":
      return scaled(v, 1000, HERTZ);
  }
}

// As show(), but short: for the ticks of an axis.
export function tick(v: number, unit: Unit): string {
  if (unit === "percent") return `${Number(v.toFixed(2))} %`;
  if (unit === "bytes" || unit === "byterate" || unit === "count" || unit === "rate" || unit === "hertz") {
    const text = show(Math.abs(v), unit);
    return text.replace(/\.0+(?= |$)/, "").replace(/(\.\d*?[1-9])0+(?= |$)/, "$1").replace(/\.0+\b/, "");
  }
  if (unit === "celsius") return `${v.toFixed(0)} °C`;
  if (unit === "rpm") return v.toFixed(0);
  return show(v, unit);
}

// The ticks of an axis whose numbers can be anything: as many digits as tell neighbours apart.
export function ticks(values: readonly number[], unit: Unit): string[] {
  if (unit !== "number") return values.map((v) => tick(v, unit));
  const most = Math.max(0, ...values.map(Math.abs));
  const apart = Math.abs((values[1] ?? most) - (values[0] ?? 0)) || most || 1;
  if (most >= 1e15 || (most > 0 && most < 1e-3)) return values.map((v) => (v === 0 ? "0" : v.toPrecision(3)));
  let i = 0;
  while (most >= 1000 ** (i + 1) && i < COUNT.length - 1) i++;
  const step = apart / 1000 ** i;
  let places = 0;
  while (places < 9 && Math.abs(step - Number(step.toFixed(places))) > 1e-6 * step) places++;
  return values.map((v) => (v === 0 ? "0" : `${(v / 1000 ** i).toFixed(places)}${i ? ` ${COUNT[i]}` : ""}`));
}
