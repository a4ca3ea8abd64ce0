// The checks of components, and the history of the one that is opened.

import type { Check, CheckChange } from "../api/checks";
import { call } from "../api/sonde";
import { Watched } from "./watched.svelte";

const EVERY_MS = 3000;

export class Checks extends Watched {
  list = $state.raw<Check[] | null>(null);
  history = $state.raw<CheckChange[] | null>(null); // of the one that is opened
  running = $state(""); // the one that is made now
  private opened = "";

  constructor() {
    super([EVERY_MS, (signal) => this.read(signal)]);
  }

  look(name: string): void {
    this.opened = name;
    this.history = null;
    this.again();
  }

  async run(name: string): Promise<void> {
    this.running = name;
    await this.change((signal) => call("POST", `checks/${encodeURIComponent(name)}/run`, signal));
    this.running = "";
  }

  private async read(signal: AbortSignal): Promise<void> {
    this.list = await call<Check[]>("GET", "checks", signal);
    const { opened } = this;
    if (!opened) return;
    const history = await call<CheckChange[]>("GET", `checks/${encodeURIComponent(opened)}/history?limit=50`, signal);
    if (opened === this.opened) this.history = history;
  }
}
