/* base/arena_test.h - an arena that each case of a test finds empty. Included by tests only.
 *
 * Threads: one.
 */
#ifndef BASE_ARENA_TEST_H
#define BASE_ARENA_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"

static struct arena arena;

static inline int arena_test_begin(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static inline int arena_test_end(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

/* A case; begin is arena_test_begin, or what calls it and sets up more. */
#define ARENA_TEST(f, begin) cmocka_unit_test_setup_teardown(f, begin, arena_test_end)

#endif
