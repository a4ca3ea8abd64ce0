/* tool/check_alertmanager.h - `sonde check alertmanager FILE..`: is a configuration file of
 * Alertmanager one that the daemon can work with, and are the files there that it names?
 *
 * Threads: one.
 */
#ifndef TOOL_CHECK_ALERTMANAGER_H
#define TOOL_CHECK_ALERTMANAGER_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/conf.h"

/* Is it such a file by its name: alertmanager in it, .yml or .yaml? */
bool check_alertmanager_named(const char *path);

/* Reads the file and all that it names, with the rows [[notify]] and [[alert.escalation]] of c
 * (NULL: none), and says on out what is good and what is passed over, on faults what is wrong.
 * path "": there is no file, c alone counts. 0: good; 1: faults. */
int check_alertmanager_file(const char *path, const struct conf *c, FILE *out, FILE *faults);

/* The words behind `sonde check alertmanager`. */
int check_alertmanager_run(int argc, char **argv);

#endif
