#include "net/fetch_settings.h"

const struct fetch_settings fetch_settings_default = {
    .follow_redirects = true,
    .enable_http2 = true,
};
