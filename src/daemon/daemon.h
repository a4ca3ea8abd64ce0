/* daemon/daemon.h - `sonde serve`: the parent, which reads the configuration, opens the listeners
 * and keeps a worker running.
 *
 * Flow:    argv + sonde.toml -> listeners + configuration in shared memory -> supervise -> worker
 * Threads: one.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

int daemon_run(int argc, char **argv);

#endif
