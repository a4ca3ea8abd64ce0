// Something that is read again and again while somebody looks: each time after a pause that is
// at least ten times what the reading took, so that a large answer does not keep the page busy.

export class Poll {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stop = new AbortController();
  private opened = false;
  private running = false;
  private asked = false; // again, while one was running
  private fresh = true; // nothing was read yet: a tab that is opened in the background reads once

  constructor(private readonly everyMs: number, private readonly read: (signal: AbortSignal) => Promise<void>) {}

  open(): void {
    this.stop = new AbortController();
    this.opened = this.fresh = true;
    void this.turn();
  }

  close(): void {
    this.opened = false;
    this.stop.abort();
    clearTimeout(this.timer);
  }

  again(): void {
    if (!this.opened) return;
    clearTimeout(this.timer);
    if (this.running) this.asked = true;
    else void this.turn();
  }

  private async turn(): Promise<void> {
    const { signal } = this.stop;
    const began = performance.now();
    this.running = true;
    if (this.fresh || document.visibilityState !== "hidden") await this.read(signal).catch(() => undefined);
    this.running = this.fresh = false;
    if (signal.aborted) return;
    const pause = this.asked ? 0 : Math.max(this.everyMs, 10 * (performance.now() - began));
    this.asked = false;
    this.timer = setTimeout(() => void this.turn(), pause);
  }
}
