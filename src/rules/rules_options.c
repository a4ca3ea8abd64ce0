#include "base/vec.h"
#include "model/labels.h"
#include "rules/rules.h"

#define AT(member) offsetof(struct rules_settings, member)

enum { DAY_MS = 86400000 };

static const struct option ROWS[] = {
    {"files", OPTION_LIST, AT(files), "", 0, 0, NULL, OPTION_RELOAD,
     "Rule files in Prometheus's format, as paths or shell patterns (*, ?, [..]). The worker may "
     "open what lies in their directories."},
    {"tenant", OPTION_TEXT, AT(tenant), "default", 0, TENANT_NAME_MAX, NULL, 0,
     "Whose series the rules read and write."},
    {"evaluation_interval_ms", OPTION_INT, AT(evaluation_interval_ms), "60000", 10, DAY_MS, NULL,
     OPTION_RELOAD, "How often groups run that name no interval; also the step of subqueries."},
    {"query_offset_ms", OPTION_INT, AT(query_offset_ms), "0", 0, DAY_MS, NULL, OPTION_RELOAD,
     "How far before its time a group looks, where it names no query_offset: for samples that "
     "arrive late."},
    {"for_grace_period_ms", OPTION_INT, AT(for_grace_period_ms), "600000", 0, DAY_MS, NULL,
     OPTION_RELOAD,
     "After a restart an alert waits at least this long before it fires again; alerts whose for is "
     "shorter begin anew."},
    {"for_outage_tolerance_ms", OPTION_INT, AT(for_outage_tolerance_ms), "3600000", 0,
     30.0 * DAY_MS, NULL, OPTION_RELOAD,
     "After a longer outage the states of alerts are not taken up again."},
    {"resend_delay_ms", OPTION_INT, AT(resend_delay_ms), "60000", 0, DAY_MS, NULL, OPTION_RELOAD,
     "How long to wait before telling of the same firing alert again."},
    {"concurrency", OPTION_INT, AT(concurrency), "4", 1, 64, NULL, 0,
     "Threads that evaluate groups; as many groups run at once."},
    {"timeout_ms", OPTION_INT, AT(timeout_ms), "120000", 100, DAY_MS, NULL, OPTION_RELOAD,
     "The longest that the query of one rule may take."},
    {"samples_max", OPTION_INT, AT(samples_max), "50000000", 1000, 1e12, NULL, OPTION_RELOAD,
     "Samples that the query of one rule may hold in memory at once."},
    {"groups_max", OPTION_INT, AT(groups_max), "10000", 1, 1000000, NULL, OPTION_RELOAD,
     "Groups of all rule files together; more are a fault of the files."},
    {"external_labels", OPTION_LIST, AT(external_labels), "", 0, 0, NULL, OPTION_RELOAD,
     "Labels, as name=value, that this daemon adds to what it tells others: $externalLabels in "
     "templates, federation, remote read."},
    {"external_url", OPTION_TEXT, AT(external_url), "", 0, 4000, NULL, OPTION_RELOAD,
     "Where people reach this daemon: the beginning of links in alerts."},
};

const struct option_table rules_options = {
    "rules",       "Recording and alerting rules.", false, sizeof(struct rules_settings), ROWS,
    COUNTOF(ROWS),
};

int rules_external_labels(const struct rules_settings *s, struct arena *a, struct str *ret,
                          struct why *why)
{
    struct label labels[LABELS_MAX];
    size_t n = 0;
    if (s->external_labels.n == 0) {
        *ret = arena_str(a, s->external_key);
        return 0;
    }
    if (s->external_labels.n > LABELS_MAX)
        return why_set(why, ERR_LIMIT, "rules.external_labels has more than %d labels", LABELS_MAX);
    for (size_t i = 0; i < s->external_labels.n; i++) {
        struct str text = str_c(s->external_labels.v[i]);
        size_t equal = str_find(text, '=');
        labels[n++] = (struct label){str_trim(str_sub(text, 0, equal)),
                                     str_trim(str_sub(text, equal + 1, text.n))};
        if (equal == text.n || !label_name_plain(labels[n - 1].name))
            return why_set(why, ERR_FORMAT,
                           "rules.external_labels: \"%s\" is not of the form name=value",
                           s->external_labels.v[i]);
    }
    struct buf key;
    buf_init(&key, LABELS_KEY_MAX);
    int err = labels_encode_bare(labels, n, &key, why);
    if (err == 0)
        *ret = arena_str(a, buf_str(&key));
    else
        (void)why_prefix(why, "rules.external_labels");
    buf_done(&key);
    return err;
}

int rules_settings_check(const struct rules_settings *s, struct why *why)
{
    struct arena a;
    struct str key;
    arena_init(&a);
    int err = rules_external_labels(s, &a, &key, why);
    arena_done(&a);
    struct str url = str_c(s->external_url);
    if (err == 0 && url.n > 0 && !str_starts(url, STR("http://")) &&
        !str_starts(url, STR("https://")))
        err = why_set(why, ERR_FORMAT, "rules.external_url: \"%s\" is no http:// or https:// URL",
                      s->external_url);
    for (size_t i = 0; err == 0 && i < s->files.n; i++)
        if (s->files.v[i][0] == '\0')
            err = why_set(why, ERR_FORMAT, "rules.files has an empty path");
    return err;
}
