// Scrape targets, what registered itself, and what could be scraped on this machine: read again
// every second or more seldom, as the size of the answers allows.

import { ask, type DroppedTarget, type Target, type Targets as Answer } from "../api/prometheus";
import { call, type Offer, Refused, type RegisteredTarget } from "../api/sonde";
import { Poll } from "./poll";

const EVERY_MS = 1000;
const REGISTERED_MS = 5000;
const OFFERS_MS = 60000; // the daemon itself looks no more often
const DROPPED_EVERY = 15; // readings, while nobody looks at the dropped ones

export class Targets {
  pools = $state.raw<string[]>([]);
  active = $state.raw<Target[] | null>(null);
  dropped = $state.raw<DroppedTarget[]>([]);
  droppedCount = $state(0);
  registered = $state.raw<RegisteredTarget[]>([]);
  offers = $state.raw<Offer[]>([]);
  looking = $state(true); // for exporters, for the first time
  error = $state("");
  forbidden = $state(false); // to see and change what is registered
  failure = $state(""); // of what was asked for last
  wantDropped = false;
  private turn = 0;
  private stop = new AbortController();

  private readonly polls = [
    new Poll(EVERY_MS, (signal) => this.readTargets(signal)),
    new Poll(REGISTERED_MS, (signal) => this.readRegistered(signal)),
    new Poll(OFFERS_MS, (signal) => this.readOffers(signal)),
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
    this.turn = 0;
    this.polls[0].again();
  }

  async add(address: string, job: string): Promise<boolean> {
    return this.change(() => call("POST", "targets", this.stop.signal, { targets: [address], job, interval: "15s", ttl_seconds: 0 }));
  }

  async remove(id: string): Promise<boolean> {
    return this.change(() => call("DELETE", `targets/${encodeURIComponent(id)}`, this.stop.signal));
  }

  private async change(f: () => Promise<unknown>): Promise<boolean> {
    try {
      await f();
      this.failure = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = error instanceof Error ? error.message : String(error);
      return false;
    }
    await Promise.all([this.readRegistered(this.stop.signal), this.readOffers(this.stop.signal)]);
    this.again();
    return true;
  }

  private async readTargets(signal: AbortSignal): Promise<void> {
    const whole = this.wantDropped || this.turn++ % DROPPED_EVERY === 0;
    try {
      const { data } = await ask<Answer>("targets", { state: whole ? "any" : "active" }, signal);
      if (whole) {
        this.pools = (await ask<{ scrapePools: string[] }>("scrape_pools", {}, signal)).data.scrapePools;
        this.dropped = data.droppedTargets;
        this.droppedCount = Object.values(data.droppedTargetCounts).reduce((a, b) => a + b, 0);
      }
      this.active = data.activeTargets;
      this.error = "";
    } catch (error) {
      if (!signal.aborted) this.error = error instanceof Error ? error.message : String(error);
    }
  }

  private async readRegistered(signal: AbortSignal): Promise<void> {
    try {
      this.registered = await call<RegisteredTarget[]>("GET", "targets", signal);
      this.forbidden = false;
    } catch (error) {
      if (error instanceof Refused) this.forbidden = error.status === 403;
    }
  }

  private async readOffers(signal: AbortSignal): Promise<void> {
    try {
      this.offers = (await call<Offer[]>("GET", "targets/offers", signal)).filter((offer) => !offer.registered);
    } catch {
      this.offers = []; // who may not see them is told by `forbidden`
    }
    this.looking = false;
  }
}
