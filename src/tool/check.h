/* tool/check.h - `sonde check CONFIG`: is it well-formed, and what is in force with it? `sonde
 * check rules FILE..` is tool/check_rules.h, `sonde check prometheus.yml` tool/check_prometheus.h,
 * `sonde check alertmanager FILE..` tool/check_alertmanager.h.
 *
 * Threads: one.
 */
#ifndef TOOL_CHECK_H
#define TOOL_CHECK_H

int check_run(int argc, char **argv);

#endif
