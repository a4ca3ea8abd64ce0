/* tool/check_prometheus.h - `sonde check prometheus.yml`: is a configuration file of Prometheus one
 * that the daemon can work with, are the rule files good that it names, and are the files there?
 *
 * Threads: one.
 */
#ifndef TOOL_CHECK_PROMETHEUS_H
#define TOOL_CHECK_PROMETHEUS_H

#include <stdbool.h>
#include <stdio.h>

#include "tool/check_rules.h"

/* Is it such a file by its name: .yml, .yaml? */
bool check_prometheus_named(const char *path);

/* Reads the file and all that it names, and says on out what is good and what is passed over, on
 * faults all that is wrong. 0: good; 1: faults; CHECK_RULES_LINT: duplicate rules alone, where they
 * are fatal. */
int check_prometheus_file(const char *path, const struct check_rules_options *options, FILE *out,
                          FILE *faults);

/* The words behind `sonde check prometheus`, those of `sonde check rules`. */
int check_prometheus_run(int argc, char **argv);

#endif
