#include "client/debug/dbus_answer.h"

#include <stdio.h>
#include <string.h>

#include "client/debug/dbus_library.h"

#define OBJECT   "/dev/sonde/Debug"
#define ERROR(x) "org.freedesktop.DBus.Error." x

enum { NAMES_MAX = 512 };

static const char introspection[] =
    "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
    " \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
    "<node>\n"
    " <interface name=\"dev.sonde.Debug1\">\n"
    "  <method name=\"Query\">\n"
    "   <arg name=\"line\" type=\"s\" direction=\"in\"/>\n"
    "   <arg name=\"answer\" type=\"s\" direction=\"out\"/>\n"
    "  </method>\n"
    "  <method name=\"Commands\"><arg name=\"names\" type=\"as\" direction=\"out\"/></method>\n"
    " </interface>\n"
    " <interface name=\"org.freedesktop.DBus.Introspectable\">\n"
    "  <method name=\"Introspect\"><arg name=\"xml\" type=\"s\" direction=\"out\"/></method>\n"
    " </interface>\n"
    " <interface name=\"org.freedesktop.DBus.Peer\"><method name=\"Ping\"/></interface>\n"
    "</node>\n";

static struct dbus_library *const lib = &dbus_library;

static void *with_string(void *call, const char *s)
{
    if (!lib->validate_utf8(s, NULL)) { /* libdbus aborts where it is given such a string */
        return lib->message_new_error(call, ERROR("Failed"), "the answer is no UTF-8");
    }
    void *m = lib->message_new_method_return(call);
    if (m && !lib->message_append_args(m, 's', &s, 0)) {
        lib->message_unref(m);
        m = NULL;
    }
    return m;
}

static void *query(void *call, enum command_level level)
{
    const char *line = NULL;
    if (!lib->message_get_args(call, NULL, 's', &line, 0)) {
        return lib->message_new_error(call, ERROR("InvalidArgs"), "Query takes one string");
    }
    struct text t;
    text_init(&t, COMMAND_ANSWER_MAX);
    command_run(line, strlen(line), level, &t); /* an error is an answer too */
    void *m = t.cut ? NULL : with_string(call, text_string(&t));
    if (t.cut) {
        m = lib->message_new_error(call, ERROR("LimitsExceeded"), "the answer is too long");
    }
    text_done(&t);
    return m;
}

struct names {
    const char *list[NAMES_MAX]; /* rows stay for ever */
    int n;
    enum command_level level;
};

static void take_name(const struct command *command, void *context)
{
    struct names *names = context;
    if (names->n < NAMES_MAX && command->level <= names->level &&
        lib->validate_utf8(command->name, NULL)) {
        names->list[names->n++] = command->name;
    }
}

static void *commands(void *call, enum command_level level)
{
    struct names names = {.n = 0, .level = level};
    command_each(take_name, &names);
    const char **list = names.list;
    void *m = lib->message_new_method_return(call);
    if (m && !lib->message_append_args(m, 'a', 's', &list, names.n, 0)) {
        lib->message_unref(m);
        m = NULL;
    }
    return m;
}

/* The way to the object, so that a browser of the bus finds it. */
static void *introspect(void *call, const char *path)
{
    static const struct {
        const char *path, *child;
    } way[] = {{"/", "dev"}, {"/dev", "sonde"}, {"/dev/sonde", "Debug"}};
    if (strcmp(path, OBJECT) == 0) {
        return with_string(call, introspection);
    }
    char node[64] = "<node/>\n";
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        if (strcmp(path, way[i].path) == 0) {
            snprintf(node, sizeof node, "<node><node name=\"%s\"/></node>\n", way[i].child);
        }
    }
    return with_string(call, node);
}

/* A call may leave the interface out. */
static bool is(void *call, const char *interface, const char *member)
{
    const char *i = lib->message_get_interface(call), *m = lib->message_get_member(call);
    return m && strcmp(m, member) == 0 && (!i || strcmp(i, interface) == 0);
}

void *dbus_answer(void *call, enum command_level level)
{
    const char *path = lib->message_get_path(call);
    path = path ? path : "";
    if (is(call, "org.freedesktop.DBus.Peer", "Ping")) {
        return lib->message_new_method_return(call);
    }
    if (is(call, "org.freedesktop.DBus.Introspectable", "Introspect")) {
        return introspect(call, path);
    }
    if (strcmp(path, OBJECT) != 0) {
        return lib->message_new_error(call, ERROR("UnknownObject"), "the object is " OBJECT);
    }
    if (is(call, "dev.sonde.Debug1", "Query")) {
        return query(call, level);
    }
    if (is(call, "dev.sonde.Debug1", "Commands")) {
        return commands(call, level);
    }
    return lib->message_new_error(call, ERROR("UnknownMethod"),
                                  "dev.sonde.Debug1 has Query(s) and Commands()");
}
