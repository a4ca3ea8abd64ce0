// The programs that are kept running, read again every second while somebody looks; orders to them.

import { call, Refused } from "../api/sonde";
import type { Order, ProgramEvent, Supervision } from "../api/watch";
import { Poll } from "./poll";

const EVERY_MS = 1000;
const ABSENT_MS = 10000; // where no sonde-watch runs it is looked for more seldom

export class Programs {
  now = $state.raw<Supervision | null>(null);
  absent = $state(false); // no sonde-watch runs here
  error = $state("");
  failure = $state("");
  events = $state.raw<ProgramEvent[] | null>(null); // of the one that is opened
  lines = $state.raw<string[] | null>(null);
  private opened = "";
  private absentUntil = 0;
  private stop = new AbortController();
  private readonly poll = new Poll(EVERY_MS, (signal) => this.read(signal));

  open(): void {
    this.stop = new AbortController();
    this.poll.open();
  }

  close(): void {
    this.stop.abort();
    this.poll.close();
  }

  again(): void {
    this.absentUntil = 0;
    this.poll.again();
  }

  // Reads one's history and last output; "" none.
  look(unit: string): void {
    this.opened = unit;
    this.events = this.lines = null;
    if (unit) void this.readOne(unit);
  }

  async order(unit: string, order: Order): Promise<void> {
    try {
      await call("POST", `watch/${encodeURIComponent(unit)}/${order}`, this.stop.signal);
      this.failure = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = error instanceof Error ? error.message : String(error);
    }
    this.again();
  }

  private async read(signal: AbortSignal): Promise<void> {
    if (Date.now() < this.absentUntil) return;
    try {
      const answer = await call<Supervision | null>("GET", "watch", signal);
      this.absent = answer === null;
      this.absentUntil = this.absent ? Date.now() + ABSENT_MS : 0;
      this.now = answer;
      this.error = "";
      if (this.opened) await this.readOne(this.opened);
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }

  private async readOne(unit: string): Promise<void> {
    try {
      const path = `watch/${encodeURIComponent(unit)}`;
      const [events, lines] = await Promise.all([
        call<ProgramEvent[]>("GET", `${path}/history?limit=50`, this.stop.signal),
        call<{ text: string }[]>("GET", `${path}/logs?limit=100`, this.stop.signal),
      ]);
      if (this.opened !== unit) return;
      this.events = events;
      this.lines = lines.map((one) => one.text);
    } catch (error) {
      if (!this.stop.signal.aborted && error instanceof Refused) this.failure = error.message;
    }
  }
}
