/* SPDX-License-Identifier: Apache-2.0 */
/* What the services tell the login guard: limits, who is exempt, and how an attempt ended. */
#include "identity/state.h"

void gw_identity_set_guard(const struct gw_settings *s, struct gw_login_guard *g)
{
    const struct gw_login_guard_limits l = {
        .windows = {(unsigned)s->login_attempts, s->login_window_ms, s->login_lock_ms},
        .delay_ms = s->login_delay_ms,
        .delay_max_ms = s->login_delay_max_ms,
        .waiting_max = (unsigned)s->login_waiting,
        .waiting_per_address_max = (unsigned)s->login_waiting_per_address,
        .spraying = {(unsigned)s->login_spraying, s->login_window_ms},
    };
    gw_login_guard_set_limits(g, &l);
}

struct gw_login_guard *gw_identity_guard(const struct gw_identity *i)
{
    return i->options.guard;
}

bool gw_guard_is_allowed(const struct gw_identity *i, const struct gw_ip *address)
{
    const struct gw_option_cidrs *allow = &i->options.settings->allow;
    return gw_cidrs_contain(allow->item, allow->count, address);
}

enum gw_code gw_guard_begin(struct gw_identity *i, const struct gw_actor *by, struct gw_attempt *a,
                            struct gw_error *err)
{
    struct gw_attempt_by who = a->by;
    who.address = by->address;
    who.is_allowed = gw_guard_is_allowed(i, &by->address);
    if (who.call == GW_GUARDED_PASSWORD) { /* by somebody signed in */
        who.device = GW_DEVICE_KNOWN;
        who.account = (struct gw_str){(const char *)by->user_id.b, sizeof(by->user_id.b)};
    }
    enum gw_code code = gw_login_guard_begin(i->options.guard, &who, a, err);
    if (code == GW_OK && who.call == GW_GUARDED_PASSWORD)
        gw_login_guard_name(i->options.guard, a, &by->user_id);
    return code;
}

enum gw_code gw_guard_record_full(struct gw_identity *i, struct gw_error *err)
{
    static const struct gw_actor nobody = {.kind = GW_ACTOR_CLIENT};
    struct gw_change c;
    uint64_t count = gw_login_guard_unrecorded(i->options.guard);
    if (count == 0)
        return GW_OK;
    GW_TRY(gw_change_begin(&c, i, &nobody, err));
    const struct gw_deed deed = {.action = "login_windows_full",
                                 .details = json_pack("{s:I}", "times", (json_int_t)count)};
    GW_TRY(gw_change_end(&c, gw_change_record(&c, &deed, err), err));
    gw_login_guard_recorded(i->options.guard, count);
    return GW_OK;
}

void gw_guard_end(struct gw_identity *i, struct gw_attempt *a, enum gw_code code)
{
    enum gw_attempt_end end = GW_ATTEMPT_WITHDRAWN;
    if (code == GW_EDENIED)
        end = GW_ATTEMPT_FAILED;
    else if (code == GW_OK)
        end = GW_ATTEMPT_SUCCEEDED;
    gw_login_guard_end(i->options.guard, a, end);
}
