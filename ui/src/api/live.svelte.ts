// The page's one WebSocket: subscriptions out, labels and binary frames in. It reconnects by
// itself and asks again for everything that is still wanted.

import { decodeFrame, type Frame, FrameKind } from "./frame";

export type Labels = Record<string, string>;

export interface LiveHandler {
  labels(labels: Labels[], append: boolean): void;
  frame(frame: Frame): void;
  error(text: string): void;
}

interface Subscription {
  id: number;
  query: string;
  step: number;
  points: number;
  key: number | null;
  lastSeq: number | null;
  handler: LiveHandler;
}

interface Hello {
  op: "hello";
  version: number;
  server: string;
  job: string;
  instance: string;
  ack_every: number;
}

export type LiveStatus = "connecting" | "open" | "reconnecting";

const RETRY_MS = [300, 600, 1200, 2500, 5000, 10000];
const HIDDEN_MS = 5000;

class Live {
  status = $state<LiveStatus>("connecting");
  downSince = $state<number | null>(null);
  slowed = $state(1);
  hello = $state.raw<Hello | null>(null);
  // Called after each burst of frames, so that charts redraw once.
  private socket: WebSocket | null = null;
  private next = 1;
  private readonly byId = new Map<number, Subscription>();
  private readonly byKey = new Map<number, Set<Subscription>>();
  private readonly keyLabels = new Map<number, Labels[]>();
  private attempts = 0;
  private received = 0;
  private asleep = false;
  private hideTimer: ReturnType<typeof setTimeout> | undefined;

  start(): void {
    document.addEventListener("visibilitychange", () => this.visibility());
    window.addEventListener("online", () => {
      if (!this.socket) this.connect();
    });
    this.connect();
  }

  subscribe(query: string, step: number, points: number, handler: LiveHandler): () => void {
    const sub: Subscription = { id: this.next++, query, step, points, key: null, lastSeq: null, handler };
    this.byId.set(sub.id, sub);
    this.ask(sub);
    return () => {
      this.byId.delete(sub.id);
      if (sub.key !== null) this.byKey.get(sub.key)?.delete(sub);
      this.send({ op: "unsub", id: sub.id });
    };
  }

  retry(): void {
    this.attempts = 0;
    if (!this.socket) this.connect();
  }

  private send(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private ask(sub: Subscription): void {
    if (this.asleep) return;
    this.send({ op: "sub", id: sub.id, query: sub.query, step: sub.step, points: sub.points });
  }

  private connect(): void {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/api/live`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.text(event.data);
      else this.binary(event.data as ArrayBuffer);
    };
    socket.onopen = () => {
      this.attempts = 0;
      this.received = 0;
      this.status = "open";
      this.downSince = null;
      this.slowed = 1;
      for (const sub of this.byId.values()) this.ask(sub);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.byKey.clear();
      this.keyLabels.clear();
      for (const sub of this.byId.values()) {
        sub.key = null;
        sub.lastSeq = null;
      }
      this.downSince ??= Date.now();
      this.status = "reconnecting";
      const wait = RETRY_MS[Math.min(this.attempts, RETRY_MS.length - 1)] ?? 10000;
      this.attempts++;
      setTimeout(() => {
        if (!this.socket) this.connect();
      }, wait * (0.8 + Math.random() * 0.4));
    };
  }

  private text(data: string): void {
    const message = JSON.parse(data) as
      | Hello
      | { op: "sub"; id: number; key: number; step_ms: number }
      | { op: "series"; key: number; generation: number; append: boolean; labels: Labels[] }
      | { op: "error"; id?: number; key?: number; error: string }
      | { op: "slowed"; every: number };
    switch (message.op) {
      case "hello":
        this.hello = message;
        break;
      case "sub": {
        const sub = this.byId.get(message.id);
        if (!sub) break;
        sub.key = message.key;
        const peers = this.byKey.get(message.key) ?? new Set<Subscription>();
        peers.add(sub);
        this.byKey.set(message.key, peers);
        const known = this.keyLabels.get(message.key);
        if (known) sub.handler.labels(known, false);
        break;
      }
      case "series":
        this.keyLabels.set(message.key, message.labels);
        for (const sub of this.byKey.get(message.key) ?? []) sub.handler.labels(message.labels, message.append);
        break;
      case "error":
        if (message.id !== undefined) this.byId.get(message.id)?.handler.error(message.error);
        else if (message.key !== undefined)
          for (const sub of this.byKey.get(message.key) ?? []) sub.handler.error(message.error);
        break;
      case "slowed":
        this.slowed = message.every;
        break;
    }
  }

  private binary(data: ArrayBuffer): void {
    const frame = decodeFrame(data);
    if (!frame) return;
    for (const sub of this.byKey.get(frame.key) ?? []) {
      if (frame.kind === FrameKind.delta) {
        if (sub.lastSeq === null) continue; // its snapshot is still to come
        const first = (frame.seq - frame.points + 1) >>> 0;
        const expected = (sub.lastSeq + 1) >>> 0;
        if (first !== expected && ((first - expected) | 0) > 0)
          this.send({ op: "resend", id: sub.id, from: expected });
      }
      if (frame.kind !== FrameKind.gap) sub.lastSeq = frame.seq;
      sub.handler.frame(frame);
    }
    const every = this.hello?.ack_every ?? 8;
    this.received++;
    if (this.received % every === 0) this.send({ op: "ack", frames: this.received });
  }

  // A hidden page asks for nothing; when it is seen again the snapshots fill the gap.
  private visibility(): void {
    clearTimeout(this.hideTimer);
    if (document.visibilityState === "hidden") {
      this.hideTimer = setTimeout(() => {
        this.asleep = true;
        for (const sub of this.byId.values()) {
          this.send({ op: "unsub", id: sub.id });
          if (sub.key !== null) this.byKey.get(sub.key)?.delete(sub);
          sub.key = null;
          sub.lastSeq = null;
        }
      }, HIDDEN_MS);
    } else if (this.asleep) {
      this.asleep = false;
      if (!this.socket) this.connect();
      for (const sub of this.byId.values()) this.ask(sub);
    }
  }
}

export const live = new Live();
