// The rules and their alerts, read again every few seconds while somebody looks.

import { ask, type Rule, type RuleGroup } from "../api/prometheus";
import type { RuleState } from "../state/view.svelte";
import { Watched } from "./watched.svelte";

const EVERY_MS = 5000;

export class Rules extends Watched {
  groups = $state.raw<RuleGroup[] | null>(null);

  constructor() {
    super([EVERY_MS, async (signal) => {
      this.groups = (await ask<{ groups: RuleGroup[] }>("rules", {}, signal)).data.groups;
    }]);
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
