// The programs that are kept running, and orders to them.

import { call } from "../api/sonde";
import type { Order, ProgramEvent, Supervision } from "../api/watch";
import { Watched } from "./watched.svelte";

const EVERY_MS = 1000;
const ABSENT_MS = 10000; // where no sonde-watch runs it is looked for more seldom

export class Programs extends Watched {
  now = $state.raw<Supervision | null>(null);
  absent = $state(false); // no sonde-watch runs here
  events = $state.raw<ProgramEvent[] | null>(null); // of the one that is opened
  lines = $state.raw<string[] | null>(null);
  private opened = "";
  private absentUntil = 0;

  constructor() {
    super([EVERY_MS, (signal) => this.read(signal)]);
  }

  // Reads one's history and last output; "" none.
  look(unit: string): void {
    this.opened = unit;
    this.events = this.lines = null;
    this.again();
  }

  order(unit: string, order: Order): Promise<boolean> {
    this.absentUntil = 0;
    return this.change((signal) => call("POST", `watch/${encodeURIComponent(unit)}/${order}`, signal));
  }

  private async read(signal: AbortSignal): Promise<void> {
    if (Date.now() < this.absentUntil) return;
    this.now = await call<Supervision | null>("GET", "watch", signal);
    this.absent = this.now === null;
    this.absentUntil = this.absent ? Date.now() + ABSENT_MS : 0;
    const { opened } = this;
    if (!opened || this.absent) return;
    const path = `watch/${encodeURIComponent(opened)}`;
    const [events, lines] = await Promise.all([
      call<ProgramEvent[]>("GET", `${path}/history?limit=50`, signal),
      call<{ text: string }[]>("GET", `${path}/logs?limit=100`, signal),
    ]);
    if (this.opened !== opened) return;
    this.events = events;
    this.lines = lines.map((one) => one.text);
  }
}
