// The Prometheus API: queries, a few at a time, and rules.

import type { Labels } from "./live.svelte";

export interface NativeHistogram {
  count: string;
  sum: string;
  buckets?: [number, string, string, string][];
}

export interface RangeSeries {
  metric: Labels;
  values?: [number, string][];
  histograms?: [number, NativeHistogram][];
}

export interface InstantSeries {
  metric: Labels;
  value?: [number, string];
  histogram?: [number, NativeHistogram];
}

export interface PlanNode {
  expression: string;
  kind: string;
  series?: number;
  samples?: number;
  rows?: number;
  seconds?: number;
  bytes?: number;
  used?: string[];
  nodes: PlanNode[];
}

export interface Explanation {
  estimate: { samples: number; series: number };
  tree: PlanNode;
}

interface Extras {
  stats?: { timings: { execTotalTime: number }; samples: { totalQueryableSamples: number; peakSamples: number } };
  explain?: Explanation;
}

export type RangeData = Extras & { resultType: "matrix"; result: RangeSeries[] };
export type InstantData = Extras & (
  | { resultType: "vector"; result: InstantSeries[] }
  | { resultType: "matrix"; result: RangeSeries[] }
  | { resultType: "scalar" | "string"; result: [number, string] }
);

export interface Alert {
  labels: Labels;
  annotations: Labels;
  state: string;
  activeAt: string;
  value: string;
}

export interface Rule {
  type: "alerting" | "recording";
  name: string;
  query: string;
  state?: string;
  duration?: number;
  labels?: Labels;
  annotations?: Labels;
  alerts?: Alert[];
  health: string;
  lastError?: string;
  evaluationTime: number;
  lastEvaluation: string;
}

export interface RuleGroup {
  name: string;
  file: string;
  interval: number;
  rules: Rule[];
  evaluationTime: number;
  lastEvaluation: string;
}

export interface Target {
  discoveredLabels: Labels;
  labels: Labels;
  scrapePool: string;
  scrapeUrl: string;
  globalUrl: string;
  lastError: string;
  lastScrape: string;
  lastScrapeDuration: number;
  health: string;
  scrapeInterval: string;
  scrapeTimeout: string;
}

export interface DroppedTarget {
  discoveredLabels: Labels;
  scrapePool: string;
}

export interface Targets {
  activeTargets: Target[];
  droppedTargets: DroppedTarget[];
  droppedTargetCounts: Record<string, number>;
}

const AT_ONCE = 4;
let running = 0;
const waiting: (() => void)[] = [];

async function slot(): Promise<void> {
  if (running < AT_ONCE) {
    running++;
    return;
  }
  await new Promise<void>((resolve) => waiting.push(resolve));
}

function leave(): void {
  const next = waiting.shift();
  if (next) next();
  else running--;
}

export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
}

// What an endpoint of /api answers; its error is thrown with the server's words.
export async function ask<T>(path: string, parameters: Record<string, string>, signal: AbortSignal): Promise<Answer<T>> {
  const body = new URLSearchParams(parameters);
  const post = path.startsWith("query");
  const query = !post && body.size ? `?${body.toString()}` : "";
  const response = await fetch(`/api/v1/${path}${query}`, post ? { method: "POST", body, signal } : { signal });
  const text = await response.text();
  let answer: Partial<Answer<T>> & { error?: string };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new Error(text.trim().slice(0, 200) || `the server answered ${response.status}`);
  }
  if (!response.ok || answer.data === undefined) throw new Error(answer.error ?? `the server answered ${response.status}`);
  return { data: answer.data, warnings: answer.warnings ?? [], infos: answer.infos ?? [] };
}

export async function queryRange(
  query: string, from: number, to: number, step: number, signal: AbortSignal,
): Promise<RangeSeries[]> {
  await slot();
  try {
    signal.throwIfAborted();
    const parameters = { query, start: String(from), end: String(to), step: String(step) };
    return (await ask<RangeData>("query_range", parameters, signal)).data.result;
  } finally {
    leave();
  }
}

// Names for the completion of an expression, shorter ones first.
export async function metricNames(part: string, signal: AbortSignal): Promise<{ name: string; type: string; help: string }[]> {
  const query = new URLSearchParams({ name: part, limit: "12" });
  const response = await fetch(`/api/metrics/search?${query.toString()}`, { signal });
  if (!response.ok) return [];
  return ((await response.json()) as { metrics: { name: string; type: string; help: string }[] }).metrics;
}
