// The programs that sonde-watch keeps running, as docs/format/watch_control.md has them.

export interface ProgramCheck {
  ok: boolean;
  message: string;
  checks: number;
  failures: number;
  last_ms: number;
  duration_ms: number;
}

export interface Unit {
  name: string;
  program: string;
  group: string;
  instance: number;
  port: number;
  state: string;
  wanted: string;
  ready: boolean;
  pid: number;
  uptime_ms: number;
  reason: string;
  status: string;
  restarts: number;
  restarts_in_window: number;
  restarts_max: number;
  next_start_ms: number;
  liveness: ProgramCheck | null;
  readiness: ProgramCheck | null;
  memory_bytes: number;
  cpu_percent: number;
  last_death: { time_ms: number; cause: string; sentence: string; facts?: string[] } | null;
}

export interface Supervision {
  version: string;
  state: string;
  summary: { units: number; running: number; ready: number; critical: number; restarts: number };
  programs: Unit[];
}

export interface ProgramEvent {
  time_ms: number;
  level: string;
  kind: string;
  text: string;
}

export type Order = "start" | "stop" | "restart" | "reload" | "check";

// How it is for a person: a mark, a word, how bad.
export function stateOf(unit: Unit): { mark: string; word: string; level: "" | "warn" | "crit" } {
  if (unit.state === "critical" || unit.state === "blocked") return { mark: "■", word: unit.state, level: "crit" };
  if (unit.state === "running") return unit.ready ? { mark: "✓", word: "running", level: "" } : { mark: "▲", word: "not ready", level: "warn" };
  if (unit.state === "stopped" || unit.state === "finished") return { mark: "○", word: unit.state, level: unit.wanted === "up" && unit.state === "stopped" ? "warn" : "" };
  return { mark: "▲", word: unit.state, level: "warn" };
}
