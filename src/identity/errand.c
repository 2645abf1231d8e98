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

static enum gw_code begin_stored(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                                 const struct gw_errand *e, struct gw_signed_in *out, struct gw_error *err)
{
    struct gw_change c;
    enum gw_code code = gw_change_begin(&c, i, by, err);
    if (code != GW_OK) {
        json_decref(deed->details);
        return code;
    }
    /* First, for it takes the details over; what fails after it takes it back. */
    code = gw_change_record(&c, deed, err);
    if (code == GW_OK)
        code = begin(&c, e, out, err);
    return gw_change_end(&c, code, err);
}

static enum gw_code put_live(struct gw_identity *i, const struct gw_errand *e, struct gw_signed_in *out,
                             struct gw_error *err)
{
    struct gw_live_session live;
    GW_TRY(gw_store_user_get(i->options.store, e->user_id, &out->user, err));
    if (!out->user.active)
        return gw_fail(err, GW_EDENIED, "the user %s is disabled", out->user.username);
    GW_TRY(fill_session(i, e, &out->session, err));
    GW_TRY(gw_sign_access_until(i, out, out->session.expires_s, err));
    gw_live_session_of(i, &out->session, &live);
    return gw_put_live_session(i, &live, err);
}

/* In the segment alone: it lives as long as control does, which is longer than its errand. Held, so that no change of the user comes
 * between. */
static enum gw_code begin_unstored(struct gw_identity *i, const struct gw_errand *e, struct gw_signed_in *out,
                                   struct gw_error *err)
{
    gw_store_hold(i->options.store);
    enum gw_code code = put_live(i, e, out, err);
    gw_store_release(i->options.store);
    return code;
}

enum gw_code gw_errand_begin(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                             const struct gw_errand *e, struct gw_signed_in *out, bool *out_recorded,
                             struct gw_error *err)
{
    struct gw_signed_in result = {.expires_in_s = 0};
    enum gw_code code = begin_stored(i, by, deed, e, &result, err);
    bool recorded = code == GW_OK;
    if (code == GW_EBACKEND && i->options.shared != NULL) {
        gw_signed_in_done(&result);
        result = (struct gw_signed_in){.expires_in_s = 0};
        code = begin_unstored(i, e, &result, err);
    }
    if (code != GW_OK) {
        gw_signed_in_done(&result);
        return code;
    }
    *out = result;
    *out_recorded = recorded;
    return GW_OK;
}

static enum gw_code end_stored(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
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

/* Ended whatever the store says: then it is behind, and a row that it still has runs out soon. */
enum gw_code gw_errand_end(struct gw_identity *i, const struct gw_actor *by, const struct gw_deed *deed,
                           const struct gw_uuid *session_id, struct gw_error *err)
{
    enum gw_code code = end_stored(i, by, deed, session_id, err);
    if (i->options.shared != NULL)
        gw_shared_drop_session(i->options.shared, session_id);
    return code;
}
