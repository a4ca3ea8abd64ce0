// Applications that link libsonde, as docs/api.md and the pages libsonde-*.md of the manual have them.

export interface App {
  service: string;
  instance: string;
  release: string;
  environment: string;
  language: string;
  library: string;
  pid: number;
  state: "connected" | "gone";
  since: string;
  ended: string | null;
  end: string;
  series: number;
  samples: number;
  spans: number;
  logs: number;
  errors: number;
  problem: string;
}

// What a service and an operation have in common; milliseconds are null where nothing has ended yet.
export interface Figures {
  service: string;
  count: number;
  errors: number;
  abandoned: number;
  recovered: number;
  active: number;
  error_rate: number;
  error_rate_60s: number;
  rate_1s: number;
  rate_10s: number;
  rate_60s: number;
  min_ms: number | null;
  mean_ms: number | null;
  max_ms: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  uptime_s: number;
  last_time_ms: number | null;
  last_error_time_ms: number | null;
  last_error: string;
}

export interface Service extends Figures {
  application: string;
  instance: string;
  operations: number;
}

export interface Operation extends Figures {
  operation: string;
}

export interface Call {
  service: string;
  operation: string;
  time_ms: number;
  duration_ms?: number;
  age_ms?: number;
  outcome?: string;
}

export interface Unanswered {
  application: string;
  instance: string;
  error: string;
}

export interface Services {
  services: Service[];
  unanswered: Unanswered[];
}

export interface InstanceOf<T> {
  instances: (T & { application: string; instance: string })[];
  unanswered: Unanswered[];
}

// The parts of an application that are commands of its own, shown as they come.
export const PARTS = [
  { command: "caches", title: "Caches" },
  { command: "memory", title: "Memory" },
  { command: "frames", title: "Frames" },
  { command: "health", title: "Health" },
  { command: "alarms", title: "Alarms" },
  { command: "captured", title: "Errors" },
  { command: "active", title: "Active now" },
  { command: "slowest 20", title: "Slowest" },
  { command: "info", title: "Program" },
] as const;

export const appName = (app: { service: string; instance: string }): string => (app.service ? `${app.service} (${app.instance})` : app.instance);

// 0.0123 ms, 12.3 ms, 4.56 s
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1) return `${(ms * 1000).toPrecision(3)} µs`;
  if (ms < 1000) return `${ms.toPrecision(3)} ms`;
  return `${(ms / 1000).toPrecision(3)} s`;
}

export function perSecond(rate: number): string {
  return rate === 0 ? "0" : rate < 10 ? rate.toPrecision(2) : Math.round(rate).toLocaleString("en");
}

export function share(part: number): string {
  return part === 0 ? "0" : part < 0.001 ? "<0.1 %" : `${(part * 100).toPrecision(2)} %`;
}

// One service with all programs that offer it; rates add up, shares are weighted by the calls.
export interface Whole {
  service: string;
  operations: number;
  instances: Service[];
  count: number;
  errors: number;
  active: number;
  rate: number;
  errorRate: number;
  mean: number | null;
  p95: number | null; // the worst of the programs
  max: number | null;
  last: number;
}

const worst = (list: (number | null)[]): number | null => {
  const known = list.filter((one) => one !== null);
  return known.length ? Math.max(...known) : null;
};

export function sumUp(services: readonly Service[]): Whole[] {
  const byName = new Map<string, Service[]>();
  for (const one of services) byName.set(one.service, [...(byName.get(one.service) ?? []), one]);
  return [...byName].sort(([a], [b]) => a.localeCompare(b)).map(([service, instances]) => {
    const sum = (f: (one: Service) => number): number => instances.reduce((n, one) => n + f(one), 0);
    const rate = sum((one) => one.rate_10s);
    const ended = sum((one) => (one.mean_ms === null ? 0 : one.count));
    return {
      service, instances, rate,
      operations: Math.max(...instances.map((one) => one.operations)),
      count: sum((one) => one.count),
      errors: sum((one) => one.errors),
      active: sum((one) => one.active),
      errorRate: rate > 0 ? sum((one) => one.error_rate_60s * one.rate_10s) / rate : Math.max(...instances.map((one) => one.error_rate_60s)),
      mean: ended > 0 ? sum((one) => (one.mean_ms ?? 0) * one.count) / ended : null,
      p95: worst(instances.map((one) => one.p95_ms)),
      max: worst(instances.map((one) => one.max_ms)),
      last: Math.max(...instances.map((one) => one.last_time_ms ?? 0)),
    };
  });
}

// ---- any answer as tables: what is one value, and lists of objects

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Table {
  title: string;
  columns: string[];
  rows: string[][];
}

const WIDE = 8; // columns

export interface Shown {
  pairs: [string, string][];
  tables: Table[];
}

const isObject = (v: Json): v is { [key: string]: Json } => typeof v === "object" && v !== null && !Array.isArray(v);

export function cell(key: string, v: Json): string {
  if (v === null) return "–";
  if (typeof v === "boolean") return v ? "yes" : "no";
  if (typeof v === "number") {
    if (/(^|_)time_ms$|^started_ms$/.test(key) && v > 1e11) return new Date(v).toLocaleString();
    if (/_ms$/.test(key)) return duration(v);
    if (/bytes/.test(key)) return bytesText(v);
    if (/rate(\.|_60s$|$)/.test(key) && v >= 0 && v <= 1) return share(v);
    return Number.isInteger(v) ? v.toLocaleString("en") : v.toPrecision(4);
  }
  if (typeof v === "string") return v;
  return JSON.stringify(v);
}

function bytesText(v: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0, left = Math.abs(v);
  while (left >= 1024 && at + 1 < units.length) {
    left /= 1024;
    at++;
  }
  return `${v < 0 ? "-" : ""}${at === 0 ? left : left.toPrecision(3)} ${units[at]}`;
}

// An object in a row becomes columns of its own: hit_rate.hour.
function flat(row: { [key: string]: Json }, before = ""): [string, string][] {
  return Object.entries(row).flatMap(([key, v]) =>
    isObject(v) ? flat(v, `${before}${key}.`) : Array.isArray(v) && v.length === 0 ? [] : [[before + key, cell(before + key, v)] as [string, string]]);
}

export function shown(answer: Json, title = ""): Shown {
  const out: Shown = { pairs: [], tables: [] };
  if (!isObject(answer)) return { pairs: [[title || "answer", cell(title, answer)]], tables: [] };
  for (const [key, v] of Object.entries(answer)) {
    const name = title ? `${title}.${key}` : key;
    if (Array.isArray(v) && v.length > 0 && v.every(isObject)) {
      const rows = v.map((one) => new Map(flat(one as { [key: string]: Json })));
      const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
      if (rows.length === 1 && columns.length > WIDE) { // one row that would not fit
        out.pairs.push(...columns.map((one) => [`${name}.${one}`, rows[0]?.get(one) ?? ""] as [string, string]));
        continue;
      }
      out.tables.push({ title: name, columns, rows: rows.map((row) => columns.map((one) => row.get(one) ?? "")) });
    } else if (isObject(v)) {
      const inner = shown(v, name);
      out.pairs.push(...inner.pairs);
      out.tables.push(...inner.tables);
    } else {
      out.pairs.push([name, Array.isArray(v) && v.length === 0 ? "none" : cell(key, v)]);
    }
  }
  return out;
}

// Errors of one kind, the newest first: how many of them are in the list, and when the last was.
export interface Alike {
  newest: Captured;
  n: number;
}

export function alike(errors: readonly Captured[]): Alike[] {
  const found = new Map<string, Alike>();
  for (const one of errors) {
    const key = JSON.stringify([one.title, one.level, one.service, one.release]);
    const known = found.get(key);
    if (known) known.n++;
    else found.set(key, { newest: one, n: 1 });
  }
  return [...found.values()];
}

// An error as the daemon's list has it.
export interface Captured {
  time: string;
  title: string;
  level: string;
  service: string;
  release: string;
  event_id: string;
}
