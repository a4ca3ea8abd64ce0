// Range queries over the Prometheus API, a few at a time.

import type { Labels } from "./live.svelte";

export interface RangeSeries {
  metric: Labels;
  values: [number, string][];
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

interface Answer {
  status: "success" | "error";
  error?: string;
  data?: { resultType: string; result: RangeSeries[] };
}

export async function queryRange(
  query: string, from: number, to: number, step: number, signal: AbortSignal,
): Promise<RangeSeries[]> {
  await slot();
  try {
    signal.throwIfAborted();
    const body = new URLSearchParams({ query, start: String(from), end: String(to), step: String(step) });
    const response = await fetch("/api/v1/query_range", { method: "POST", body, signal });
    const answer = (await response.json()) as Answer;
    if (answer.status !== "success" || !answer.data)
      throw new Error(answer.error ?? `the server answered ${response.status}`);
    return answer.data.result;
  } finally {
    leave();
  }
}
