import assert from "node:assert/strict";
import { test } from "node:test";
import type { Target } from "../api/prometheus";
import { byPool, listing, PAGE_ROWS, scraped } from "./target_list";

const target = (pool: string, n: number, health = "up"): Target => ({ scrapePool: pool, scrapeUrl: `http://host${n}:9100/metrics`, globalUrl: "", health,
  lastError: health === "down" ? "connection refused" : "", lastScrape: "", lastScrapeDuration: 0, scrapeInterval: "15s", scrapeTimeout: "10s",
  labels: { job: pool, instance: `host${n}:9100` }, discoveredLabels: { __address__: `host${n}:9100` } });
const dropped = [{ scrapePool: "a", discoveredLabels: { __address__: "gone:1" } }];
const some = [target("a", 1), target("a", 2, "down"), target("b", 3, "unknown")];

test("targets are filtered by health and by all words", () => {
  assert.deepEqual(listing(some, dropped, "down", "", 0).rows.map((row) => row.target?.scrapeUrl), ["http://host2:9100/metrics"]);
  assert.equal(listing(some, dropped, "all", "REFUSED job=a", 0).total, 1);
  assert.equal(listing(some, dropped, "all", "refused job=b", 0).total, 0);
});

test("dropped ones are a list of their own", () => {
  const { rows, total } = listing(some, dropped, "dropped", "gone", 0);
  assert.equal(total, 1);
  assert.equal(rows[0]?.target, null);
  assert.equal(listing(some, dropped, "all", "gone", 0).total, 0);
});

test("a long list has pages, and a page that is not there is the last one", () => {
  const many = Array.from({ length: 2 * PAGE_ROWS + 1 }, (_, i) => target("a", i));
  assert.equal(listing(many, [], "all", "", 0).rows.length, PAGE_ROWS);
  const last = listing(many, [], "all", "", 99);
  assert.deepEqual([last.page, last.pages, last.rows.length], [2, 3, 1]);
});

test("the same target twice has two keys", () => {
  const { rows } = listing([some[0]!, some[0]!], [], "all", "", 0);
  assert.equal(new Set(rows.map((row) => row.key)).size, 2);
});

test("rows stand by pool, in their order", () => {
  const groups = byPool(listing(some, [], "all", "", 0).rows);
  assert.deepEqual(groups.map((one) => [one.pool, one.rows.length]), [["a", 2], ["b", 1]]);
});

test("what is scraped as localhost is not offered as 127.0.0.1", () => {
  const local = { ...target("a", 1), scrapeUrl: "http://localhost:9100/metrics?x=1" };
  assert.deepEqual([...scraped([local, target("a", 2)])], ["127.0.0.1:9100", "host2:9100"]);
});
