// The alerts that want somebody, with the silences and receivers about them, read again every few
// seconds while somebody looks; and what people do about them.

import { act, type Act, type ActiveAlert, type Change, type Integration, type Matcher, type Silence, type Tested, who } from "../api/alerting";
import { call } from "../api/sonde";
import type { AlertPart } from "../state/view.svelte";
import { Poll } from "./poll";

const ALERTS_MS = 3000;
const REST_MS = 5000;
const HISTORY_S = 30 * 86400;

export class Alerting {
  alerts = $state.raw<ActiveAlert[] | null>(null);
  silences = $state.raw<Silence[] | null>(null);
  integrations = $state.raw<Integration[] | null>(null);
  history = $state.raw<Change[] | null>(null);
  error = $state("");
  failure = $state(""); // of what was asked for last
  private wanted: AlertPart = "now";
  private stop = new AbortController();
  private readonly polls = [
    new Poll(ALERTS_MS, (signal) => this.readAlerts(signal)),
    new Poll(REST_MS, (signal) => this.readRest(signal)),
  ] as const;

  open(): void {
    this.stop = new AbortController();
    for (const poll of this.polls) poll.open();
  }

  close(): void {
    this.stop.abort();
    for (const poll of this.polls) poll.close();
  }

  again(): void {
    for (const poll of this.polls) poll.again();
  }

  want(part: AlertPart): void {
    this.wanted = part;
    this.polls[1].again();
  }

  act(fingerprint: string, action: Act, text: string): Promise<boolean> {
    return this.change(() => act(fingerprint, action, text, this.stop.signal));
  }

  silence(matchers: Matcher[], minutes: number, comment: string): Promise<boolean> {
    const now = Date.now();
    return this.change(() => call("POST", "v2/silences", this.stop.signal, {
      matchers, comment, createdBy: who.get() || "anonymous", startsAt: new Date(now).toISOString(), endsAt: new Date(now + minutes * 60000).toISOString(),
    }));
  }

  expire(id: string): Promise<boolean> {
    return this.change(() => call("DELETE", `v2/silence/${encodeURIComponent(id)}`, this.stop.signal));
  }

  // What a silence would hide now.
  async preview(matchers: Matcher[]): Promise<ActiveAlert[]> {
    return (await call<{ alerts: ActiveAlert[] }>("POST", "silences/preview", this.stop.signal, { matchers })).alerts;
  }

  // "" where the receiver has taken it, else why not.
  async test(receiver: string, kind: string, index: number): Promise<string> {
    try {
      const all = await call<Tested[]>("POST", "notify/test", this.stop.signal, { receiver, kind });
      return all.find((one) => one.index === index)?.error ?? "";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  private async change(f: () => Promise<unknown>): Promise<boolean> {
    try {
      await f();
      this.failure = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = error instanceof Error ? error.message : String(error);
      return false;
    }
    this.again();
    return true;
  }

  private async readAlerts(signal: AbortSignal): Promise<void> {
    try {
      this.alerts = await call<ActiveAlert[]>("GET", "alerts", signal);
      this.error = "";
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }

  private async readRest(signal: AbortSignal): Promise<void> {
    try {
      this.silences = await call<Silence[]>("GET", "v2/silences", signal);
      if (this.wanted === "receivers") this.integrations = await call<Integration[]>("GET", "notify", signal);
      if (this.wanted === "history") this.history = await call<Change[]>("GET", `alerts/history?start=${Math.floor(Date.now() / 1000) - HISTORY_S}&limit=300`, signal);
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }
}
