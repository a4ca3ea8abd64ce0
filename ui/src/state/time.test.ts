import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRange, parseTime } from "./time";

const NOW = Date.UTC(2026, 2, 10, 12, 0, 0);

test("spans are before now", () => {
  assert.equal(parseTime("2h ago", NOW, false), NOW - 7200_000);
  assert.equal(parseTime("30m", NOW, false), NOW - 1800_000);
  assert.equal(parseTime("1.5 days ago", NOW, false), NOW - 129600_000);
  assert.equal(parseTime("now", NOW, true), NOW);
});

test("times of day are in the zone of the page", () => {
  assert.equal(parseTime("14:05", NOW, true), Date.UTC(2026, 2, 10, 14, 5));
  assert.equal(parseTime("14:05", NOW, false), Date.UTC(2026, 2, 10, 13, 5));
  assert.equal(parseTime("yesterday 14:00", NOW, true), Date.UTC(2026, 2, 9, 14));
});

test("iso times and unix seconds are read", () => {
  assert.equal(parseTime("2026-03-10 11:00", NOW, true), Date.UTC(2026, 2, 10, 11));
  assert.equal(parseTime("2026-03-10T11:00:00Z", NOW, false), Date.UTC(2026, 2, 10, 11));
  assert.equal(parseTime("2026-03-10T11:00:00+02:00", NOW, false), Date.UTC(2026, 2, 10, 9));
  assert.equal(parseTime("1700000000", NOW, false), 1700000000_000);
});

test("nonsense is no time", () => {
  for (const text of ["", "a while ago", "25:00", "14:60", "2026-13-01", "5 parsecs", "ago"]) assert.equal(parseTime(text, NOW, true), null, text);
});

test("spans are shown in two units", () => {
  assert.equal(formatRange(90), "1m 30s");
  assert.equal(formatRange(604800), "7d");
});
