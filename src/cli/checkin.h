/* cli/checkin.h - `sonde checkin`: runs a job and tells the daemon how it went, or just tells.
 *
 * The job runs whether the daemon answers or not, its output passes through, and its exit status is
 * that of the command.
 *
 * Threads: one.
 */
#ifndef CLI_CHECKIN_H
#define CLI_CHECKIN_H

int checkin_run_command(int argc, char **argv);

#endif
