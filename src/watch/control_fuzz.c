#include "watch/control.h"

#include <string.h>

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request that is read is written as a line that is read as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request r, again;
    struct buf first, second;
    struct arena a;
    struct why why;
    arena_init(&a);
    buf_init(&first, CONTROL_LINE_MAX);
    buf_init(&second, CONTROL_LINE_MAX);
    if (control_request_read(str_of((const char *)data, size), &a, &r, &why) == 0) {
        must(r.verb < CONTROL_VERBS && r.lines >= 0 && r.lines <= CONTROL_LOG_LINES_MAX);
        control_request_write(&r, &first);
        struct str line = buf_str(&first);
        must(line.n > 0 && str_find(line, '\n') == line.n - 1);
        must(control_request_read(str_sub(line, 0, line.n - 1), &a, &again, &why) == 0);
        must(again.verb == r.verb && strcmp(again.target, r.target) == 0);
        control_request_write(&again, &second);
        must(str_eq(line, buf_str(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&a);
    return 0;
}
