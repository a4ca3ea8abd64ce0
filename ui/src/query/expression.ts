// Expressions as the field that takes them needs them.

import type { Labels } from "../api/live.svelte";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400] as const;
const BESIDE = 90; // pixels of a chart that are not its plot
const POINTS_MAX = 2000;

// A round step that gives about a point for each pixel, no more.
export function stepFor(span: number, width: number): number {
  const points = Math.min(POINTS_MAX, Math.max(120, width - BESIDE));
  return STEPS.find((step) => span / step <= points) ?? Math.ceil(span / points / 86400) * 86400;
}

export interface Word {
  from: number;
  to: number;
  text: string;
}

// The name that ends at the caret, where a metric or a function can stand: not in a text, not
// among labels, not in a range, not in a comment.
export function wordAt(text: string, caret: number): Word | null {
  let quote = "";
  let braces = 0;
  let brackets = 0;
  let comment = false;
  for (let i = 0; i < caret; i++) {
    const c = text[i] ?? "";
    if (comment) comment = c !== "\n";
    else if (quote) {
      if (c === "\\" && quote !== "`") i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "'" || c === "`") quote = c;
    else if (c === "#") comment = true;
    else if (c === "{") braces++;
    else if (c === "}") braces--;
    else if (c === "[") brackets++;
    else if (c === "]") brackets--;
  }
  if (quote || comment || braces > 0 || brackets > 0) return null;
  const before = /[A-Za-z_:][\w:]*$/.exec(text.slice(0, caret));
  if (!before || /[\w.]$/.test(text.slice(0, before.index))) return null;
  const after = /^[\w:]*/.exec(text.slice(caret))?.[0] ?? "";
  return { from: before.index, to: caret + after.length, text: before[0] };
}

export interface Place {
  line: string; // the line of the expression
  before: string; // what stands before the place in it
  at: number; // index in the whole expression
}

// Where the server's message ("1:16: parse error: ...") points, whose columns count bytes from 1.
export function placeOf(message: string, expression: string): Place | null {
  const found = /(?:^|: )(\d+):(\d+): parse error/.exec(message);
  if (!found) return null;
  const lines = expression.split("\n");
  const row = Number(found[1]) - 1;
  const line = lines[row];
  if (line === undefined) return null;
  const bytes = new TextEncoder().encode(line).slice(0, Math.max(0, Number(found[2]) - 1));
  const before = new TextDecoder().decode(bytes);
  return { line, before, at: lines.slice(0, row).reduce((sum, one) => sum + one.length + 1, 0) + before.length };
}

// The message without the parameter's name and the place, which the page shows itself.
export function messageOf(message: string): string {
  return message.replace(/^invalid parameter "query": /, "").replace(/^\d+:\d+: /, "");
}

export function seriesText(labels: Labels): string {
  const pairs = Object.entries(labels).filter(([name]) => name !== "__name__").map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const name = labels["__name__"] ?? "";
  return pairs.length ? `${name}{${pairs.join(", ")}}` : name || "{}";
}
