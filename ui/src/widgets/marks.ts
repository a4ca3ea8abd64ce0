// Events as marks on the time axis of charts. Marks that would lie on one another become one.

import type { Happening } from "../api/sonde";

export type Level = "info" | "ok" | "warn" | "crit";

export interface Mark {
  from: number; // seconds
  to: number; // seconds; from where it is a moment
  level: Level;
  events: readonly Happening[]; // at least one, oldest first
}

const CRITICAL: ReadonlySet<string> = new Set(["crash"]);
const WARNING: ReadonlySet<string> = new Set(["restart", "checkin", "remediation"]);
const BAD: ReadonlySet<string> = new Set(["failed", "firing", "unhealthy", "critical", "missing"]);
const POOR: ReadonlySet<string> = new Set(["degraded", "late", "warning"]);
const GOOD: ReadonlySet<string> = new Set(["succeeded", "resolved", "healthy", "ok"]);
const RANK: Record<Level, number> = { info: 0, ok: 0, warn: 1, crit: 2 };

// What people did is told before what followed from it.
const FIRST: Record<string, number> = { deployment: 0, configuration: 0, note: 1, crash: 1 };

export function told(mark: Mark): readonly Happening[] {
  return [...mark.events].sort((a, b) => (FIRST[a.kind] ?? 2) - (FIRST[b.kind] ?? 2) || a.time_ms - b.time_ms);
}

export function levelOf(event: Happening): Level {
  if (BAD.has(event.status) || CRITICAL.has(event.kind)) return "crit";
  if (POOR.has(event.status)) return "warn";
  if (GOOD.has(event.status)) return "ok";
  return WARNING.has(event.kind) ? "warn" : "info";
}

// Marks within [from, to], those nearer to one another than `apart` seconds joined.
export function marksOf(events: readonly Happening[], from: number, to: number, apart: number): Mark[] {
  const sorted = events
    .map((event) => ({ event, begin: event.time_ms / 1000, end: Math.max(event.end_ms || 0, event.time_ms) / 1000 }))
    .filter((one) => one.end >= from && one.begin <= to)
    .sort((a, b) => a.begin - b.begin);
  const out: (Mark & { events: Happening[] })[] = [];
  for (const { event, begin, end } of sorted) {
    const last = out[out.length - 1];
    const level = levelOf(event);
    const moment = end - begin < apart;
    if (last && moment && last.to - last.from < apart && begin - last.from < apart) {
      last.events.push(event);
      last.to = Math.max(last.to, end);
      if (RANK[level] > RANK[last.level]) last.level = level;
    } else out.push({ from: begin, to: end, level, events: [event] });
  }
  return out;
}

// The mark nearest to a time, at most `within` seconds away; a span holds what lies inside.
export function markAt(marks: readonly Mark[], time: number, within: number): Mark | null {
  let best: Mark | null = null;
  let least = within;
  for (const mark of marks) {
    const away = time < mark.from ? mark.from - time : time > mark.to ? time - mark.to : Math.min(time - mark.from, mark.to - time, within);
    if (away <= least) {
      best = mark;
      least = away;
    }
  }
  return best;
}

// "deployment: api v1.2 was deployed", for people and screen readers.
export function wordsOf(event: Happening): string {
  return `${event.kind}: ${event.title}${event.status ? ` (${event.status})` : ""}`;
}
