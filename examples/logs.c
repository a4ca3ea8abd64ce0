/* Structured logs, breadcrumbs, and an application's own logger that goes both ways.
 *
 *     cc logs.c $(pkg-config --cflags --libs sonde) && ./a.out
 *
 * Prints what its own logger hears, then the breadcrumbs that an error would have carried. */
#include <stdio.h>

#include <sonde/sonde.h>

/* The logger that the program had before; it prints, and hands on to libsonde. */
static void own_log(int level, const char *message, const char *file, int line)
{
    printf("own: %s\n", message);
    sonde_log_record record = SONDE_LOG_RECORD_INIT;
    record.level = level;
    record.category = "own";
    record.message = message;
    record.file = file;
    record.line = line;
    sonde_log_forward(&record);
}

/* And the other way: records of libsonde go to it. What it forwards from here is ignored, so that
 * the two do not feed each other for ever. */
static void heard(const sonde_log_record *record, void *user)
{
    (void)user;
    printf("heard: %s: %s\n", record->category, record->message);
}

int main(void)
{
    sonde_options options = SONDE_OPTIONS_INIT;
    const char *settings[] = {"log.level=info", NULL};
    options.service = "mailer";
    options.settings = settings;
    if (sonde_init(&options) != 0) {
        fprintf(stderr, "%s\n", sonde_last_problem());
    }
    sonde_log_on_record(heard, NULL);

    sonde_log(SONDE_LEVEL_DEBUG, "queue", "%s", "below the level: costs a comparison");
    sonde_log(SONDE_LEVEL_INFO, "queue", "%d mails wait", 17);
    sonde_attr attrs[] = {sonde_attr_int("size", 20480), sonde_attr_string("password", "hunter2")};
    sonde_log_attrs(SONDE_LEVEL_WARNING, "smtp", "ann@example.org was refused", attrs, 2);
    sonde_log_set_level("queue", SONDE_LEVEL_DEBUG);
    sonde_log(SONDE_LEVEL_DEBUG, "queue", "now %s is let through", "this");

    sonde_attr click[] = {sonde_attr_string("button", "send")};
    sonde_breadcrumb(SONDE_LEVEL_INFO, "ui", "clicked", click, 1);
    own_log(SONDE_LEVEL_ERROR, "the disk is full", __FILE__, __LINE__);

    char answer[8192];
    if (sonde_query("breadcrumbs", answer, sizeof answer, NULL) == 0) {
        printf("%s\n", answer);
    }
    sonde_shutdown(1000);
    return 0;
}
