// Alerts without PromQL, as /api/alerts/rules has them, and how one would have done.

import type { Labels } from "./live.svelte";

export const KINDS = ["threshold", "absence", "change", "rate", "forecast", "expression"] as const;
export type Kind = (typeof KINDS)[number];

export interface CustomAlert {
  name: string;
  kind: Kind;
  query: string;
  severity: string;
  enabled: boolean;
  source: "file" | "api";
  state?: string;
}

export interface Backtest {
  summary: string;
  fired: number;
  firings: { labels: Labels; start_time_ms: number; end_time_ms: number | null; peak: number | null }[];
}

// What the form holds; texts as typed.
export interface Draft {
  name: string;
  kind: Kind;
  metric: string; // or the expression
  side: "above" | "below";
  limit: string;
  clear: string; // "": none
  window: string;
  within: string;
  for: string;
  severity: string;
  summary: string;
}

export const hasLimit = (kind: Kind): boolean => kind !== "absence" && kind !== "expression";
export const hasWindow = (kind: Kind): boolean => kind === "absence" || kind === "change" || kind === "rate" || kind === "forecast";

// The body of a request: only what the kind knows and what was filled in.
export function bodyOf(draft: Draft): Record<string, unknown> {
  const body: Record<string, unknown> = { name: draft.name.trim(), kind: draft.kind, severity: draft.severity };
  body[draft.kind === "expression" ? "expr" : "metric"] = draft.metric.trim();
  if (hasLimit(draft.kind) && draft.limit.trim()) body[draft.side] = Number(draft.limit);
  if (hasLimit(draft.kind) && draft.clear.trim()) body["clear"] = Number(draft.clear);
  if (hasWindow(draft.kind) && draft.window.trim()) body["window"] = draft.window.trim();
  if (draft.kind === "forecast" && draft.within.trim()) body["within"] = draft.within.trim();
  if (draft.for.trim()) body["for"] = draft.for.trim();
  if (draft.summary.trim()) body["annotations"] = [`summary=${draft.summary.trim()}`];
  return body;
}
