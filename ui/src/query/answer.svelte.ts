// One expression's answer: over the page's window for the graph, at its end for the table.

import { ask, type Explanation, type InstantData, type RangeData } from "../api/prometheus";
import { range } from "../state/range.svelte";
import type { Line, Model } from "../widgets/model";
import { slots } from "../widgets/colors";
import type { Cell } from "./feed.svelte";
import { seriesText, stepFor } from "./expression";

export const SERIES_MAX = 50; // lines of a graph
export const ROWS_MAX = 500; // rows of a table

const CUT = "results truncated due to limit"; // the page says it in its own words

export interface Cost {
  seconds: number; // from the question to the answer, as the page saw it
  evaluation: number | null;
  samples: number | null;
}

export class Answer {
  busy = $state(false);
  error = $state("");
  failed = $state(""); // the expression that the error is about
  warnings = $state.raw<string[]>([]);
  infos = $state.raw<string[]>([]);
  cost = $state.raw<Cost | null>(null);
  explanation = $state.raw<Explanation | null>(null);
  model = $state.raw<Model | null>(null);
  table = $state.raw<InstantData | null>(null);
  time = $state(0); // of the table, seconds
  cut = $state(false);
  histograms = $state(0); // series that no graph shows
  private stop: AbortController | null = null;

  // A refresh keeps what it cost to ask first: statistics keep the server from using its cache.
  async graph(query: string, width: number, explain: boolean, refresh: boolean): Promise<void> {
    const now = Date.now() / 1000;
    const { from, to } = range.bounds(now);
    const step = stepFor(to - from, width);
    const start = Math.ceil(from / step) * step;
    const end = Math.max(start, Math.floor(to / step) * step);
    const limit = String(SERIES_MAX + 1);
    const data = await this.run<RangeData>("query_range", { query, start: String(start), end: String(end), step: String(step), limit }, explain, refresh);
    if (!data) return;
    const grid = { start, step, points: Math.round((end - start) / step) + 1 };
    const drawn = data.result.filter((one) => one.values?.length);
    this.histograms = data.result.filter((one) => one.histograms?.length).length;
    this.cut = data.result.length > SERIES_MAX;
    const kept = drawn.slice(0, SERIES_MAX);
    const names = kept.map((one) => seriesText(one.metric));
    const slot = slots(names);
    const uses = new Map<number, number>();
    const lines = kept.map((one, i): Line => {
      const values = new Array<Cell>(grid.points).fill(null);
      for (const [t, v] of one.values ?? []) {
        const at = Math.round((t - start) / step);
        const number = Number(v.replace("Inf", "Infinity"));
        if (at >= 0 && at < grid.points && Number.isFinite(number)) values[at] = number;
      }
      const name = names[i] ?? "";
      const base = slot.get(name) ?? 0;
      const before = uses.get(base) ?? 0;
      uses.set(base, before + 1);
      return { name, slot: base + 8 * before, values };
    });
    this.table = null;
    this.model = { grid, lines, status: lines.some((line) => line.values.some((v) => v !== null)) ? "ready" : "empty", message: "" };
  }

  async instant(query: string, explain: boolean, refresh: boolean): Promise<void> {
    const time = range.bounds(Date.now() / 1000).to;
    const limit = String(ROWS_MAX + 1);
    const data = await this.run<InstantData>("query", { query, time: time.toFixed(3), limit }, explain, refresh);
    if (!data) return;
    const many = data.resultType === "vector" || data.resultType === "matrix";
    this.cut = many && data.result.length > ROWS_MAX;
    this.histograms = 0;
    this.model = null;
    this.table = data;
    this.time = time;
  }

  clear(): void {
    this.close();
    this.error = "";
    this.warnings = this.infos = [];
    this.cost = this.explanation = this.model = this.table = null;
    this.cut = false;
    this.histograms = 0;
  }

  close(): void {
    this.stop?.abort();
    this.stop = null;
    this.busy = false;
  }

  private async run<T extends RangeData | InstantData>(path: string, parameters: Record<string, string>, explain: boolean, refresh: boolean): Promise<T | null> {
    this.stop?.abort();
    const stop = new AbortController();
    this.stop = stop;
    this.busy = true;
    const began = performance.now();
    const query = parameters["query"] ?? "";
    try {
      const more: Record<string, string> = refresh ? {} : explain ? { stats: "true", explain: "true" } : { stats: "true" };
      const answer = await ask<T>(path, { ...parameters, ...more }, stop.signal);
      if (stop.signal.aborted) return null;
      this.error = "";
      this.warnings = answer.warnings.filter((text) => text !== CUT);
      this.infos = answer.infos;
      if (!refresh) {
        const stats = answer.data.stats;
        this.cost = { seconds: (performance.now() - began) / 1000, evaluation: stats?.timings.execTotalTime ?? null,
          samples: stats?.samples.totalQueryableSamples ?? null };
        this.explanation = answer.data.explain ?? null;
      }
      return answer.data;
    } catch (error) {
      if (stop.signal.aborted) return null;
      this.error = error instanceof Error ? error.message : String(error);
      this.failed = query;
      // A refresh that fails leaves what was drawn last.
      if (!refresh) {
        this.model = this.table = this.cost = this.explanation = null;
        this.warnings = this.infos = [];
        this.cut = false;
      }
      return null;
    } finally {
      if (this.stop === stop) this.busy = false;
    }
  }
}
