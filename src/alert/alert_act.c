#include "alert/alert_inside.h"

#include "base/mem.h"

static const char *const WHAT[] = {"acknowledged", "unacknowledged", "assigned", "comment"};

struct change {
    const struct alert_item *item; /* as it is to be; NULL: it stays */
    struct alert_history_row row;
};

static int write(void *context, struct state_tx *tx, struct why *why)
{
    const struct change *c = context;
    int err = c->item ? alert_state_put_item(tx, c->item, why) : 0;
    return err ? err : alert_state_put_history(tx, &c->row, why);
}

/* i as it is after the action, its texts on disk alone. */
static struct alert_item changed(const struct alert_item *i, enum alert_action action, char *who,
                                 char *text, int64_t now_ms)
{
    struct alert_item after = *i;
    switch (action) {
    case ALERT_ACKNOWLEDGE:
        after.acknowledged_by = who;
        after.acknowledged_ms = now_ms;
        after.escalation = NULL;
        after.escalation_base_ms = after.escalation_step = after.escalation_round = 0;
        break;
    case ALERT_UNACKNOWLEDGE:
        after.acknowledged_by = NULL;
        after.acknowledged_ms = 0;
        break;
    case ALERT_ASSIGN:
        after.assigned_to = text[0] ? text : NULL;
        break;
    case ALERT_COMMENT:
        break;
    }
    return after;
}

static void swap(char **mine, char **theirs)
{
    char *old = *mine;
    *mine = *theirs;
    *theirs = old;
}

/* The disk has it: the same in memory. Takes the texts that it keeps. */
static void apply(struct alerting *a, struct alert_item *i, enum alert_action action, char **who,
                  char **text, int64_t now_ms)
{
    char *none = NULL;
    thread_lock(&a->lock);
    switch (action) {
    case ALERT_ACKNOWLEDGE:
        swap(&i->acknowledged_by, who);
        i->acknowledged_ms = now_ms;
        alert_escalation_stop(a, i);
        break;
    case ALERT_UNACKNOWLEDGE:
        swap(&i->acknowledged_by, &none);
        mem_free(none);
        i->acknowledged_ms = 0;
        alert_escalation_begin(a, i, now_ms); /* from here; the row has its place with the next */
        alert_item_touch(a, i);
        break;
    case ALERT_ASSIGN:
        if ((*text)[0])
            swap(&i->assigned_to, text);
        else
            swap(&i->assigned_to, &none);
        mem_free(none);
        break;
    case ALERT_COMMENT:
        break;
    }
    thread_unlock(&a->lock);
}

static int act(struct alerting *a, uint64_t fingerprint, enum alert_action action, struct str who,
               struct str text, struct why *why)
{
    int64_t now = clock_wall_ms(a->config.clock);
    struct alert_item *i = alert_item_find(a, fingerprint);
    if (i == NULL)
        return why_set(why, ERR_NOENT, "there is no alert %016llx; it may have been resolved",
                       (unsigned long long)fingerprint);
    if (action == ALERT_ACKNOWLEDGE && i->resolved)
        return why_set(why, ERR_STATE, "the alert is resolved: there is nothing to acknowledge");
    if (action == ALERT_UNACKNOWLEDGE && i->acknowledged_by == NULL)
        return why_set(why, ERR_STATE, "nobody has acknowledged the alert");
    if (action == ALERT_COMMENT && str_trim(text).n == 0)
        return why_set(why, ERR_FORMAT, "the comment is empty");
    char *who_text = mem_text(who.n ? who.p : "", who.n);
    char *text_text = mem_text(text.n ? text.p : "", text.n);
    struct alert_item after = changed(i, action, who_text, text_text, now);
    struct change change = {.item = action == ALERT_COMMENT ? NULL : &after,
                            .row = {.time_ms = now,
                                    .fingerprint = fingerprint,
                                    .labels = i->labels,
                                    .what = str_c(WHAT[action]),
                                    .who = who,
                                    .text = text}};
    int err = state_write(a->config.state, write, &change, why);
    if (err == 0)
        apply(a, i, action, &who_text, &text_text, now);
    mem_free(who_text);
    mem_free(text_text);
    return err;
}

int alert_act(struct alerting *a, uint64_t fingerprint, enum alert_action action, struct str who,
              struct str text, struct why *why)
{
    thread_lock(&a->turn);
    int err = act(a, fingerprint, action, who, text, why);
    thread_unlock(&a->turn);
    if (err == 0)
        alert_wake(a);
    return err;
}
