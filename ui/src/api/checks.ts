// Checks of components, as GET /api/checks has them.

export interface Figure {
  label: string;
  value: number | null;
  unit?: string;
}

export type CheckStatus = "healthy" | "degraded" | "unhealthy" | "unknown";

export interface Check {
  name: string;
  kind: string;
  group: string;
  description?: string;
  status: CheckStatus;
  because?: string; // the parent that explains it
  message: string;
  maintenance: boolean;
  required: boolean;
  since_ms: number | null;
  time_ms: number | null; // of the last reading
  duration_seconds: number | null;
  uptime: { day: number | null; week: number | null; month: number | null };
  figures: Figure[];
}

export interface CheckChange {
  time_ms: number;
  end_ms: number | null; // null: it goes on
  status: CheckStatus;
  maintenance: boolean;
  message: string;
}
