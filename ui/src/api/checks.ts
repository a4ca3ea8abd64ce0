// Checks of components, as GET /api/checks has them.

import type { Labels } from "./live.svelte";

export interface Figure {
  name: string;
  value: number;
  unit: string;
}

export interface Check {
  name: string;
  kind: string;
  group: string;
  state: string; // "healthy", "degraded", "unhealthy", "unknown"
  because: string; // the parent that explains it
  message: string;
  maintenance: boolean;
  required: boolean;
  since_ms: number;
  last_ms: number;
  duration_seconds: number;
  uptime: { day: number | null; week: number | null; month: number | null };
  figures: Figure[];
  labels: Labels;
}

export interface CheckChange {
  from_ms: number;
  to_ms: number;
  state: string;
  maintenance: boolean;
  message: string;
  duration_seconds: number;
}
