// The rules and their alerts, read again every few seconds while somebody looks.

import { ask, type Rule, type RuleGroup } from "../api/prometheus";
import type { RuleState } from "../state/view.svelte";

const EVERY_MS = 5000;

export class Rules {
  groups = $state.raw<RuleGroup[] | null>(null);
  error = $state("");
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stop = new AbortController();

  open(): void {
    void this.read();
  }

  close(): void {
    this.stop.abort();
    clearTimeout(this.timer);
  }

  again(): void {
    clearTimeout(this.timer);
    void this.read();
  }

  private async read(): Promise<void> {
    try {
      if (document.visibilityState !== "hidden" || !this.groups) {
        this.groups = (await ask<{ groups: RuleGroup[] }>("rules", {}, this.stop.signal)).data.groups;
        this.error = "";
      }
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.error = error instanceof Error ? error.message : String(error);
    }
    if (!this.stop.signal.aborted) this.timer = setTimeout(() => void this.read(), EVERY_MS);
  }
}

// Recording rules are in no state but their health.
export function isIn(rule: Rule, state: RuleState): boolean {
  if (state === "all") return true;
  return state === "failing" ? rule.health === "err" : rule.state === state;
}

export function mentions(group: RuleGroup, rule: Rule, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return true;
  const texts = [group.name, group.file, rule.name, rule.query, ...Object.values(rule.labels ?? {}),
    ...(rule.alerts ?? []).flatMap((alert) => [...Object.values(alert.labels), ...Object.values(alert.annotations)])];
  return texts.some((one) => one.toLowerCase().includes(wanted));
}
