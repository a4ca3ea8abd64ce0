// One query's points over the page's window: from the live socket while the window is live, from a
// range query when it is fixed. The last good points stay when something fails.

import { live, type Labels } from "../api/live.svelte";
import { type Frame, FrameKind } from "../api/frame";
import { queryRange } from "../api/prometheus";

export type Cell = number | null;

export interface Series {
  labels: Labels;
  values: Cell[]; // on the feed's grid
}

export type FeedStatus = "waiting" | "ready" | "empty" | "error";

export interface Grid {
  start: number; // seconds, of the first point
  step: number; // seconds
  points: number;
}

const cell = (v: number | undefined): Cell => (v === undefined || Number.isNaN(v) ? null : v);

export class Feed {
  version = $state(0); // moves when anything below has changed
  status: FeedStatus = "waiting";
  message = "";
  grid: Grid = { start: 0, step: 1, points: 0 };
  series: Series[] = [];
  private stop: (() => void) | null = null;
  private capacity = 1;
  private frames = 0;

  constructor(readonly query: (step: number) => string) {}

  get end(): number {
    return this.grid.points ? this.grid.start + (this.grid.points - 1) * this.grid.step : 0;
  }

  follow(step: number, points: number): void {
    this.close();
    this.capacity = points;
    this.frames = 0;
    this.stop = live.subscribe(this.query(step), step, points, {
      labels: (labels, append) => this.takeLabels(labels, append),
      frame: (frame) => this.takeFrame(frame),
      error: (text) => this.fail(text),
    });
  }

  load(from: number, to: number, step: number): void {
    this.close();
    const abort = new AbortController();
    this.stop = () => abort.abort();
    const start = Math.ceil(from / step) * step;
    const end = Math.floor(to / step) * step;
    const points = Math.max(1, Math.round((end - start) / step) + 1);
    queryRange(this.query(step), start, end, step, abort.signal).then(
      (result) => {
        this.grid = { start, step, points };
        this.series = result.map((one) => {
          const values = new Array<Cell>(points).fill(null);
          for (const [t, v] of one.values ?? []) {
            const at = Math.round((t - start) / step);
            const number = Number(v.replace("Inf", "Infinity"));
            if (at >= 0 && at < points) values[at] = cell(number);
          }
          return { labels: one.metric, values };
        });
        this.settle();
      },
      (error: unknown) => {
        if (!abort.signal.aborted) this.fail(error instanceof Error ? error.message : String(error));
      },
    );
  }

  close(): void {
    this.stop?.();
    this.stop = null;
  }

  // The values of a series on another grid of the same step.
  on(grid: Grid, series: Series): Cell[] {
    if (grid.step !== this.grid.step) return new Array<Cell>(grid.points).fill(null);
    const shift = Math.round((grid.start - this.grid.start) / grid.step);
    if (shift === 0 && series.values.length === grid.points) return series.values;
    const out = new Array<Cell>(grid.points);
    for (let i = 0; i < grid.points; i++) out[i] = series.values[i + shift] ?? null;
    return out;
  }

  private takeLabels(labels: Labels[], append: boolean): void {
    const kept = append ? this.series.length : 0;
    const points = this.grid.points;
    this.series = labels.map((one, i) => {
      const old = i < kept ? this.series[i] : undefined;
      return old ? { labels: one, values: old.values } : { labels: one, values: new Array<Cell>(points).fill(null) };
    });
  }

  private takeFrame(frame: Frame): void {
    const step = frame.step / 1000;
    const start = frame.start / 1000;
    const { values, points } = frame;
    if (frame.kind === FrameKind.snapshot) {
      this.grid = { start, step, points };
      this.series.forEach((one, s) => {
        const column = new Array<Cell>(points).fill(null);
        if (s < frame.series) for (let i = 0; i < points; i++) column[i] = cell(values[s * points + i]);
        one.values = column;
      });
    } else this.merge(frame, start, step);
    this.frames++;
    this.settle();
  }

  private merge(frame: Frame, start: number, step: number): void {
    if (this.grid.points === 0 || this.grid.step !== step) return;
    const first = Math.round((start - this.grid.start) / step);
    const grow = first + frame.points - this.grid.points;
    const points = this.grid.points + Math.max(0, grow);
    const cut = Math.max(0, points - this.capacity);
    this.series.forEach((one, s) => {
      const column = one.values.slice();
      while (column.length < points) column.push(null);
      if (s < frame.series)
        for (let i = 0; i < frame.points; i++)
          if (first + i >= 0) column[first + i] = cell(frame.values[s * frame.points + i]);
      one.values = cut ? column.slice(cut) : column;
    });
    this.grid = { start: this.grid.start + cut * step, step, points: points - cut };
  }

  private settle(): void {
    const any = this.series.some((one) => one.values.some((v) => v !== null));
    this.status = any ? "ready" : "empty";
    this.message = "";
    this.version++;
  }

  private fail(text: string): void {
    this.status = "error";
    this.message = text;
    this.version++;
  }
}

export function lastOf(values: readonly Cell[]): Cell {
  for (let i = values.length - 1; i >= 0; i--) {
    const v = values[i];
    if (v !== null && v !== undefined) return v;
  }
  return null;
}
