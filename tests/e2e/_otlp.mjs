// A program with OpenTelemetry's JavaScript SDK as its users write one: counters, a gauge and both
// kinds of histograms, exported to URL in two rounds; prints what it has counted.
// usage: node _otlp.mjs FOLDER URL proto|http cumulative|delta
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, url, encoding, temporality] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));
const { AggregationTemporality, AggregationType, MeterProvider, PeriodicExportingMetricReader } =
    require("@opentelemetry/sdk-metrics");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${encoding}`);

const exporter = new OTLPMetricExporter({
    url,
    temporalityPreference:
        temporality === "delta" ? AggregationTemporality.DELTA : AggregationTemporality.CUMULATIVE,
});
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600000 });
const provider = new MeterProvider({
    resource: resourceFromAttributes({
        "service.name": `js-${encoding}-${temporality}`,
        "service.instance.id": "one",
        "service.version": "1.2.3",
    }),
    readers: [reader],
    views: [{ instrumentName: "size", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
});
const meter = provider.getMeter("e2e");
const orders = meter.createCounter("shop.orders", { description: "Orders taken." });
const depth = meter.createUpDownCounter("queue.depth");
const took = meter.createHistogram("took", { unit: "s", advice: { explicitBucketBoundaries: [1, 5] } });
const size = meter.createHistogram("size", { unit: "By" });
meter.createObservableGauge("heat", { unit: "Cel" }).addCallback((r) => r.observe(36.5));

for (let round = 0; round < 2; round++) {
    orders.add(3, { kind: "book" });
    orders.add(1, { kind: "toy" });
    depth.add(2);
    depth.add(-1);
    for (const v of [0.5, 2, 10]) took.record(v);
    for (const v of [100, 200, 400]) size.record(v);
    await provider.forceFlush();
    await new Promise((done) => setTimeout(done, 20));
}
await reader.shutdown();
