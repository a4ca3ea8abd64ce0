import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, show, tick } from "./units";

test("memory is in powers of 1024, the network in powers of 1000", () => {
  assert.equal(show(1536, "bytes"), "1.50 KiB");
  assert.equal(show(23.5 * 2 ** 30, "bytes"), "23.5 GiB");
  assert.equal(show(1500, "byterate"), "1.50 kB/s");
  assert.equal(show(1023.9 * 2 ** 20, "bytes"), "1.00 GiB");
  assert.equal(show(0, "byterate"), "0 B/s");
});

test("a percentage has one decimal at most", () => {
  assert.equal(show(12.345, "percent"), "12.3 %");
  assert.equal(show(100, "percent"), "100 %");
});

test("what is missing is a dash", () => {
  assert.equal(show(null, "bytes"), "–");
  assert.equal(show(Number.NaN, "rate"), "–");
});

test("durations go from nanoseconds to days", () => {
  assert.equal(duration(2.5e-9), "2.50 ns");
  assert.equal(duration(0.0123), "12.3 ms");
  assert.equal(duration(4321), "1 h 12 min");
  assert.equal(duration(200000), "2 d 7 h");
});

test("ticks are short and never negative below the axis", () => {
  assert.equal(tick(-10_000_000, "byterate"), "10 MB/s");
  assert.equal(tick(2.5, "count"), "2.5");
  assert.equal(tick(8 * 2 ** 30, "bytes"), "8 GiB");
});
