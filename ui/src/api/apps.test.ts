import assert from "node:assert/strict";
import { test } from "node:test";
import { alike, cell, duration, shown, sumUp, type Service } from "./apps.ts";

const service = (more: Partial<Service>): Service => ({
  application: "a", instance: "h:1", service: "shop", operations: 2, count: 10, errors: 1, abandoned: 0, recovered: 0, active: 1,
  error_rate: 0.1, error_rate_60s: 0.1, rate_1s: 5, rate_10s: 5, rate_60s: 5, min_ms: 1, mean_ms: 2, max_ms: 9, p50_ms: 2, p95_ms: 5,
  p99_ms: 8, uptime_s: 60, last_time_ms: 1000, last_error_time_ms: null, last_error: "", ...more });

test("programs of one service are summed up by what they did", () => {
  const [whole] = sumUp([service({}), service({ instance: "h:2", count: 30, mean_ms: 6, p95_ms: 50, rate_10s: 15, error_rate_60s: 0.5, last_time_ms: 2000 })]);
  assert.equal(whole.count, 40);
  assert.equal(whole.rate, 20);
  assert.equal(whole.mean, 5);
  assert.equal(whole.p95, 50);
  assert.equal(whole.errorRate, 0.4);
  assert.equal(whole.last, 2000);
});

test("a service that has ended nothing has no times", () => {
  const [whole] = sumUp([service({ count: 0, mean_ms: null, p95_ms: null, max_ms: null, rate_10s: 0, error_rate_60s: 0 })]);
  assert.equal(whole.mean, null);
  assert.equal(whole.p95, null);
  assert.equal(duration(whole.max), "–");
});

test("any answer is shown as pairs and tables", () => {
  const { pairs, tables } = shown({ overflow: 0, caches: [{ name: "a", hit_rate: { hour: 0.5 } }, { name: "b", bytes: 2048 }], none: [], inner: { ok: true } });
  assert.deepEqual(pairs, [["overflow", "0"], ["none", "none"], ["inner.ok", "yes"]]);
  assert.deepEqual(tables, [{ title: "caches", columns: ["name", "hit_rate.hour", "bytes"], rows: [["a", "50 %", ""], ["b", "", "2.00 KiB"]] }]);
});

test("figures are written with their units", () => {
  assert.equal(cell("mean_ms", 0.0123), "12.3 µs");
  assert.equal(cell("p95_ms", 1234), "1.23 s");
  assert.equal(cell("bytes", 1 << 20), "1.00 MiB");
  assert.equal(cell("count", 1234567), "1,234,567");
  assert.equal(cell("x", null), "–");
});

test("errors of one kind are told once with their number", () => {
  const one = (title: string, time: string) => ({ title, time, level: "error", service: "s", release: "", event_id: time });
  assert.deepEqual(alike([one("a", "3"), one("b", "2"), one("a", "1")]).map((found) => [found.newest.title, found.newest.time, found.n]), [["a", "3", 2], ["b", "2", 1]]);
});

test("one row that is too wide is shown as pairs", () => {
  const row = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`c${i}`, i]));
  assert.equal(shown({ list: [row] }).tables.length, 0);
  assert.deepEqual(shown({ list: [row] }).pairs[3], ["list.c3", "3"]);
  assert.equal(shown({ list: [row, row] }).tables.length, 1);
});
