/* tool/test.h - `sonde test KIND FILE..`: runs files of cases; what cases is the kind's business.
 *
 * Threads: one.
 */
#ifndef TOOL_TEST_H
#define TOOL_TEST_H

int test_run(int argc, char **argv);

#endif
