// Times as people type and read them.

const UNITS: Record<string, number> = {
  s: 1, sec: 1, second: 1, seconds: 1,
  m: 60, min: 60, minute: 60, minutes: 60,
  h: 3600, hour: 3600, hours: 3600,
  d: 86400, day: 86400, days: 86400,
  w: 604800, week: 604800, weeks: 604800,
};

// "2h ago", "30m", "now", "yesterday 14:00", "today", "14:05", an ISO time or Unix seconds, as
// milliseconds; null where it is none of them. Times without a zone are in the page's zone.
export function parseTime(text: string, now: number, utc: boolean): number | null {
  const s = text.trim().toLowerCase();
  if (s === "" ) return null;
  if (s === "now") return now;
  const ago = /^(\d+(?:\.\d+)?)\s*([a-z]+)(?:\s+ago)?$/.exec(s);
  if (ago) {
    const unit = UNITS[ago[2] ?? ""];
    return unit === undefined ? null : now - Number(ago[1]) * unit * 1000;
  }
  const day = /^(today|yesterday)?\s*(?:(\d{1,2}):(\d{2})(?::(\d{2}))?)?$/.exec(s);
  if (day && (day[1] || day[2])) {
    const [hour, minute, second] = [Number(day[2] ?? 0), Number(day[3] ?? 0), Number(day[4] ?? 0)];
    if (hour > 23 || minute > 59 || second > 59) return null;
    const base = new Date(now);
    const shift = day[1] === "yesterday" ? 1 : 0;
    if (utc)
      return Date.UTC(base.getUTCFullYear(), base.getUTCMonth(), base.getUTCDate() - shift, hour, minute, second);
    return new Date(base.getFullYear(), base.getMonth(), base.getDate() - shift, hour, minute, second).getTime();
  }
  if (/^\d{9,11}(\.\d+)?$/.test(s)) return Number(s) * 1000;
  const iso = /^(\d{4})-(\d{2})-(\d{2})(?:[t ](\d{2}):(\d{2})(?::(\d{2})(\.\d+)?)?)?(z|[+-]\d{2}:?\d{2})?$/.exec(s);
  if (!iso) return null;
  const zone = iso[8] ? iso[8].toUpperCase() : utc ? "Z" : "";
  const normal = `${iso[1]}-${iso[2]}-${iso[3]}T${iso[4] ?? "00"}:${iso[5] ?? "00"}:${iso[6] ?? "00"}${iso[7] ?? ""}${zone}`;
  const ms = new Date(normal).getTime();
  return Number.isFinite(ms) ? ms : null;
}

export function formatRange(seconds: number): string {
  const parts: string[] = [];
  let rest = Math.round(seconds);
  for (const [name, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]] as const) {
    const n = Math.floor(rest / size);
    if (n > 0 && parts.length < 2) parts.push(`${n}${name}`);
    rest -= n * size;
  }
  return parts.join(" ") || "0s";
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(key: string, options: Intl.DateTimeFormatOptions, utc: boolean): Intl.DateTimeFormat {
  const id = key + (utc ? "u" : "b");
  let f = formats.get(id);
  if (!f) {
    f = new Intl.DateTimeFormat("en-GB", { ...options, hour12: false, timeZone: utc ? "UTC" : undefined });
    formats.set(id, f);
  }
  return f;
}

export function clockText(ms: number, utc: boolean): string {
  return format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }, utc).format(ms);
}

export function shortClock(ms: number, utc: boolean): string {
  return format("short", { hour: "2-digit", minute: "2-digit" }, utc).format(ms);
}

export function dayText(ms: number, utc: boolean): string {
  return format("day", { day: "numeric", month: "short" }, utc).format(ms);
}

// The full time with its zone, for tooltips and tables.
export function fullTime(ms: number, utc: boolean): string {
  return format("full", { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit",
    minute: "2-digit", second: "2-digit", timeZoneName: "short" }, utc).format(ms);
}

export function zoneText(utc: boolean): string {
  return utc ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}
