/* alert/alert_testbed_plan.h - for tests: how a plan made by hand is walked.
 *
 * Threads: one.
 */
#ifndef ALERT_ALERT_TESTBED_PLAN_H
#define ALERT_ALERT_TESTBED_PLAN_H

#include "alert/config/plan.h"

static bool plan_testbed_walk(const struct plan_route *r, struct str labels,
                              const struct plan_route **v, size_t *n)
{
    bool any = false;
    if (!matcher_list_holds(&r->matchers, labels))
        return false;
    for (size_t k = 0; k < r->routes_n; k++) {
        bool taken = plan_testbed_walk(&r->routes[k], labels, v, n);
        any = any || taken;
        if (taken && !r->routes[k].go_on)
            break;
    }
    if (!any)
        v[(*n)++] = r;
    return true;
}

__attribute__((weak)) void plan_routes(const struct plan *p, struct str labels, struct arena *a,
                                       const struct plan_route *const **ret, size_t *ret_n)
{
    const struct plan_route **v = arena_array(a, 64, sizeof(struct plan_route *));
    *ret_n = 0;
    (void)plan_testbed_walk(p->root, labels, v, ret_n);
    *ret = v;
}

__attribute__((weak)) const struct plan_receiver *plan_receiver(const struct plan *p,
                                                                struct str name)
{
    for (size_t k = 0; k < p->receivers_n; k++)
        if (str_eq(p->receivers[k].name, name))
            return &p->receivers[k];
    return NULL;
}

#endif
