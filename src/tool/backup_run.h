/* tool/backup_run.h - `sonde backup`: makes, lists and prunes backups.
 *
 * Threads: one.
 */
#ifndef TOOL_BACKUP_RUN_H
#define TOOL_BACKUP_RUN_H

int backup_run(int argc, char **argv);

#endif
