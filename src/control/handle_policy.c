/* SPDX-License-Identifier: Apache-2.0 */
#include "control/exchange.h"
#include "control/log.h"

static json_t *faults_json(const struct gw_faults *f)
{
    json_t *list = json_array();
    size_t count = gw_faults_count(f);
    for (size_t i = 0; i < count && i < GW_FAULTS_MAX; i++) {
        const struct gw_fault *fault = gw_faults_get(f, i);
        (void)json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "file", fault->file, "line", (int)fault->line,
                                                    "message", fault->message));
    }
    return list;
}

static json_int_t generation_of(struct gw_exchange *x)
{
    struct gw_bundle_ref bundle;
    struct gw_shared *shared = gw_app_shared(x->app);
    if (shared == NULL || gw_shared_get_bundle(shared, &bundle) != GW_OK)
        return 0;
    return (json_int_t)bundle.generation;
}

enum gw_code gw_handle_policy_reload(struct gw_exchange *x, struct gw_error *err)
{
    gw_auto(gw_faults) struct gw_faults *faults = NULL;
    struct gw_audit_row row;
    GW_TRY(gw_faults_new(&faults, err));
    GW_TRY(
        gw_exchange_intend(x, &(struct gw_deed){.action = "settings_changed", .resource_type = "policy"}, &row, err));
    enum gw_code code = gw_app_reload(x->app, faults, err);
    row.generation = (uint64_t)generation_of(x);
    code = gw_exchange_conclude(x, &row, code);
    if (gw_faults_count(faults) > 0) {
        gw_log(GW_LOG_WARN, "reload", {"by", gw_exchange_actor(x)}, {"request", x->call->request_id},
               {"first", gw_str(gw_faults_get(faults, 0)->message)}, {"text", GW_STR("refused; keeping the old one")});
        (void)gw_reply_refuse(x, 422, "The configuration has faults; nothing was changed", NULL);
        (void)json_object_set_new(x->reply->body, "faults", faults_json(faults));
        return GW_OK;
    }
    GW_TRY(code);
    gw_log(GW_LOG_INFO, "reload", {"by", gw_exchange_actor(x)}, {"request", x->call->request_id});
    return gw_reply_json(x, 200, json_pack("{s:I}", "generation", generation_of(x)), err);
}

enum gw_code gw_handle_status(struct gw_exchange *x, struct gw_error *err)
{
    struct gw_shared *shared = gw_app_shared(x->app);
    struct gw_hasher_stats h;
    struct gw_shared_fill f = {0};
    gw_hasher_stats(x->view->hasher, &h);
    if (shared != NULL)
        gw_shared_fill(shared, &f);
    json_t *fill =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "sessions", (json_int_t)f.sessions, "sessionSlots",
                  (json_int_t)f.session_slots, "users", (json_int_t)f.users, "userSlots", (json_int_t)f.user_slots,
                  "revocations", (json_int_t)f.revocations, "revocationSlots", (json_int_t)f.revocation_slots,
                  "apiKeys", (json_int_t)f.api_keys, "apiKeySlots", (json_int_t)f.api_key_slots);
    json_t *hashing = json_pack("{s:I, s:I, s:I, s:I}", "done", (json_int_t)h.done, "refused", (json_int_t)h.refused,
                                "gone", (json_int_t)h.gone, "waiting", (json_int_t)h.waiting);
    return gw_reply_json(x, 200,
                         json_pack("{s:s, s:I, s:I, s:o, s:o}", "control", shared != NULL ? "running" : "offline",
                                   "generation", generation_of(x), "routes",
                                   (json_int_t)gw_policy_route_count(x->view->policy), "segment", fill, "hashing",
                                   hashing),
                         err);
}
