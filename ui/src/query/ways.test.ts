import assert from "node:assert/strict";
import { test } from "node:test";
import { minuteQuery, reachable, settingsOf, waysOf } from "./ways";

const TEXT = `global:
  scrape_interval: 1m
# The configuration in force:
# [statsd]
# listen = ["0.0.0.0:8125", "unix:/run/sonde/statsd"]
# interval_ms = 1000
#
# [graphite]
# listen = []
# listen_udp = ["127.0.0.1:2003"]
# listen_pickle = []
#
# [otlp]
# listen = ["[::]:4318"]
`;

test("settings are read from the comments of the configuration", () => {
  const settings = settingsOf(TEXT);
  assert.deepEqual(settings.get("statsd")?.get("listen"), ["0.0.0.0:8125", "unix:/run/sonde/statsd"]);
  assert.equal(settings.get("statsd")?.get("interval_ms"), 1000);
  assert.equal(settings.get("global"), undefined);
});

test("who listens everywhere is reached as the page is", () => {
  assert.equal(reachable("0.0.0.0:8125", "db1"), "db1:8125");
  assert.equal(reachable("[::]:8125", "fd00::1"), "[fd00::1]:8125");
  assert.equal(reachable("127.0.0.1:2003", "db1"), "127.0.0.1:2003");
});

test("a way is off where it listens nowhere", () => {
  const ways = new Map(waysOf(settingsOf(TEXT), "http://db1:7663", "db1").map((way) => [way.name, way]));
  assert.deepEqual(ways.get("statsd")?.addresses, ["db1:8125", "unix:/run/sonde/statsd"]);
  assert.match(ways.get("statsd")?.snippet ?? "", /\/dev\/udp\/db1\/8125'$/);
  assert.deepEqual(ways.get("collectd")?.addresses, []);
  assert.equal(ways.get("collectd")?.snippet, "");
  assert.match(ways.get("collectd")?.on ?? "", /^\[collectd\]\nlisten = /);
  assert.deepEqual(ways.get("otlp")?.addresses, ["http://db1:4318/v1/metrics", "http://db1:7663/v1/metrics"]);
  assert.deepEqual(ways.get("remote_write")?.addresses, ["http://db1:7663/api/v1/write"]);
});

test("Graphite's line goes the way that is open", () => {
  const udp = waysOf(settingsOf(TEXT), "http://db1:7663", "db1").find((way) => way.name === "graphite");
  assert.match(udp?.snippet ?? "", /\/dev\/udp\/127\.0\.0\.1\/2003'$/);
});

test("an address that another program has is told, and not offered", () => {
  const ways = new Map(waysOf(settingsOf(TEXT), "http://db1:7663", "db1", new Set(["otlp", "graphite_udp", "collectd"])).map((way) => [way.name, way]));
  assert.deepEqual(ways.get("otlp")?.taken, ["[::]:4318"]);
  assert.deepEqual(ways.get("otlp")?.addresses, ["http://db1:7663/v1/metrics"]);
  assert.deepEqual([ways.get("graphite")?.taken, ways.get("graphite")?.addresses], [["127.0.0.1:2003"], []]);
  assert.deepEqual([ways.get("collectd")?.taken, ways.get("statsd")?.taken], [[], []]);
});

test("counts of a minute are one query", () => {
  assert.equal(minuteQuery([{ way: "a", metric: "x_total" }, { way: "b", metric: "" }], '{job="n"}'),
    'label_replace((sum(x_total{job="n"}) - (sum(x_total{job="n"} offset 1m) <= sum(x_total{job="n"}))) or sum(x_total{job="n"}), "way", "a", "", "")');
});
