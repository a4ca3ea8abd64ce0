/* rules/rule_file_refused.tbl.h - files among the conformance data that Prometheus refuses too:
 * REFUSED(path, a part of why, does it load with unknown fields passed over?). */
REFUSED("promtool/rulefmt/bad_expr.bad.yaml", "expected type range vector", false)
REFUSED("promtool/rulefmt/duplicate_grp.bad.yaml", "is repeated in the same file", false)
REFUSED("promtool/rulefmt/invalid_record_name.bad.yaml",
        "braces present in the recording rule name", false)
REFUSED("promtool/rulefmt/no_rec_alert.bad.yaml", "one of 'record' or 'alert' must be set", false)
REFUSED("promtool/rulefmt/record_and_alert.bad.yaml",
        "only one of 'record' and 'alert' must be set", false)
REFUSED("promtool/rulefmt/record_and_keep_firing_for.bad.yaml",
        "invalid field 'keep_firing_for' in recording rule", false)
/* Fields that vmalert has added. */
REFUSED("rules/victoriametrics/alerts-cluster.yml", "field concurrency not found", true)
REFUSED("rules/victoriametrics/alerts-single-node.yml", "field concurrency not found", true)
REFUSED("rules/vmalert_testdata/rules-replay-good.rules", "field concurrency not found", true)
REFUSED("rules/vmalert_testdata/rules0-good.rules", "field params not found", true)
REFUSED("rules/vmalert_testdata/rules_interval_bad.rules", "field eval_offset not found", true)
/* Queries in other languages: Graphite, LogsQL. */
REFUSED("rules/vmalert_testdata/rules3-good.rules", "unknown function with name \"filterSeries\"",
        false)
REFUSED("rules/vmalert_testdata/vlog-rules0-bad.rules", "could not parse expression", false)
/* Files of unit tests for rules. */
REFUSED("rules/vmalert_tool_unittest/disable-group-label.yaml", "field rule_files not found", true)
REFUSED("rules/vmalert_tool_unittest/failed-test.yaml", "field rule_files not found", true)
REFUSED("rules/vmalert_tool_unittest/test2.yaml", "field rule_files not found", true)
