// The list of incidents and the one that is looked at, read again every few seconds while somebody
// looks.

import { who } from "../api/alerting";
import type { Incident, IncidentFull } from "../api/incidents";
import { call } from "../api/sonde";
import { Poll } from "./poll";

const EVERY_MS = 3000;
const SPAN_S = 30 * 86400;

export class Incidents {
  list = $state.raw<Incident[] | null>(null);
  full = $state.raw<IncidentFull | null>(null);
  error = $state("");
  failure = $state("");
  private wanted = 0;
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

  look(id: number): void {
    if (this.wanted !== id) this.full = null;
    this.wanted = id;
    this.poll.again();
  }

  again(): void {
    this.poll.again();
  }

  note(id: number, text: string): Promise<boolean> {
    return this.change(`incidents/${id}/notes`, { who: who.get() || "anonymous", text });
  }

  end(id: number): Promise<boolean> {
    return this.change(`incidents/${id}/close`, { who: who.get() || "anonymous" });
  }

  private async change(path: string, body: object): Promise<boolean> {
    try {
      await call("POST", path, this.stop.signal, body);
      this.failure = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = error instanceof Error ? error.message : String(error);
      return false;
    }
    this.again();
    return true;
  }

  private async read(signal: AbortSignal): Promise<void> {
    try {
      const since = Math.floor(Date.now() / 1000) - SPAN_S;
      this.list = await call<Incident[]>("GET", `incidents?start=${since}&limit=100`, signal);
      const { wanted } = this;
      if (wanted) {
        const full = await call<IncidentFull>("GET", `incidents/${wanted}`, signal);
        if (this.wanted === wanted) this.full = full;
      }
      this.error = "";
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }
}
