/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that begin a run of `make_safe` and watch it; control/making_safe.h has the run. */
#include "control/exchange.h"
#include "control/log.h"
#include "control/making_safe.h"
#include "policy/make_safe.h"

/* A client may have the run act as itself or as the user whom the policy names: the right to begin a run is no right to act as others. */
static enum gw_code choose_user(struct gw_exchange *x, struct gw_str *out, struct gw_error *err)
{
    const struct gw_make_safe *m = gw_policy_make_safe(x->view->policy);
    struct gw_str asked = gw_exchange_str(x, "as"), named = m != NULL ? m->as : GW_STR_NULL;
    struct gw_str own = x->caller != NULL ? gw_str(x->caller->user.username) : GW_STR_NULL;
    if (asked.len == 0)
        asked = named.len > 0 ? named : own;
    if (x->call->kind == GW_CALLER_CLIENT && !gw_str_eq_nocase(asked, own) && !gw_str_eq_nocase(asked, named))
        return gw_fail(err, GW_EDENIED, "making safe as another");
    *out = asked;
    return GW_OK;
}

static enum gw_code refuse_second(struct gw_exchange *x, const struct gw_uuid *id, struct gw_error *err)
{
    (void)gw_reply_refuse(x, 409, NULL, err->msg);
    return gw_reply_add(x, "id", gw_reply_uuid(id), err);
}

enum gw_code gw_handle_make_safe(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_making_safe_start how = {
        .by = &x->by, .mode = json_is_true(json_object_get(x->body, "plan")) ? GW_SAFE_PLAN : GW_SAFE_RUN};
    struct gw_making_safe *runs = gw_app_making_safe(x->app);
    struct gw_uuid id;
    if (runs == NULL)
        return gw_fail(err, GW_EBACKEND, "no worker hears of a session that is made here");
    GW_TRY(choose_user(x, &how.as, err));
    enum gw_code code = gw_making_safe_start(runs, &how, &id, err);
    if (code == GW_ECONFLICT)
        return refuse_second(x, &id, err);
    GW_TRY(code);
    gw_log(GW_LOG_INFO, "make-safe", {"by", gw_exchange_actor(x)}, {"as", how.as}, {"request", x->call->request_id},
           {"text", how.mode == GW_SAFE_PLAN ? GW_STR("planned") : GW_STR("started")});
    return gw_reply_json(x, 202, json_pack("{s:o, s:b}", "id", gw_reply_uuid(&id), "plan", how.mode == GW_SAFE_PLAN),
                         err);
}

enum gw_code gw_handle_make_safe_get(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_making_safe *runs = gw_app_making_safe(x->app);
    struct gw_uuid id;
    struct gw_str text;
    int64_t after = 0;
    json_t *shown = NULL;
    if (runs == NULL || gw_uuid_parse(x->id, &id) != GW_OK)
        return gw_reply_refuse(x, 404, NULL, NULL);
    enum gw_code code = gw_exchange_query(x, GW_STR("after"), &text, err);
    if (code == GW_OK && !gw_str_to_i64(text, &after))
        return gw_fail(err, GW_EINVAL, "query: `after`: expected the number of a row");
    if (code != GW_ENOTFOUND)
        GW_TRY(code);
    GW_TRY(gw_making_safe_show(runs, &id, (size_t)after, &shown, err));
    return gw_reply_json(x, 200, shown, err);
}
