/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "identity/state.h"

#include <string.h>

static enum gw_code fill_session(struct gw_identity *i, const struct gw_errand *e, struct gw_session_row *out,
                                 struct gw_error *err)
{
    int64_t now_s = gw_clock_real_s(i->options.clock);
    struct gw_session_row r = {.user_id = *e->user_id,
                               .created_s = now_s,
                               .last_seen_s = now_s,
                               .expires_s = now_s + e->ttl_s,
                               .address = "127.0.0.1",
                               .country = "unknown"};
    GW_TRY(gw_uuid_v7(i->options.random, i->options.clock, &r.id, err));
    if (!gw_str_copy(gw_str(e->user_agent), r.user_agent, sizeof(r.user_agent)))
        return gw_fail(err, GW_EINVAL, "the name of an errand is too long");
    *out = r;
    return GW_OK;
}

static enum gw_code begin(struct gw_change *c, const struct gw_errand *e, struct gw_signed_in *out,
                          struct gw_error *err)
{
    struct gw_identity *i = c->identity;
    GW_TRY(gw_store_user_get(i->options.store, e->user_id, &out->user, err));
    if (!out->user.active)
        return gw_fail(err, GW_EDENIED, "the user %s is disabled", out->user.username);
    GW_TRY(fill_session(i, e, &out->session, err));
    GW_TRY(gw_store_session_insert(i->options.store, &out->session, err));
    c->put_session = &out->session;
    return gw_sign_access_until(i, out, out->session.expires_s, err);
}

enum gw_code gw_errand_begin(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                             const struct gw_errand *e, struct gw_signed_in *out, struct gw_error *err)
{
    struct gw_change c;
    struct gw_signed_in result = {.expires_in_s = 0};
    enum gw_code code = gw_change_begin(&c, i, by, err);
    if (code != GW_OK) {
        json_decref(deed->details);
        return code;
    }
    /* First, for it takes the details over; what fails after it takes it back. */
    code = gw_change_record(&c, deed, err);
    if (code == GW_OK)
        code = begin(&c, e, &result, err);
    code = gw_change_end(&c, code, err);
    if (code == GW_OK)
        *out = result;
    else
        gw_signed_in_done(&result);
    return code;
}

enum gw_code gw_errand_end(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                           const struct gw_uuid *session_id, struct gw_error *err)
{
    struct gw_change c;
    enum gw_code code = gw_change_begin(&c, i, by, err);
    if (code != GW_OK) {
        json_decref(deed->details);
        return code;
    }
    code = gw_change_record(&c, deed, err);
    if (code == GW_OK)
        code = gw_change_end_session(&c, session_id, err);
    return gw_change_end(&c, code == GW_ENOTFOUND ? GW_OK : code, err);
}
