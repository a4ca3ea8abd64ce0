// Applications and their services, read anew each second; one of them with its operations, or one
// part of one application.

import type { App, Captured, InstanceOf, Json, Operation, Services as Answer } from "../api/apps";
import { call } from "../api/sonde";
import { Watched } from "./watched.svelte";

const EVERY_MS = 1000;
const ERRORS_MS = 5000;

export class Services extends Watched {
  apps = $state.raw<App[] | null>(null);
  now = $state.raw<Answer | null>(null);
  operations = $state.raw<InstanceOf<{ operations: Operation[] }> | null>(null); // of the one that is opened
  part = $state.raw<Json | null>(null); // of the application that is opened
  partError = $state("");
  errors = $state.raw<Captured[] | null>(null);
  private service = "";
  private asked = { instance: "", command: "" };

  constructor() {
    super([EVERY_MS, (signal) => this.read(signal)], [EVERY_MS, (signal) => this.ask(signal)], [ERRORS_MS, (signal) => this.readErrors(signal)]);
  }

  // Reads the operations of one; "" none.
  look(service: string): void {
    if (service === this.service) return;
    this.service = service;
    this.operations = null;
    this.again();
  }

  // Reads what an application says to a command; "" none.
  lookAt(instance: string, command: string): void {
    if (instance === this.asked.instance && command === this.asked.command) return;
    this.asked = { instance, command };
    this.part = null;
    this.partError = "";
    this.again();
  }

  reset(service: string): Promise<boolean> {
    return this.change((signal) => call("POST", `services/${encodeURIComponent(service)}/reset`, signal));
  }

  private async read(signal: AbortSignal): Promise<void> {
    const { service } = this;
    const [apps, now, operations] = await Promise.all([
      call<App[]>("GET", "apps", signal),
      call<Answer>("GET", "services", signal),
      service ? call<InstanceOf<{ operations: Operation[] }>>("GET", `services/${encodeURIComponent(service)}`, signal).catch(() => null) : null,
    ]);
    this.apps = apps;
    this.now = now;
    if (this.service === service) this.operations = operations;
  }

  // A part that cannot be had is told beside it; the rest of the view stays.
  private async ask(signal: AbortSignal): Promise<void> {
    const { asked } = this;
    if (!asked.instance || !asked.command) return;
    try {
      const part = await call<Json>("GET", `apps/${encodeURIComponent(asked.instance)}/ask?command=${encodeURIComponent(asked.command)}`, signal);
      if (this.asked !== asked) return;
      this.part = part;
      this.partError = "";
    } catch (error) {
      if (!signal.aborted && this.asked === asked) this.partError = error instanceof Error ? error.message : String(error);
    }
  }

  private async readErrors(signal: AbortSignal): Promise<void> {
    this.errors = await call<Captured[]>("GET", "errors/recent?limit=100", signal);
  }
}
