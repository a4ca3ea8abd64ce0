// What tells people: alerts with their acknowledgements, silences, receivers, history. Alertmanager's
// own API where it has one, Sonde's for the rest.

import type { Labels } from "./live.svelte";
import { call } from "./sonde";

export interface ActiveAlert {
  fingerprint: string;
  labels: Labels;
  annotations: Labels;
  generator_url: string;
  starts_time_ms: number;
  state: string; // "firing", "acknowledged", "suppressed"
  silenced_by: string[];
  inhibited_by: string[];
  muted_by: string[];
  receivers: string[];
  acknowledged: boolean;
  acknowledged_by: string;
  acknowledged_time_ms: number;
  assigned_to: string;
  escalation: { name: string; step: number; next_time_ms: number } | null;
}

export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual: boolean;
}

export interface Silence {
  id: string;
  status: { state: string };
  matchers: Matcher[];
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  createdBy: string;
  comment: string;
}

export interface Integration {
  receiver: string;
  kind: string;
  index: number;
  waiting: number;
  sent: number;
  failed: number;
  dropped: number;
  last_sent_time_ms: number;
  last_attempt_time_ms: number;
  next_attempt_time_ms: number;
  last_error: string;
}

export interface Change {
  time_ms: number;
  fingerprint: string;
  labels: Labels;
  what: string;
  who: string;
  text: string;
}

export interface Tested {
  receiver: string;
  kind: string;
  index: number;
  sent: boolean;
  error: string;
}

const NAME_KEY = "sonde.who";

// Who acts: kept in this browser, since there are no accounts.
export const who = {
  get(): string {
    return localStorage.getItem(NAME_KEY) ?? "";
  },
  set(name: string): void {
    localStorage.setItem(NAME_KEY, name);
  },
};

export type Act = "acknowledge" | "unacknowledge" | "assign" | "comment";

export function act(fingerprint: string, action: Act, text: string, signal: AbortSignal): Promise<unknown> {
  return call("POST", `alerts/${fingerprint}/${action}`, signal, { who: who.get() || "anonymous", [action === "assign" ? "to" : "comment"]: text });
}

const OPS: Record<string, [boolean, boolean]> = { "=": [true, false], "!=": [false, false], "=~": [true, true], "!~": [false, true] };

// name="value", a line or a comma-separated part each; null where one is none.
export function readMatchers(text: string): Matcher[] | null {
  const out: Matcher[] = [];
  const pattern = /\s*([a-zA-Z_][a-zA-Z0-9_.:-]*|"(?:[^"\\]|\\.)*")\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|\n|$)/y;
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (!found) return null;
    const [, name = "", op = "", value = ""] = found;
    const plain = (one: string): string => (one.startsWith('"') ? (JSON.parse(one) as string) : one);
    try {
      const [isEqual, isRegex] = OPS[op] ?? [true, false];
      out.push({ name: plain(name), value: plain(value), isEqual, isRegex });
    } catch {
      return null;
    }
  }
  return out.length ? out : null;
}

export function matcherText(one: Matcher): string {
  const op = one.isRegex ? (one.isEqual ? "=~" : "!~") : one.isEqual ? "=" : "!=";
  return `${one.name}${op}${JSON.stringify(one.value)}`;
}

// The matchers that hold exactly these labels.
export function matchersOf(labels: Labels): string {
  return Object.entries(labels).sort(([a], [b]) => (a === "alertname" ? -1 : b === "alertname" ? 1 : a.localeCompare(b)))
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`).join("\n");
}
