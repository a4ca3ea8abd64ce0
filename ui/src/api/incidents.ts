// Failures in their context, as GET /api/incidents has them.

import type { Labels } from "./live.svelte";

export interface Incident {
  id: number;
  state: "open" | "closed";
  opened_ms: number;
  closed_ms: number | null; // null: not yet
  title: string;
  summary: string; // one sentence: why
  severity: string;
  alerts_n: number;
  firing_n: number;
  merged_into: number | null;
  labels: Labels;
}

export interface Moved {
  metric: Labels;
  before: number;
  after: number;
  score: number;
  rate: boolean;
  text: string;
}

export interface Entry {
  time_ms: number;
  end_ms: number | null;
  kind: string;
  title: string;
  text: string;
  source: string;
  labels: Labels;
}

export interface IncidentFull extends Incident {
  before_ms: number; // where the timeline begins
  alerts: { title: string; severity: string; starts_ms: number; ends_ms: number | null; labels: Labels }[];
  moved: Moved[];
  timeline: Entry[];
}

// The selector of a series, for the query view.
export function selectorOf(metric: Labels): string {
  const { __name__: name = "", ...rest } = metric;
  const parts = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `${name}${parts.length ? `{${parts.join(",")}}` : ""}`;
}
