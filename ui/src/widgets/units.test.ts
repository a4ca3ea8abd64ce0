import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, show, tick, ticks } from "./units";

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

test("ticks of any numbers tell neighbours apart", () => {
  assert.deepEqual(ticks([0, 500, 1000], "number"), ["0", "0.5 k", "1.0 k"]);
  assert.deepEqual(ticks([-24100e6, -24050e6, -24000e6], "number"), ["-24.10 G", "-24.05 G", "-24.00 G"]);
  assert.deepEqual(ticks([1795340000, 1795340500], "number"), ["1.7953400 G", "1.7953405 G"]);
  assert.deepEqual(ticks([0, 0.25, 0.5], "number"), ["0", "0.25", "0.50"]);
  assert.deepEqual(ticks([0, 20, 40], "percent"), ["0 %", "20 %", "40 %"]);
});

test("clocks are in powers of 1000", () => {
  assert.equal(show(1.98e9, "hertz"), "1.98 GHz");
  assert.equal(show(0, "hertz"), "0 Hz");
  assert.equal(tick(2.5e9, "hertz"), "2.5 GHz");
});
