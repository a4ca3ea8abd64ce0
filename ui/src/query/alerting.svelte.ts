// The alerts that want somebody, with the silences and receivers about them, and what people do
// about them.

import { act, type Act, type ActiveAlert, type Change, type Integration, type Matcher, type Silence, type Tested, who } from "../api/alerting";
import type { Backtest, CustomAlert } from "../api/custom_alerts";
import { call } from "../api/sonde";
import type { AlertPart } from "../state/view.svelte";
import { reasonOf, Watched } from "./watched.svelte";

const ALERTS_MS = 3000;
const REST_MS = 5000;
const HISTORY_S = 30 * 86400;

export class Alerting extends Watched {
  alerts = $state.raw<ActiveAlert[] | null>(null);
  silences = $state.raw<Silence[] | null>(null);
  integrations = $state.raw<Integration[] | null>(null);
  history = $state.raw<Change[] | null>(null);
  custom = $state.raw<CustomAlert[]>([]); // alerts that were made without a rule file
  private wanted: AlertPart = "now";

  constructor() {
    super([ALERTS_MS, (signal) => this.readAlerts(signal)], [REST_MS, (signal) => this.readRest(signal)]);
  }

  want(part: AlertPart): void {
    this.wanted = part;
    this.again();
  }

  act(fingerprint: string, action: Act, text: string): Promise<boolean> {
    return this.change((signal) => act(fingerprint, action, text, signal));
  }

  silence(matchers: Matcher[], minutes: number, comment: string): Promise<boolean> {
    const now = Date.now();
    return this.change((signal) => call("POST", "v2/silences", signal, {
      matchers, comment, createdBy: who.get() || "anonymous", startsAt: new Date(now).toISOString(), endsAt: new Date(now + minutes * 60000).toISOString(),
    }));
  }

  expire(id: string): Promise<boolean> {
    return this.change((signal) => call("DELETE", `v2/silence/${encodeURIComponent(id)}`, signal));
  }

  make(body: object): Promise<boolean> {
    return this.change((signal) => call("POST", "alerts/rules", signal, body));
  }

  drop(name: string): Promise<boolean> {
    return this.change((signal) => call("DELETE", `alerts/rules/${encodeURIComponent(name)}`, signal));
  }

  // When it would have fired in the last seven days.
  backtest(body: object): Promise<Backtest> {
    return call<Backtest>("POST", "alerts/backtest", this.stop.signal, { rule: body, range: "7d" });
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
      return reasonOf(error);
    }
  }

  private async readAlerts(signal: AbortSignal): Promise<void> {
    this.alerts = await call<ActiveAlert[]>("GET", "alerts", signal);
  }

  private async readRest(signal: AbortSignal): Promise<void> {
    this.silences = await call<Silence[]>("GET", "v2/silences", signal);
    if (this.wanted === "now") this.custom = await call<CustomAlert[]>("GET", "alerts/rules", signal);
    if (this.wanted === "receivers") this.integrations = await call<Integration[]>("GET", "notify", signal);
    if (this.wanted === "history") this.history = await call<Change[]>("GET", `alerts/history?start=${Math.floor(Date.now() / 1000) - HISTORY_S}&limit=300`, signal);
  }
}
