#include "client/trace/otlp.h"

#include "client/core/identity.h"
#include "client/core/proto.h"
#include "client/core/setting.h"

enum { KEY = 1, VALUE = 2, ANY_STRING = 1, ANY_INT = 3 };
enum { REQUEST_RESOURCES = 1, RESOURCE_ATTRIBUTES = 1 };
enum {
    SIGNALS_RESOURCE = 1,
    SIGNALS_SCOPES = 2,
    SCOPES_SCOPE = 1,
    SCOPE_NAME = 1,
    SCOPE_VERSION = 2
};

void otlp_string(struct text *t, unsigned field, const char *key, const char *value)
{
    size_t pair = proto_open(t, field);
    proto_string(t, KEY, key);
    size_t any = proto_open(t, VALUE);
    proto_string(t, ANY_STRING, value);
    proto_close(t, any);
    proto_close(t, pair);
}

static void integer(struct text *t, unsigned field, const char *key, int64_t value)
{
    size_t pair = proto_open(t, field);
    proto_string(t, KEY, key);
    size_t any = proto_open(t, VALUE);
    proto_varint(t, ANY_INT, (uint64_t)value);
    proto_close(t, any);
    proto_close(t, pair);
}

void otlp_resource(struct text *t, unsigned field)
{
    size_t resource = proto_open(t, field);
    otlp_string(t, RESOURCE_ATTRIBUTES, "service.name", identity.service);
    if (*setting.release) {
        otlp_string(t, RESOURCE_ATTRIBUTES, "service.version", setting.release);
    }
    otlp_string(t, RESOURCE_ATTRIBUTES, "deployment.environment.name", setting.environment);
    otlp_string(t, RESOURCE_ATTRIBUTES, "service.instance.id", identity.instance);
    integer(t, RESOURCE_ATTRIBUTES, "process.pid", identity.pid);
    otlp_string(t, RESOURCE_ATTRIBUTES, "host.name", identity.host);
    otlp_string(t, RESOURCE_ATTRIBUTES, "telemetry.sdk.name", "sonde");
    otlp_string(t, RESOURCE_ATTRIBUTES, "telemetry.sdk.language", "c");
    otlp_string(t, RESOURCE_ATTRIBUTES, "telemetry.sdk.version", SONDE_VERSION);
    proto_close(t, resource);
}

void otlp_scope(struct text *t, unsigned field)
{
    size_t scope = proto_open(t, field);
    proto_string(t, SCOPE_NAME, "libsonde");
    proto_string(t, SCOPE_VERSION, SONDE_VERSION);
    proto_close(t, scope);
}

void otlp_begin(struct otlp_request *r)
{
    if (r->text.max == 0) {
        text_init(&r->text, OTLP_MAX_BYTES);
    }
    text_clear(&r->text);
    r->items = 0;
    r->whole = proto_open(&r->text, REQUEST_RESOURCES);
    otlp_resource(&r->text, SIGNALS_RESOURCE);
    r->scope = proto_open(&r->text, SIGNALS_SCOPES);
    otlp_scope(&r->text, SCOPES_SCOPE);
}

void otlp_end(struct otlp_request *r)
{
    proto_close(&r->text, r->scope);
    proto_close(&r->text, r->whole);
}

void otlp_done(struct otlp_request *r)
{
    text_done(&r->text);
}
