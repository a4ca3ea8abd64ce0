// The list of incidents and the one that is looked at.

import { who } from "../api/alerting";
import type { Incident, IncidentFull } from "../api/incidents";
import { call } from "../api/sonde";
import { Watched } from "./watched.svelte";

const EVERY_MS = 3000;
const SPAN_S = 30 * 86400;

export class Incidents extends Watched {
  list = $state.raw<Incident[] | null>(null);
  full = $state.raw<IncidentFull | null>(null);
  private wanted = 0;

  constructor() {
    super([EVERY_MS, (signal) => this.read(signal)]);
  }

  look(id: number): void {
    if (this.wanted !== id) this.full = null;
    this.wanted = id;
    this.again();
  }

  note(id: number, text: string): Promise<boolean> {
    return this.change((signal) => call("POST", `incidents/${id}/notes`, signal, { who: who.get() || "anonymous", text }));
  }

  end(id: number): Promise<boolean> {
    return this.change((signal) => call("POST", `incidents/${id}/close`, signal, { who: who.get() || "anonymous" }));
  }

  private async read(signal: AbortSignal): Promise<void> {
    const since = Math.floor(Date.now() / 1000) - SPAN_S;
    this.list = await call<Incident[]>("GET", `incidents?start=${since}&limit=100`, signal);
    const { wanted } = this;
    if (!wanted) return;
    const full = await call<IncidentFull>("GET", `incidents/${wanted}`, signal);
    if (this.wanted === wanted) this.full = full;
  }
}
