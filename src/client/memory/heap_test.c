#include "client/memory/heap.h"

#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/core/text.h"

static bool said; /* what the last heap_xml_json() gave */

static json_t *read_xml(const char *xml, size_t n)
{
    struct text t;
    struct jot j;
    text_init(&t, 1 << 20);
    jot_init(&j, &t);
    jot_object(&j, NULL);
    said = heap_xml_json(xml, n, &j);
    jot_end(&j);
    json_error_t error;
    json_t *ret = json_loadb(t.bytes, t.len, JSON_ALLOW_NUL, &error);
    assert_non_null(ret);
    assert_int_equal(j.depth, 0);
    text_done(&t);
    return ret;
}

static long long number_at(const json_t *j, const char *a, const char *b)
{
    const json_t *in = json_object_get(j, a);
    assert_non_null(json_object_get(in, b));
    return json_integer_value(json_object_get(in, b));
}

static const char document[] =
    "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n"
    "  <size from=\"17\" to=\"32\" total=\"64\" count=\"2\"/>\n"
    "  <size from=\"33\" to=\"48\" total=\"96\" count=\"3\"/>\n"
    "  <unsorted from=\"81\" to=\"1281\" total=\"2000\" count=\"4\"/>\n"
    "</sizes>\n<total type=\"fast\" count=\"5\" size=\"160\"/>\n"
    "<total type=\"rest\" count=\"6\" size=\"2000\"/>\n"
    "<system type=\"current\" size=\"135168\"/>\n<aspace type=\"total\" size=\"135168\"/>\n"
    "</heap>\n<heap nr=\"1\">\n<sizes>\n</sizes>\n<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
    "</heap>\n<total type=\"mmap\" count=\"1\" size=\"200704\"/>\n"
    "<system type=\"max\" size=\"270336\"/>\n</malloc>\n";

static void the_documents_figures_are_all_there(void **state)
{
    json_t *j = read_xml(document, sizeof document - 1);
    assert_true(said);
    assert_int_equal(json_integer_value(json_object_get(j, "version")), 1);
    json_t *heaps = json_object_get(j, "heaps"), *first = json_array_get(heaps, 0);
    assert_int_equal(json_array_size(heaps), 2);
    json_t *sizes = json_object_get(first, "sizes");
    assert_int_equal(json_array_size(sizes), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(sizes, 1), "total")), 96);
    assert_int_equal(number_at(first, "unsorted", "count"), 4);
    assert_int_equal(number_at(first, "total_fast", "size"), 160);
    assert_int_equal(number_at(first, "total_rest", "count"), 6);
    assert_int_equal(number_at(first, "system_current", "size"), 135168);
    assert_int_equal(number_at(json_array_get(heaps, 1), "total_fast", "count"), 0);
    assert_int_equal(number_at(j, "total_mmap", "size"), 200704);
    assert_int_equal(number_at(j, "system_max", "size"), 270336);
    json_decref(j);
}

static void a_document_cut_anywhere_stays_json(void **state)
{
    for (size_t n = 0; n < sizeof document - 1; n++) {
        json_decref(read_xml(document, n));
        assert_true(!said || n >= sizeof document - 2); /* but for the last line's end */
    }
}

static void a_document_with_wrong_bytes_stays_json(void **state)
{
    char copy[sizeof document];
    srandom(6);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, document, sizeof document);
        for (long k = random() % 4; k >= 0; k--) {
            copy[random() % (long)(sizeof document - 1)] = "<>/\"= az09\n\0"[random() % 12];
        }
        json_decref(read_xml(copy, sizeof document - 1));
    }
}

static void what_this_c_library_says_is_understood(void **state)
{
    char *xml = NULL;
    size_t n = 0;
    void *volatile held = malloc(1 << 20), *volatile small[50];
    for (int i = 0; i < 50; i++) {
        small[i] = malloc((size_t)(100 + i * 40));
    }
    for (int i = 0; i < 50; i += 2) {
        free(small[i]);
    }
    FILE *f = open_memstream(&xml, &n);
    assert_int_equal(malloc_info(0, f), 0);
    fclose(f);
    json_t *j = read_xml(xml, n);
    assert_true(said);
/* The allocators of sanitizers say nothing of their own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(json_array_size(json_object_get(j, "heaps")) >= 1);
    assert_true(number_at(j, "total_mmap", "size") >= 1 << 20 ||
                number_at(j, "system_current", "size") >= 1 << 20);
#endif
    json_decref(j);
    for (int i = 1; i < 50; i += 2) {
        free(small[i]);
    }
    free(held);
    free(xml);
}

static void resident_memory_is_what_the_kernel_says(void **state)
{
    const size_t size = 32 << 20;
    double before = heap_rss_bytes();
    void *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_true(p != MAP_FAILED);
    double grown = heap_rss_bytes() - before;
    assert_int_equal(munmap(p, size), 0);
    assert_true(before > 1e5);
    assert_true(grown > 30e6 && grown < 60e6);
}

/* Prints jemalloc's report; main() is called so under LD_PRELOAD by the test after it. */
static int print_jemalloc(void)
{
    struct text t;
    struct jot j;
    void *volatile held = malloc(3 << 20);
    text_init(&t, 1 << 20);
    jot_init(&j, &t);
    jot_object(&j, NULL);
    heap_jemalloc(&j);
    jot_end(&j);
    fwrite(t.bytes, 1, t.len, stdout);
    text_done(&t);
    free(held);
    return 0;
}

static json_t *report_under(const char *preload)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (*preload) {
            setenv("LD_PRELOAD", preload, 1);
        }
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "heap_test", "jemalloc", (char *)NULL);
        _exit(1);
    }
    assert_true(pid > 0);
    close(ends[1]);
    FILE *f = fdopen(ends[0], "r");
    assert_non_null(f);
    json_error_t error;
    json_t *j = json_loadf(f, 0, &error);
    fclose(f);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(j);
    return j;
}

static void jemallocs_figures_are_read_where_it_is_loaded(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* it would take the place of the sanitizer's allocator */
#endif
    static const char path[] = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
    json_t *j = report_under("");
    assert_true(json_is_false(json_object_get(j, "linked")));
    json_decref(j);
    if (access(path, R_OK) != 0) {
        print_message("1 case left out: %s is not there\n", path);
        skip();
    }
    j = report_under(path);
    assert_true(json_is_true(json_object_get(j, "linked")));
    assert_true(json_integer_value(json_object_get(j, "allocated")) >= 3 << 20);
    assert_true(json_integer_value(json_object_get(j, "resident")) >=
                json_integer_value(json_object_get(j, "active")));
    assert_true(json_integer_value(json_object_get(j, "active")) >=
                json_integer_value(json_object_get(j, "allocated")));
    json_t *arena = json_array_get(json_object_get(j, "arenas"), 0);
    assert_true(json_integer_value(json_object_get(arena, "large_allocated")) +
                    json_integer_value(json_object_get(arena, "small_allocated")) >
                0);
    assert_non_null(json_string_value(json_object_get(j, "version")));
    json_decref(j);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "jemalloc") == 0) {
        return print_jemalloc();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documents_figures_are_all_there),
        cmocka_unit_test(a_document_cut_anywhere_stays_json),
        cmocka_unit_test(a_document_with_wrong_bytes_stays_json),
        cmocka_unit_test(what_this_c_library_says_is_understood),
        cmocka_unit_test(resident_memory_is_what_the_kernel_says),
        cmocka_unit_test(jemallocs_figures_are_read_where_it_is_loaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
