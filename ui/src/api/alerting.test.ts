import assert from "node:assert/strict";
import { test } from "node:test";
import { matchersOf, matcherText, readMatchers } from "./alerting";

test("matchers are read in lines and in one line, quoted or not", () => {
  assert.deepEqual(readMatchers('alertname="Down"\nseverity=~"warning|critical"')?.map(matcherText), ['alertname="Down"', 'severity=~"warning|critical"']);
  assert.deepEqual(readMatchers("team=db, zone!=eu")?.map(matcherText), ['team="db"', 'zone!="eu"']);
  assert.deepEqual(readMatchers('path="a\\"b, c"')?.map((one) => one.value), ['a"b, c']);
});

test("what is no matcher is refused", () => {
  for (const text of ["", "team", 'team="x', "=x", "a=b c=d"]) assert.equal(readMatchers(text), null, text);
});

test("the matchers of labels name the alert first and come back as they were", () => {
  const labels = { instance: "a:1", alertname: 'D"own', zone: "" };
  assert.equal(matchersOf(labels).split("\n")[0], 'alertname="D\\"own"');
  assert.deepEqual(Object.fromEntries((readMatchers(matchersOf(labels)) ?? []).map((one) => [one.name, one.value])), labels);
});
