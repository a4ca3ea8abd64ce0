// What time the page shows: a live window that ends now, or a fixed one. All of it is in the URL,
// so that a link shows the same and the browser's Back undoes a zoom.

import { formatRange, parseTime } from "./time";
import { onUrl, writeUrl } from "./url";

export const QUICK: readonly { label: string; span: number; title: string }[] = [
  { label: "5m", span: 300, title: "Last 5 minutes" },
  { label: "15m", span: 900, title: "Last 15 minutes" },
  { label: "1h", span: 3600, title: "Last hour" },
  { label: "6h", span: 21600, title: "Last 6 hours" },
  { label: "24h", span: 86400, title: "Last 24 hours" },
  { label: "7d", span: 604800, title: "Last 7 days" },
];

const STEPS = [1, 5, 15, 60, 300, 900, 3600] as const;
const POINTS_MAX = 960;
const SPAN_MIN = 10;
const SPAN_DEFAULT = 300;

export type Zone = "browser" | "utc";

interface Window {
  live: boolean;
  span: number; // seconds
  from: number; // seconds since 1970, fixed windows only
  to: number;
}

export function stepOf(span: number): number {
  for (const step of STEPS) if (span / step <= POINTS_MAX) return step;
  return Math.ceil(span / POINTS_MAX / 3600) * 3600;
}

class Range {
  window = $state.raw<Window>({ live: true, span: 300, from: 0, to: 0 });
  zone = $state<Zone>("browser");
  step = $derived(stepOf(this.window.span));

  constructor() {
    this.readUrl();
    window.addEventListener("popstate", () => this.readUrl());
    onUrl((query) => this.put(query));
  }

  get utc(): boolean {
    return this.zone === "utc";
  }

  get label(): string {
    const quick = QUICK.find((q) => q.span === this.window.span);
    if (this.window.live) return quick ? quick.label : formatRange(this.window.span);
    return "fixed";
  }

  setLive(span: number): void {
    this.window = { live: true, span, from: 0, to: 0 };
    writeUrl({ sonde: true });
  }

  // A window of at least ten seconds, aligned to whole seconds.
  setFixed(from: number, to: number): void {
    let low = Math.floor(Math.min(from, to));
    let high = Math.ceil(Math.max(from, to));
    if (high - low < SPAN_MIN) {
      const middle = (low + high) / 2;
      low = Math.floor(middle - SPAN_MIN / 2);
      high = low + SPAN_MIN;
    }
    this.window = { live: false, span: high - low, from: low, to: high };
    writeUrl({ sonde: true });
  }

  back(): void {
    if (history.state && (history.state as { sonde?: boolean }).sonde) history.back();
    else this.setLive(SPAN_DEFAULT);
  }

  // Moves a fixed window by a part of its span, or freezes the live one and moves it.
  shift(part: number): void {
    const { from, to } = this.bounds(Date.now() / 1000);
    const by = (to - from) * part;
    this.setFixed(from + by, to + by);
  }

  zoomOut(): void {
    const { from, to } = this.bounds(Date.now() / 1000);
    const half = (to - from) / 2;
    if (this.window.live) this.setLive(Math.min((to - from) * 2, 604800));
    else this.setFixed(from - half, Math.min(to + half, Date.now() / 1000));
  }

  bounds(now: number): { from: number; to: number } {
    if (!this.window.live) return { from: this.window.from, to: this.window.to };
    return { from: now - this.window.span, to: now };
  }

  setZone(zone: Zone): void {
    this.zone = zone;
    writeUrl({ sonde: true }, true);
  }

  private readUrl(): void {
    const query = new URLSearchParams(location.search);
    this.zone = query.get("tz") === "utc" ? "utc" : "browser";
    const now = Date.now();
    const from = query.get("from");
    const to = query.get("to");
    if (from && to) {
      const low = parseTime(from, now, this.utc);
      const high = parseTime(to, now, this.utc);
      if (low !== null && high !== null && high > low) {
        const [first, last] = [Math.floor(low / 1000), Math.ceil(high / 1000)];
        this.window = { live: false, span: last - first, from: first, to: last };
        return;
      }
    }
    const quick = QUICK.find((q) => q.label === query.get("range"));
    const typed = /^(\d{1,7})s$/.exec(query.get("range") ?? "");
    const span = quick?.span ?? (typed ? Math.max(SPAN_MIN, Number(typed[1])) : 300);
    this.window = { live: true, span: Math.min(span, 2592000), from: 0, to: 0 };
  }

  private put(query: URLSearchParams): void {
    const quick = QUICK.find((q) => q.span === this.window.span);
    if (!this.window.live) {
      query.set("from", new Date(this.window.from * 1000).toISOString().replace(".000", ""));
      query.set("to", new Date(this.window.to * 1000).toISOString().replace(".000", ""));
    } else if (this.window.span !== SPAN_DEFAULT) query.set("range", quick ? quick.label : `${this.window.span}s`);
    if (this.utc) query.set("tz", "utc");
  }
}

export const range = new Range();
