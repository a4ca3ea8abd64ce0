// The checks of components, read again every few seconds while somebody looks.

import type { Check, CheckChange } from "../api/checks";
import { call } from "../api/sonde";
import { Poll } from "./poll";

const EVERY_MS = 3000;

export class Checks {
  list = $state.raw<Check[] | null>(null);
  history = $state.raw<CheckChange[] | null>(null); // of the one that is opened
  error = $state("");
  failure = $state("");
  running = $state(""); // the one that is made now
  private opened = "";
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
    this.poll.again();
  }

  look(name: string): void {
    this.opened = name;
    this.history = null;
    this.poll.again();
  }

  async run(name: string): Promise<void> {
    this.running = name;
    try {
      await call("POST", `checks/${encodeURIComponent(name)}/run`, this.stop.signal);
      this.failure = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = error instanceof Error ? error.message : String(error);
    }
    this.running = "";
    this.again();
  }

  private async read(signal: AbortSignal): Promise<void> {
    try {
      this.list = await call<Check[]>("GET", "checks", signal);
      const { opened } = this;
      if (opened) {
        const history = await call<CheckChange[]>("GET", `checks/${encodeURIComponent(opened)}/history?limit=50`, signal);
        if (opened === this.opened) this.history = history;
      }
      this.error = "";
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }
}
