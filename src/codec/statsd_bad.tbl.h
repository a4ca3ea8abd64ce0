/* codec/statsd_bad.tbl.h - why a line of StatsD is bad: BAD(name, as a label's value, what is
 * wrong). */
BAD(NAME, "name", "no name, or one that is too long")
BAD(VALUE, "value", "no value, no finite number, or a counter's that is below 0")
BAD(TYPE, "type", "no type, or none of c, g, ms, h, d, s")
BAD(RATE, "rate", "the rate is not above 0 and at most 1")
BAD(TIME, "time", "the timestamp is no whole number of seconds since 1970")
BAD(EVENT, "event", "an event that is not _e{LENGTH,LENGTH}:TITLE|TEXT")
BAD(CHECK, "check", "a service check that is not _sc|NAME|0..3")
BAD(TAGS, "tags", "tags that cannot be labels: not UTF-8, too many, too long")
BAD(KIND, "kind", "the name with these tags is known with another type")
BAD(LIMIT, "limit", "a new series although there are as many as allowed")
