/* client/debug/dbus_library.h - the functions of libdbus-1.so.3 that are needed, found at run time.
 *
 * Nothing of libdbus is needed to build or to load libsonde: the few types are written down here as
 * its stable interface has them (D-Bus 1.6 and later).
 *
 * Threads: the worker.
 */
#ifndef CLIENT_DEBUG_DBUS_LIBRARY_H
#define CLIENT_DEBUG_DBUS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dbus_library_error { /* DBusError */
    const char *name, *message;
    unsigned int bits;
    void *padding;
};

enum { DBUS_LIBRARY_CALL = 1, DBUS_LIBRARY_RETURN = 2, DBUS_LIBRARY_ERROR = 3 };

/* Result, name without "dbus_", arguments. dbus_bool_t is 32 bits wide. */
#define DBUS_LIBRARY_FUNCTIONS(X)                                                                  \
    X(void, error_init, (struct dbus_library_error *))                                             \
    X(void, error_free, (struct dbus_library_error *))                                             \
    X(uint32_t, parse_address, (const char *, void ***, int *, struct dbus_library_error *))       \
    X(void, address_entries_free, (void **))                                                       \
    X(const char *, address_entry_get_method, (void *))                                            \
    X(const char *, address_entry_get_value, (void *, const char *))                               \
    X(void *, connection_open_private, (const char *, struct dbus_library_error *))                \
    X(void, connection_set_exit_on_disconnect, (void *, uint32_t))                                 \
    X(void, connection_set_max_message_size, (void *, long))                                       \
    X(void, connection_set_max_received_size, (void *, long))                                      \
    X(uint32_t, connection_get_unix_fd, (void *, int *))                                           \
    X(uint32_t, connection_read_write, (void *, int))                                              \
    X(void *, connection_pop_message, (void *))                                                    \
    X(uint32_t, connection_get_is_connected, (void *))                                             \
    X(uint32_t, connection_get_is_authenticated, (void *))                                         \
    X(uint32_t, connection_has_messages_to_send, (void *))                                         \
    X(long, connection_get_outgoing_size, (void *))                                                \
    X(uint32_t, connection_send, (void *, void *, uint32_t *))                                     \
    X(void, connection_close, (void *))                                                            \
    X(void, connection_unref, (void *))                                                            \
    X(void *, message_new_method_call, (const char *, const char *, const char *, const char *))   \
    X(void *, message_new_method_return, (void *))                                                 \
    X(void *, message_new_error, (void *, const char *, const char *))                             \
    X(uint32_t, message_append_args, (void *, int, ...))                                           \
    X(uint32_t, message_get_args, (void *, struct dbus_library_error *, int, ...))                 \
    X(uint32_t, message_has_signature, (void *, const char *))                                     \
    X(int, message_get_type, (void *))                                                             \
    X(const char *, message_get_path, (void *))                                                    \
    X(const char *, message_get_interface, (void *))                                               \
    X(const char *, message_get_member, (void *))                                                  \
    X(const char *, message_get_sender, (void *))                                                  \
    X(const char *, message_get_error_name, (void *))                                              \
    X(uint32_t, message_get_reply_serial, (void *))                                                \
    X(uint32_t, message_get_no_reply, (void *))                                                    \
    X(void *, message_ref, (void *))                                                               \
    X(void, message_unref, (void *))                                                               \
    X(uint32_t, validate_utf8, (const char *, struct dbus_library_error *))

struct dbus_library {
#define X(result, name, arguments) result(*name) arguments;
    DBUS_LIBRARY_FUNCTIONS(X)
#undef X
};

extern struct dbus_library dbus_library;

/* Finds them, once; false: libdbus is not there, or too old, with a sentence. */
bool dbus_library_load(char *problem, size_t size);

#endif
