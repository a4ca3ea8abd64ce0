#include "daemon/respond_rules.h"

#include "base/log.h"
#include "serve/query_settings.h"

static void warn(void *context, const char *text)
{
    (void)context;
    log_warn("rules", "%s", text);
}

int respond_rules_open(struct state *state, struct rules *rules, const struct conf *conf,
                       const struct clock *clock, struct threshold_list **ret, struct why *why)
{
    struct threshold_list_config config = {
        .state = state,
        .rules = rules,
        .clock = clock,
        .options = query_settings_language(conf_get(conf, &query_settings_options)),
        .rows = conf_rows(conf, &threshold_options),
        .warn = warn};
    return threshold_list_open(&config, ret, why);
}

void respond_rules_reload(struct threshold_list *custom, const struct conf *conf)
{
    threshold_list_reload(custom, conf_rows(conf, &threshold_options));
}
