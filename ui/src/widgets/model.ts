// What a chart draws: lines on one grid, with the state of what they come from.

import { type Cell, type Feed, type Grid, lastOf, type Series } from "../query/feed.svelte";
import { range } from "../state/range.svelte";

export interface Line {
  name: string;
  slot: number; // colour
  values: Cell[];
  down?: boolean; // drawn below zero
  faint?: boolean; // what is left over: hardly drawn
}

export interface Model {
  grid: Grid;
  lines: Line[];
  status: "waiting" | "ready" | "empty" | "error";
  message: string;
}

// The window of the page on the grid of its feeds.
export function gridOf(feeds: readonly Feed[]): Grid {
  const window = range.window;
  const step = range.step;
  if (!window.live) {
    const start = Math.ceil(window.from / step) * step;
    const end = Math.floor(window.to / step) * step;
    return { start, step, points: Math.max(1, Math.round((end - start) / step) + 1) };
  }
  let end = 0;
  for (const feed of feeds) if (feed.grid.step === step) end = Math.max(end, feed.end);
  const points = Math.round(window.span / step) + 1;
  return { start: end - (points - 1) * step, step, points: end ? points : 0 };
}

export function build(feeds: readonly Feed[], lines: (grid: Grid) => Line[]): Model {
  for (const feed of feeds) void feed.version;
  const failed = feeds.find((feed) => feed.status === "error");
  const waiting = feeds.every((feed) => feed.status === "waiting");
  const grid = gridOf(feeds);
  const drawn = grid.points ? lines(grid) : [];
  const any = drawn.some((line) => line.values.some((v) => v !== null));
  return {
    grid,
    lines: drawn,
    status: failed ? "error" : waiting ? "waiting" : any ? "ready" : "empty",
    message: failed?.message ?? "",
  };
}

export function find(feed: Feed, labels: Record<string, string>): Series | undefined {
  return feed.series.find((one) => Object.entries(labels).every(([name, value]) => one.labels[name] === value));
}

export function combine(grid: Grid, parts: readonly (readonly Cell[])[], f: (...v: number[]) => number): Cell[] {
  const out = new Array<Cell>(grid.points).fill(null);
  for (let i = 0; i < grid.points; i++) {
    const row = parts.map((part) => part[i] ?? null);
    if (row.every((v): v is number => v !== null)) out[i] = f(...row);
  }
  return out;
}

export function lastLine(line: Line | undefined): Cell {
  return line ? lastOf(line.values) : null;
}
