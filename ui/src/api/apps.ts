// Applications that link libsonde, as docs/api.md and the pages libsonde-*.md of the manual have them.

export interface App {
  service: string;
  instance: string;
  release: string;
  environment: string;
  language: string;
  library: string;
  pid: number;
  state: "connected" | "gone";
  since: string;
  ended: string | null;
  end: string;
  series: number;
  samples: number;
  spans: number;
  logs: number;
  errors: number;
  problem: string;
}

// What a service and an operation have in common; milliseconds are null where nothing has ended yet.
export interface Figures {
  service: string;
  count: number;
  errors: number;
  abandoned: number;
  recovered: number;
  active: number;
  error_rate: number;
  error_rate_60s: number;
  rate_1s: number;
  rate_10s: number;
  rate_60s: number;
  min_ms: number | null;
  mean_ms: number | null;
  max_ms: number | null;
  p50_ms: number | null;
  p95_ms: number | null;
  p99_ms: number | null;
  uptime_s: number;
  last_time_ms: number | null;
  last_error_time_ms: number | null;
  last_error: string;
}

export interface Service extends Figures {
  application: string;
  instance: string;
  operations: number;
}

export interface Operation extends Figures {
  operation: string;
}

export interface Call {
  service: string;
  operation: string;
  time_ms: number;
  duration_ms?: number;
  age_ms?: number;
  outcome?: string;
}

export interface Unanswered {
  application: string;
  instance: string;
  error: string;
}

export interface Services {
  services: Service[];
  unanswered: Unanswered[];
}

export interface InstanceOf<T> {
  instances: (T & { application: string; instance: string })[];
  unanswered: Unanswered[];
}

export interface Cache {
  name: string;
  hits: number;
  misses: number;
  hit_rate: number | null;
  hit_rate_1h: number | null;
  entries: number;
  bytes: number;
  bytes_peak: number;
}

export interface Captured {
  time_ms: number;
  title: string;
  level: string;
  release: string;
  service: string;
  event_id: string;
}
