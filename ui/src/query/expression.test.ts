import assert from "node:assert/strict";
import { test } from "node:test";
import { messageOf, placeOf, seriesText, stepFor, wordAt } from "./expression";

test("a step gives no more points than pixels", () => {
  assert.equal(stepFor(300, 1200), 1);
  assert.equal(stepFor(3600, 1200), 5);
  assert.equal(stepFor(3600, 400), 15);
  assert.equal(stepFor(604800, 1200), 600);
  assert.equal(stepFor(315360000, 1200), 3 * 86400 + 86400);
});

test("names are completed where a metric or a function can stand", () => {
  assert.deepEqual(wordAt("sum(node_lo", 11), { from: 4, to: 11, text: "node_lo" });
  assert.deepEqual(wordAt("rate(up[5m])", 2), { from: 0, to: 4, text: "ra" });
  for (const [text, caret] of [['up{jo', 5], ['up{job="no', 10], ["up[5m", 5], ["up # no", 7], ["5m", 2], ["", 0]] as const)
    assert.equal(wordAt(text, caret), null, text);
});

test("an error's place is found on its line, in bytes", () => {
  assert.deepEqual(placeOf('invalid parameter "query": 1:16: parse error: x', "sum(rate(x[5m])"), { line: "sum(rate(x[5m])", before: "sum(rate(x[5m])", at: 15 });
  assert.deepEqual(placeOf("2:3: parse error: x", "a +\n b c"), { line: " b c", before: " b", at: 6 });
  assert.equal(placeOf("1:6: parse error: x", '"ää"')?.before, '"ää');
  assert.equal(placeOf("the query timed out", "up"), null);
  assert.equal(messageOf('invalid parameter "query": 1:16: parse error: unclosed left parenthesis'), "parse error: unclosed left parenthesis");
});

test("series are written as selectors are", () => {
  assert.equal(seriesText({ __name__: "up", job: 'a"b' }), 'up{job="a\\"b"}');
  assert.equal(seriesText({ __name__: "up" }), "up");
  assert.equal(seriesText({}), "{}");
});
