/* SPDX-License-Identifier: Apache-2.0 */
/* What a call tells the audit trail: who makes it, and, where files are changed and not rows, what is about to be done and how it ended. */
#include "audit/row.h"
#include "control/exchange.h"
#include "control/log.h"
#include <gw/gate.h>

/* "PATCH /aaiti/v1/users/{id}". The policy may put a sign-in call anywhere: there it is the path. Empty without memory. */
static struct gw_str route_of(const struct gw_exchange *x)
{
    struct gw_str method = gw_str(x->route->method);
    struct gw_str path = x->route->target == GW_TARGET_CONTROL ? gw_str(x->route->path) : x->call->path;
    char *text = gw_arena_alloc(x->arena, method.len + 1 + path.len);
    if (text == NULL)
        return GW_STR_NULL;
    memcpy(text, method.ptr, method.len);
    text[method.len] = ' ';
    memcpy(text + method.len + 1, path.ptr, path.len);
    return (struct gw_str){text, method.len + 1 + path.len};
}

void gw_exchange_set_actor(struct gw_exchange *x)
{
    bool is_operator = x->call->kind == GW_CALLER_OPERATOR;
    x->by = (struct gw_actor){.kind = is_operator ? GW_ACTOR_OPERATOR : GW_ACTOR_CLIENT,
                              .address = x->call->address,
                              .user_agent = x->call->user_agent,
                              .route = route_of(x),
                              .path = x->call->path};
    /* A call over the admin socket has no id, and one that is no UUID is none of the data plane's. */
    if (gw_uuid_parse(x->call->request_id, &x->by.request_id) != GW_OK)
        x->by.request_id = (struct gw_uuid){{0}};
    if (x->caller == NULL)
        return;
    x->by.user_id = x->caller->user.id;
    x->by.session_id = x->caller->session_id;
}

/* What an operator is refused is not counted: those calls come from this machine's root, and are no attack. */
void gw_exchange_count_refusal(struct gw_exchange *x)
{
    struct gw_refusals *refusals = gw_app_refusals(x->app);
    unsigned status = x->reply->status;
    if (refusals == NULL || x->call->kind == GW_CALLER_OPERATOR)
        return;
    if (x->refused.action == NULL && status != 401 && status != 403)
        return;
    if (x->refused.action == NULL)
        x->refused = (struct gw_refused){
            .action = "request_refused",
            .reason = gw_reason_name(status == 401 ? GW_REASON_ANONYMOUS : GW_REASON_NO_PERMISSION),
        };
    gw_refusals_count(refusals, &x->by, &x->refused, status);
}

enum gw_code gw_exchange_intend(struct gw_exchange *x, const struct gw_deed *deed, struct gw_audit_row *out,
                                struct gw_error *err)
{
    gw_recorder_row(&x->by, deed, out);
    return gw_recorder_intend(gw_app_recorder(x->app), x->view->store, out, err);
}

/* A refusal came before anything was touched; of another failure nobody knows how far it got. */
static enum gw_outcome outcome_of(enum gw_code code)
{
    if (code == GW_OK)
        return GW_OUTCOME_DONE;
    return code == GW_EINVAL || code == GW_ECONFLICT || code == GW_ENOTFOUND ? GW_OUTCOME_FAILED : GW_OUTCOME_UNKNOWN;
}

enum gw_code gw_exchange_conclude(struct gw_exchange *x, struct gw_audit_row *row, enum gw_code code)
{
    struct gw_error why = {0};
    if (code != GW_OK)
        gw_audit_text(gw_str(gw_code_name(code)), row->reason, sizeof(row->reason));
    if (gw_recorder_conclude(gw_app_recorder(x->app), x->view->store, row, outcome_of(code), &why) != GW_OK)
        gw_log(GW_LOG_WARN, "audit", {"action", gw_str(row->action)}, {"error", gw_str(why.msg)},
               {"text", GW_STR("the outcome could not be recorded; the next start will call it unknown")});
    return code;
}
