// Targets as the page lists them: filtered, in pages, by pool.

import type { DroppedTarget, Target } from "../api/prometheus";
import type { TargetState } from "../state/view.svelte";

export const PAGE_ROWS = 200;

export interface Row {
  key: string;
  pool: string;
  target: Target | null; // null: it was dropped
  discovered: Record<string, string>;
}

export interface Listing {
  rows: Row[];
  total: number; // that fit the filter
  page: number;
  pages: number;
}

// Every word of the text must be somewhere in what a row shows.
function fits(words: readonly string[], texts: readonly string[]): boolean {
  if (words.length === 0) return true;
  const all = texts.join("\n").toLowerCase();
  return words.every((word) => all.includes(word));
}

const pairs = (labels: Record<string, string>): string[] => Object.entries(labels).map(([name, value]) => `${name}=${value}`);

export function listing(active: readonly Target[], dropped: readonly DroppedTarget[], state: TargetState, text: string, page: number): Listing {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all: { pool: string; target: Target | null; discovered: Record<string, string> }[] = [];
  if (state !== "dropped")
    for (const target of active)
      if ((state === "all" || target.health === state) && fits(words, [target.scrapePool, target.scrapeUrl, target.lastError, target.health, ...pairs(target.labels)]))
        all.push({ pool: target.scrapePool, target, discovered: target.discoveredLabels });
  if (state === "dropped")
    for (const one of dropped)
      if (fits(words, [one.scrapePool, ...pairs(one.discoveredLabels)])) all.push({ pool: one.scrapePool, target: null, discovered: one.discoveredLabels });
  const pages = Math.max(1, Math.ceil(all.length / PAGE_ROWS));
  const shown = Math.min(page, pages - 1);
  // The same target may be there twice: the key then says the second time.
  const seen = new Map<string, number>();
  const rows = all.slice(shown * PAGE_ROWS, (shown + 1) * PAGE_ROWS).map((one) => {
    const text = `${one.pool}\n${one.target?.scrapeUrl ?? ""}\n${pairs(one.target?.labels ?? one.discovered).join()}`;
    const times = seen.get(text) ?? 0;
    seen.set(text, times + 1);
    return { ...one, key: times ? `${text}\n${times}` : text };
  });
  return { rows, total: all.length, page: shown, pages };
}

// Rows that stand together, by pool.
export function byPool(rows: readonly Row[]): { pool: string; rows: Row[] }[] {
  const out: { pool: string; rows: Row[] }[] = [];
  const at = new Map<string, Row[]>();
  for (const row of rows) {
    let list = at.get(row.pool);
    if (!list) {
      list = [];
      at.set(row.pool, list);
      out.push({ pool: row.pool, rows: list });
    }
    list.push(row);
  }
  return out;
}

// The addresses that are scraped on this machine, as offers name them.
export function scraped(active: readonly Target[]): Set<string> {
  const out = new Set<string>();
  for (const one of active) {
    const at = /^https?:\/\/([^/?#]+)/.exec(one.scrapeUrl)?.[1];
    if (at) out.add(at.replace(/^localhost:/, "127.0.0.1:"));
  }
  return out;
}
