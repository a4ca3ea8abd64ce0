/* cli/app.h - `sonde apps`, `sonde services`, `sonde errors`: applications that link libsonde,
 * asked through the daemon.
 *
 * Exit status: 0; 1: the daemon or the application refuses; 2: not understood, or nobody answers.
 *
 * Threads: one.
 */
#ifndef CLI_APP_H
#define CLI_APP_H

int app_run_apps(int argc, char **argv);
int app_run_services(int argc, char **argv);
int app_run_errors(int argc, char **argv);

#endif
