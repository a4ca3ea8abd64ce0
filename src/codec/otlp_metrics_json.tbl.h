/* codec/otlp_metrics_json.tbl.h - the messages of an ExportMetricsServiceRequest: MESSAGE(name,
 * fields) with FIELD(key in JSON, number, type) for plain values, LIST(..) for repeated ones
 * (packed where they are numbers), ONE(key, number, message) and MANY(key, number, message). A
 * message stands behind those that it holds; ANY_VALUE and its lists hold each other. */
MESSAGE(KEY_VALUE, FIELD("key", 1, TEXT) ONE("value", 2, ANY_VALUE))
MESSAGE(ARRAY_VALUE, MANY("values", 1, ANY_VALUE))
MESSAGE(KEY_VALUE_LIST, MANY("values", 1, KEY_VALUE))
MESSAGE(ANY_VALUE,
        FIELD("stringValue", 1, TEXT) FIELD("boolValue", 2, BOOL) FIELD("intValue", 3, INT)
            FIELD("doubleValue", 4, DOUBLE) ONE("arrayValue", 5, ARRAY_VALUE)
                ONE("kvlistValue", 6, KEY_VALUE_LIST) FIELD("bytesValue", 7, BASE64))
MESSAGE(RESOURCE, MANY("attributes", 1, KEY_VALUE))
MESSAGE(SCOPE, FIELD("name", 1, TEXT) FIELD("version", 2, TEXT) MANY("attributes", 3, KEY_VALUE))
MESSAGE(EXEMPLAR, FIELD("timeUnixNano", 2, FIXED) FIELD("asDouble", 3, DOUBLE)
                      FIELD("spanId", 4, HEX) FIELD("traceId", 5, HEX) FIELD("asInt", 6, SFIXED)
                          MANY("filteredAttributes", 7, KEY_VALUE))
MESSAGE(NUMBER,
        FIELD("startTimeUnixNano", 2, FIXED) FIELD("timeUnixNano", 3, FIXED)
            FIELD("asDouble", 4, DOUBLE) MANY("exemplars", 5, EXEMPLAR) FIELD("asInt", 6, SFIXED)
                MANY("attributes", 7, KEY_VALUE) FIELD("flags", 8, UINT))
MESSAGE(HISTOGRAM_POINT,
        FIELD("startTimeUnixNano", 2, FIXED) FIELD("timeUnixNano", 3, FIXED)
            FIELD("count", 4, FIXED) FIELD("sum", 5, DOUBLE) LIST("bucketCounts", 6, FIXED)
                LIST("explicitBounds", 7, DOUBLE) MANY("exemplars", 8, EXEMPLAR)
                    MANY("attributes", 9, KEY_VALUE) FIELD("flags", 10, UINT)
                        FIELD("min", 11, DOUBLE) FIELD("max", 12, DOUBLE))
MESSAGE(BUCKETS, FIELD("offset", 1, SINT) LIST("bucketCounts", 2, UINT))
MESSAGE(EXPONENTIAL_POINT,
        MANY("attributes", 1, KEY_VALUE) FIELD("startTimeUnixNano", 2, FIXED)
            FIELD("timeUnixNano", 3, FIXED) FIELD("count", 4, FIXED) FIELD("sum", 5, DOUBLE)
                FIELD("scale", 6, SINT) FIELD("zeroCount", 7, FIXED) ONE("positive", 8, BUCKETS)
                    ONE("negative", 9, BUCKETS) FIELD("flags", 10, UINT)
                        MANY("exemplars", 11, EXEMPLAR) FIELD("min", 12, DOUBLE)
                            FIELD("max", 13, DOUBLE) FIELD("zeroThreshold", 14, DOUBLE))
MESSAGE(QUANTILE, FIELD("quantile", 1, DOUBLE) FIELD("value", 2, DOUBLE))
MESSAGE(SUMMARY_POINT,
        FIELD("startTimeUnixNano", 2, FIXED) FIELD("timeUnixNano", 3, FIXED)
            FIELD("count", 4, FIXED) FIELD("sum", 5, DOUBLE) MANY("quantileValues", 6, QUANTILE)
                MANY("attributes", 7, KEY_VALUE) FIELD("flags", 8, UINT))
MESSAGE(GAUGE, MANY("dataPoints", 1, NUMBER))
MESSAGE(SUM, MANY("dataPoints", 1, NUMBER) FIELD("aggregationTemporality", 2, TEMPORALITY)
                 FIELD("isMonotonic", 3, BOOL))
MESSAGE(HISTOGRAM,
        MANY("dataPoints", 1, HISTOGRAM_POINT) FIELD("aggregationTemporality", 2, TEMPORALITY))
MESSAGE(EXPONENTIAL,
        MANY("dataPoints", 1, EXPONENTIAL_POINT) FIELD("aggregationTemporality", 2, TEMPORALITY))
MESSAGE(SUMMARY, MANY("dataPoints", 1, SUMMARY_POINT))
MESSAGE(METRIC, FIELD("name", 1, TEXT) FIELD("description", 2, TEXT) FIELD("unit", 3, TEXT)
                    ONE("gauge", 5, GAUGE) ONE("sum", 7, SUM) ONE("histogram", 9, HISTOGRAM)
                        ONE("exponentialHistogram", 10, EXPONENTIAL) ONE("summary", 11, SUMMARY))
MESSAGE(SCOPE_METRICS,
        ONE("scope", 1, SCOPE) MANY("metrics", 2, METRIC) FIELD("schemaUrl", 3, TEXT))
MESSAGE(RESOURCE_METRICS, ONE("resource", 1, RESOURCE) MANY("scopeMetrics", 2, SCOPE_METRICS)
                              FIELD("schemaUrl", 3, TEXT))
MESSAGE(REQUEST, MANY("resourceMetrics", 1, RESOURCE_METRICS))
