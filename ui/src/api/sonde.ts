// Sonde's own part of the API: what Prometheus has no word for.

import type { Labels } from "./live.svelte";

export interface GpuCard {
  gpu: string;
  vendor: string;
  name: string;
  uuid: string;
  pci: string;
  driver: string;
}

export interface RegisteredTarget {
  id: string;
  job: string;
  address: string;
  scheme: string;
  metrics_path: string;
  ttl_seconds: number;
  registered: string;
  expires?: string;
  labels: Labels;
}

export interface Offer {
  address: string;
  job: string;
  kind: string;
  samples: number;
  registered: boolean;
}

// Something that happened: a deployment, a change, a note, a restart.
export interface Happening {
  id: number;
  time_ms: number;
  end_ms: number; // 0: a moment
  kind: string;
  title: string;
  text: string;
  source: string;
  status: string;
  id_key: string;
  url: string;
  labels: Labels;
}

export class Refused extends Error {
  constructor(readonly status: number, text: string) {
    super(text);
  }
}

// The body of an answer, or of its `data` where it has one; the server's words where it refuses.
export async function call<T>(method: "GET" | "POST" | "PUT" | "DELETE", path: string, signal: AbortSignal, body?: object): Promise<T> {
  const sent = body ? { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const response = await fetch(`/api/${path}`, { method, signal, ...sent });
  const text = await response.text();
  let answer: { data?: T; error?: string } = {};
  try {
    if (text) answer = JSON.parse(text) as typeof answer;
  } catch {
    if (response.ok) throw new Refused(response.status, "the server's answer is not JSON");
  }
  if (!response.ok) throw new Refused(response.status, answer.error ?? (text.trim().slice(0, 200) || `the server answered ${response.status}`));
  return ("data" in answer ? answer.data : answer) as T;
}
