/* tool/restore.h - `sonde restore`: a data directory from a backup.
 *
 * Threads: one.
 */
#ifndef TOOL_RESTORE_H
#define TOOL_RESTORE_H

int restore_run(int argc, char **argv);

#endif
