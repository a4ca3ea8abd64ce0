/* tool/docs.h - `sonde docs DIR`: writes the pages of docs/reference/ from the option tables.
 *
 * Threads: one.
 */
#ifndef TOOL_DOCS_H
#define TOOL_DOCS_H

int docs_run(int argc, char **argv);

#endif
