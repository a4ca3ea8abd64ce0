import assert from "node:assert/strict";
import { test } from "node:test";
import { levelOf, markAt, marksOf, told } from "./marks";
import type { Happening } from "../api/sonde";

const event = (time: number, more: Partial<Happening> = {}): Happening => ({
  id: time, time_ms: time * 1000, end_ms: 0, kind: "deployment", title: "api v1 was deployed", text: "", source: "api", status: "", id_key: "", url: "", labels: {}, ...more,
});

test("events close to one another become one mark with the worst of their levels", () => {
  const marks = marksOf([event(100), event(101, { status: "failed" }), event(200)], 0, 300, 5);
  assert.deepEqual(marks.map((one) => [one.from, one.level, one.events.length]), [[100, "crit", 2], [200, "info", 1]]);
});

test("what lies outside of the window is no mark, what reaches into it is one", () => {
  assert.equal(marksOf([event(10), event(400)], 50, 300, 5).length, 0);
  const [mark] = marksOf([event(10, { end_ms: 60_000 })], 50, 300, 5);
  assert.deepEqual([mark?.from, mark?.to], [10, 60]);
});

test("a span is not swallowed by the moments beside it", () => {
  assert.equal(marksOf([event(100), event(101, { end_ms: 180_000 })], 0, 300, 5).length, 2);
});

test("the mark under the cursor is the nearest one", () => {
  const marks = marksOf([event(100), event(120), event(150, { end_ms: 190_000 })], 0, 300, 5);
  assert.equal(markAt(marks, 103, 5)?.from, 100);
  assert.equal(markAt(marks, 117, 5)?.from, 120);
  assert.equal(markAt(marks, 170, 5)?.from, 150);
  assert.equal(markAt(marks, 135, 5), null);
});

test("a crash is critical, a restart a warning, a success good", () => {
  assert.equal(levelOf(event(1, { kind: "crash" })), "crit");
  assert.equal(levelOf(event(1, { kind: "restart" })), "warn");
  assert.equal(levelOf(event(1, { status: "succeeded" })), "ok");
  assert.equal(levelOf(event(1)), "info");
});

test("of events that are one mark, what people did is told first", () => {
  const [mark] = marksOf([event(100, { kind: "health", title: "a" }), event(101, { title: "b" })], 0, 300, 5);
  assert.deepEqual(mark && told(mark).map((one) => one.title), ["b", "a"]);
});
