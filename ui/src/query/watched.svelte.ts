// What a view watches and changes: something that is read again and again while somebody looks, with
// the reason why it could not be read, and why what was asked for last was refused.

import { Poll } from "./poll";

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class Watched {
  error = $state(""); // why it could not be read; "" where it could
  failure = $state(""); // of what was asked for last
  protected stop = new AbortController();
  private readonly polls: readonly Poll[];

  // Each reading is [milliseconds between, what reads]; one that fails is told by error.
  constructor(...readings: readonly (readonly [number, (signal: AbortSignal) => Promise<void>])[]) {
    this.polls = readings.map(([everyMs, read]) => new Poll(everyMs, async (signal) => {
      try {
        await read(signal);
        this.error = "";
      } catch (error) {
        if (!signal.aborted) this.error = reasonOf(error);
      }
    }));
  }

  open(): void {
    this.stop = new AbortController();
    for (const poll of this.polls) poll.open();
  }

  close(): void {
    this.stop.abort();
    for (const poll of this.polls) poll.close();
  }

  again(): void {
    for (const poll of this.polls) poll.again();
  }

  // Asks for a change and reads everything anew; false where it was refused.
  protected async change(f: (signal: AbortSignal) => Promise<unknown>): Promise<boolean> {
    try {
      await f(this.stop.signal);
      this.failure = "";
    } catch (error) {
      if (!this.stop.signal.aborted) this.failure = reasonOf(error);
      return false;
    }
    this.again();
    return true;
  }
}
