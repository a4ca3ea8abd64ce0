import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, type Draft } from "./custom_alerts";

const draft: Draft = { name: " Queue ", kind: "threshold", metric: "queue_length", side: "above", limit: "100", clear: "", window: "5m", within: "4h", for: "2m", severity: "warning", summary: "" };

test("a request has only what its kind knows and what was filled in", () => {
  assert.deepEqual(bodyOf(draft), { name: "Queue", kind: "threshold", severity: "warning", metric: "queue_length", above: 100, for: "2m" });
  assert.deepEqual(bodyOf({ ...draft, kind: "absence", for: "" }), { name: "Queue", kind: "absence", severity: "warning", metric: "queue_length", window: "5m" });
  assert.deepEqual(bodyOf({ ...draft, kind: "forecast", side: "below", limit: "0", clear: "10", summary: "full soon" }),
    { name: "Queue", kind: "forecast", severity: "warning", metric: "queue_length", below: 0, clear: 10, window: "5m", within: "4h", for: "2m", annotations: ["summary=full soon"] });
  assert.deepEqual(bodyOf({ ...draft, kind: "expression", metric: "up == 0", limit: "5" }), { name: "Queue", kind: "expression", severity: "warning", expr: "up == 0", for: "2m" });
});
