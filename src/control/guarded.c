/* SPDX-License-Identifier: Apache-2.0 */
/* Attempts that the login guard looks at: what the client is told when one is held up, and what is done about who sprays. */
#include "control/exchange.h"
#include "control/log.h"
#include "response/block.h"
#include <stdio.h>

enum gw_code gw_exchange_guard(struct gw_exchange *x, enum gw_guarded call, struct gw_attempt *a, struct gw_error *err)
{
    *a = (struct gw_attempt){.by = {.call = call, .gone = x->call->gone, .gone_ctx = x->call->gone_ctx}};
    return gw_guard_begin(x->view->identity, &x->by, a, err);
}

enum gw_code gw_exchange_held_up(struct gw_exchange *x, const struct gw_attempt *a, const char *action,
                                 enum gw_code code)
{
    bool is_locked = a->held_up.why == GW_HELD_UP_LOCKED;
    if (code != GW_ELIMIT || a->held_up.why == GW_HELD_UP_NOT)
        return code;
    gw_log(GW_LOG_INFO, gw_guarded_text(a->by.call), {"outcome", is_locked ? GW_STR("locked") : GW_STR("crowded")},
           {"address", gw_exchange_address(x)}, {"request", x->call->request_id});
    x->refused = (struct gw_refused){.action = action, .reason = is_locked ? "LOCKED" : "CROWDED"};
    return gw_reply_held_up(x, &a->held_up);
}

static const char *cause_text(enum gw_spraying_cause cause)
{
    static const char *const texts[GW_SPRAYING_CAUSES] = {"address", "network", "account"};
    return texts[cause];
}

static enum gw_code record_spraying(struct gw_exchange *x, const struct gw_sprayed *s, struct gw_error *err)
{
    const struct gw_deed deed = {
        .action = "login_spraying",
        .details = json_pack("{s:s, s:i, s:i}", "cause", cause_text(s->cause),
                             s->cause == GW_SPRAYING_ACCOUNT ? "addresses" : "accounts", (int)s->count.distinct,
                             "attempts", (int)s->count.attempts),
    };
    return gw_recorder_record(gw_app_recorder(x->app), x->view->store, &x->by, &deed, err);
}

/* The address or network that sprays has half of its limits for an hour. Where one account is tried from many addresses, none of them alone
 * has done enough. */
static void suspect(struct gw_exchange *x, const struct gw_sprayed *s)
{
    const struct gw_block_desk desk = gw_app_blocks(x->app, x->view);
    const struct gw_block_wish wish = {.network = gw_login_guard_sprayer(&x->call->address, s->cause),
                                       .is_suspect = true,
                                       .cause = GW_STR("login_spraying"),
                                       .author = GW_STR("login guard"),
                                       .reason = GW_STR("tried many accounts in vain")};
    struct gw_block_row row;
    enum gw_block_change change;
    struct gw_error err = {0};
    if (s->cause == GW_SPRAYING_ACCOUNT)
        return;
    enum gw_code code = gw_block_add(&desk, &x->by, &wish, &row, &change, &err);
    if (code != GW_OK && code != GW_ECONFLICT)
        gw_log(GW_LOG_WARN, "login-spraying", {"address", gw_exchange_address(x)}, {"error", gw_str(err.msg)},
               {"text", GW_STR("cannot make it a suspect; its limits stay whole")});
}

void gw_exchange_tell_spraying(struct gw_exchange *x, const struct gw_attempt *a)
{
    struct gw_error err = {0};
    char distinct[16], attempts[16];
    if (!a->sprayed.is_new)
        return;
    (void)snprintf(distinct, sizeof(distinct), "%u", a->sprayed.count.distinct);
    (void)snprintf(attempts, sizeof(attempts), "%u", a->sprayed.count.attempts);
    gw_log(GW_LOG_WARN, "login-spraying", {"cause", gw_str(cause_text(a->sprayed.cause))},
           {"address", gw_exchange_address(x)}, {"different", gw_str(distinct)}, {"attempts", gw_str(attempts)},
           {"text", GW_STR("many accounts are tried from one place, or one from many; recording it")});
    if (record_spraying(x, &a->sprayed, &err) != GW_OK)
        gw_log(GW_LOG_ERROR, "audit", {"action", GW_STR("login_spraying")}, {"error", gw_str(err.msg)},
               {"text", GW_STR("spraying could not be recorded")});
    suspect(x, &a->sprayed);
}
