// Series colours: eight for each theme, at least 3:1 against the background and apart under the
// common forms of colour blindness. A series keeps its colour by the hash of its name.

import type { ThemeName } from "../state/theme.svelte";

const SERIES: Record<ThemeName, readonly string[]> = {
  light: ["#0072B2", "#AD8B25", "#E755E7", "#9C1638", "#DF2080", "#8F147A", "#782DE1", "#7D833F"],
  dark: ["#56B4E9", "#B0D5D9", "#817812", "#AE4293", "#C8D539", "#3A784F", "#EEB48B", "#7A55E7"],
};

const INK: Record<ThemeName, { axis: string; grid: string; cursor: string; ramp: [number, number, number] }> = {
  light: { axis: "#5B6570", grid: "#E4E8EC", cursor: "#7a8692", ramp: [0, 114, 178] },
  dark: { axis: "#8A95A1", grid: "#262D35", cursor: "#8A95A1", ramp: [86, 180, 233] },
};

const LEVELS: Record<ThemeName, Record<string, string>> = {
  light: { info: "#0072b2", ok: "#1b8a6b", warn: "#8a5900", crit: "#b0001e" },
  dark: { info: "#56b4e9", ok: "#2fbf92", warn: "#ffd166", crit: "#ff5a3c" },
};

export function levelColor(theme: ThemeName, level: "info" | "ok" | "warn" | "crit"): string {
  return LEVELS[theme][level] ?? "#888888";
}

function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

// Slots for names: the hash's slot, or the next free one; names past the eighth share.
export function slots(names: readonly string[]): Map<string, number> {
  const taken = new Set<number>();
  const out = new Map<string, number>();
  for (const name of [...names].sort()) {
    let slot = hash(name) % 8;
    for (let i = 0; i < 8 && taken.has(slot); i++) slot = (slot + 1) % 8;
    taken.add(slot);
    out.set(name, slot);
  }
  return out;
}

export function seriesColor(theme: ThemeName, slot: number): string {
  return SERIES[theme][slot % 8] ?? "#888888";
}

export function ink(theme: ThemeName): (typeof INK)["dark"] {
  return INK[theme];
}

export function alpha(hex: string, a: number): string {
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${(n >> 16) & 255}, ${(n >> 8) & 255}, ${n & 255}, ${a})`;
}
