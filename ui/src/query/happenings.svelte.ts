// What happened in the window of the page: deployments, changes, notes, restarts, changes of health.
// One list for all charts, read again every few seconds while somebody looks.

import { call, type Happening } from "../api/sonde";
import { range } from "../state/range.svelte";
import { Poll } from "./poll";

const EVERY_MS = 5000;
const LIMIT = 500;

class Happenings {
  list = $state.raw<readonly Happening[]>([]);
  error = $state("");
  private users = 0;
  private readonly poll = new Poll(EVERY_MS, (signal) => this.read(signal));

  // Who draws them opens; the last one that closes ends the reading.
  open(): void {
    if (this.users++ === 0) this.poll.open();
  }

  close(): void {
    if (--this.users === 0) this.poll.close();
  }

  again(): void {
    this.poll.again();
  }

  private async read(signal: AbortSignal): Promise<void> {
    const { from, to } = range.bounds(Date.now() / 1000);
    try {
      const query = new URLSearchParams({ start: String(Math.floor(from)), end: String(Math.ceil(to)), limit: String(LIMIT) });
      this.list = await call<Happening[]>("GET", `events?${query}`, signal);
      this.error = "";
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }
}

export const happenings = new Happenings();
