// The graphics cards of this machine: which there are, and the queries of their charts. A machine
// without cards has none of these queries.

import { call, type GpuCard } from "../api/sonde";
import { range } from "../state/range.svelte";
import { Feed } from "./feed.svelte";
import { own } from "./host.svelte";
import { Poll } from "./poll";

const EVERY_MS = 2000; // a card may come later than the page: its helper starts with the daemon
const named = (names: string): string => own(`__name__=~"sonde_gpu_(${names})"`);

export class Cards {
  list = $state.raw<GpuCard[]>([]);
  readonly shares = new Feed(() => named("utilization_ratio|memory_utilization_ratio|encoder_utilization_ratio|decoder_utilization_ratio"));
  readonly memory = new Feed(() => named("memory_used_bytes|memory_total_bytes"));
  readonly temperature = new Feed(() => named("temperature_celsius"));
  readonly power = new Feed(() => named("power_watts|power_limit_watts"));
  readonly clocks = new Feed(() => named("clock_hertz"));
  // What tables show: the present, or the end of a fixed window.
  readonly details = new Feed(() => named("performance_state|throttled|fan_ratio|encoder_session_.*|process_memory_bytes"));

  private readonly charts: readonly Feed[] = [this.shares, this.memory, this.temperature, this.power, this.clocks];
  private readonly poll = new Poll(EVERY_MS, async (signal) => {
    const { gpus } = await call<{ gpus: GpuCard[] }>("GET", "metrics/gpu", signal);
    const first = this.list.length === 0;
    this.list = gpus;
    if (first && gpus.length) this.follow();
  });

  open(): void {
    this.poll.open();
  }

  close(): void {
    this.poll.close();
    for (const feed of [...this.charts, this.details]) feed.close();
  }

  // Begins anew, for the window that the page shows now.
  follow(): void {
    if (this.list.length === 0) return;
    const { live: following, span, from, to } = range.window;
    const step = range.step;
    for (const feed of this.charts) {
      if (following) feed.follow(step, Math.round(span / step) + 1);
      else feed.load(from, to, step);
    }
    if (following) this.details.follow(1, 1);
    else this.details.load(to, to, 1);
  }
}
