/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refresh tokens that rotate (RFC 9700 section 4.14.2). A session has a family of them, of which the newest alone is good; each use
 * spends it and makes the next. Whoever brings a spent one has stolen it, or was robbed of it: as nobody can tell which, the family
 * ends and its session with it. A client that did not get its answer, or asked twice at once, brings a spent one too: for some
 * seconds the token just before the newest gives that newest again, which is sealed in the database meanwhile.
 *
 * The database knows tokens by their hash. Everything is one transaction under the store's hold, so that of many clients with one token the
 * first makes the successor and the others find it.
 */
#include "crypto/mac.h"
#include "crypto/secret.h"
#include "identity/sealed.h"
#include "identity/state.h"
#include <assert.h>
#include <string.h>

#define TOKEN_BYTES 32
static_assert(GW_BASE64URL_LEN(TOKEN_BYTES) == GW_REFRESH_TOKEN_LEN, "256 bits as base64url");

#define GRACE_S 10
/* Spent tokens stay as long as their session, or a thief could use up so many that the robbed client's is not known for spent any
 * more. So it is their making that is bounded: by as many at once, and then by one for half the shortest life of an access token. */
#define BURST 60

const char *gw_refresh_outcome_text(enum gw_refresh_outcome outcome)
{
    static const char *const texts[] = {
#define GW_REFRESH_OUTCOME(name, text) [GW_REFRESH_##name] = (text),
#include "identity/refresh.def"
#undef GW_REFRESH_OUTCOME
    };
    return texts[outcome];
}

/* ---- making ---- */

/* dst holds GW_REFRESH_TOKEN_LEN + 1. */
static enum gw_code make(struct gw_identity *i, const struct gw_uuid *session_id, int64_t number, char *dst,
                         struct gw_error *err)
{
    struct gw_refresh_row r = {.session_id = *session_id, .number = number};
    GW_TRY(gw_random_text(i->options.random, TOKEN_BYTES, dst, err));
    GW_TRY(gw_sha256(gw_str(dst), r.hash, err));
    return gw_store_refresh_insert(i->options.store, &r, err);
}

enum gw_code gw_change_begin_family(struct gw_change *c, const struct gw_uuid *session_id, char *dst,
                                    struct gw_error *err)
{
    GW_TRY(gw_store_refresh_delete(c->identity->options.store, session_id, err));
    return make(c->identity, session_id, 1, dst, err);
}

/* ---- the successor, kept for those who ask again ---- */

/* One a family: each newest over the one before. */
static struct gw_str successor_name(const struct gw_uuid *session_id, char dst[GW_SEALED_NAME_MAX + 1])
{
    return gw_sealed_name("refresh_tokens", session_id, "successor", dst);
}

static enum gw_code rotate(struct gw_identity *i, const struct gw_refresh_row *row, char *dst, struct gw_error *err)
{
    char name[GW_SEALED_NAME_MAX + 1];
    int64_t now_s = gw_clock_real_s(i->options.clock);
    GW_TRY(gw_store_refresh_spend(i->options.store, row->hash, now_s, err));
    GW_TRY(make(i, &row->session_id, row->number + 1, dst, err));
    return gw_sealed_put(i->options.sealed, successor_name(&row->session_id, name), gw_str(dst), now_s + GRACE_S + 1,
                         err);
}

/* What was sealed must be the newest: nobody may put an older envelope of the same name in its place. */
static enum gw_code repeat(struct gw_identity *i, const struct gw_refresh_row *newest, char *dst, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf text = {0};
    char name[GW_SEALED_NAME_MAX + 1];
    uint8_t hash[GW_MAC_BYTES];
    gw_buf_init(&text, GW_REFRESH_TOKEN_LEN + 1);
    enum gw_code code = gw_sealed_get(i->options.sealed, successor_name(&newest->session_id, name), &text, err);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_EBACKEND, "the successor of a refresh token is not there");
    GW_TRY(code);
    GW_TRY(gw_sha256(gw_buf_str(&text), hash, err));
    if (memcmp(hash, newest->hash, sizeof(hash)) != 0 || text.len != GW_REFRESH_TOKEN_LEN)
        return gw_fail(err, GW_ECRYPTO, "the successor of a refresh token is another one's");
    memcpy(dst, text.ptr, text.len);
    dst[text.len] = '\0';
    return GW_OK;
}

/* ---- judging ---- */

/* A clock that was set back shows too. */
static bool is_in_grace(const struct gw_refresh_row *row, const struct gw_refresh_row *newest, int64_t now_s)
{
    int64_t age_s = now_s - row->spent_s;
    return row->number + 1 == newest->number && age_s <= GRACE_S && age_s >= -GRACE_S;
}

static bool is_too_often(const struct gw_refresh_row *row, const struct gw_session_row *session, int64_t now_s)
{
    int64_t age_s = now_s > session->created_s ? now_s - session->created_s : 0;
    return row->number > BURST + age_s / GW_REFRESH_EVERY_S;
}

/* That a spent token came again counts whatever else is to be said of its session. */
static enum gw_refresh_outcome judge(const struct gw_identity *i, const struct gw_refresh_row *row,
                                     const struct gw_refresh_row *newest, const struct gw_signed_in *s)
{
    int64_t now_s = gw_clock_real_s(i->options.clock);
    bool is_spent = row->spent_s != 0;
    if (is_spent && !is_in_grace(row, newest, now_s))
        return GW_REFRESH_REUSED;
    if (!s->user.active)
        return GW_REFRESH_USER_INACTIVE;
    if (gw_session_is_over(i, &s->session, gw_last_seen_of(i, &s->session)))
        return GW_REFRESH_SESSION_OVER;
    if (is_spent)
        return GW_REFRESH_REPEATED;
    return is_too_often(row, &s->session, now_s) ? GW_REFRESH_TOO_OFTEN : GW_REFRESH_ROTATED;
}

bool gw_refresh_is_given(enum gw_refresh_outcome outcome)
{
    return outcome == GW_REFRESH_ROTATED || outcome == GW_REFRESH_REPEATED;
}

/* ---- a use ---- */

static enum gw_code record(struct gw_change *c, const char *action, const struct gw_signed_in *s, struct gw_error *err)
{
    return gw_change_record(c,
                            &(struct gw_deed){.action = action,
                                              .resource_type = "sessions",
                                              .resource = &s->session.id,
                                              .user_id = &s->user.id,
                                              .session_id = &s->session.id},
                            err);
}

static enum gw_code end_family(struct gw_change *c, const struct gw_signed_in *s, struct gw_error *err)
{
    GW_TRY(gw_change_end_session(c, &s->session.id, err));
    return record(c, "refresh_reused", s, err);
}

static enum gw_code carry_out(struct gw_change *c, const struct gw_refresh_row *row,
                              const struct gw_refresh_row *newest, struct gw_refreshed *out, struct gw_error *err)
{
    struct gw_identity *i = c->identity;
    struct gw_signed_in *s = &out->signed_in;
    if (out->outcome == GW_REFRESH_REUSED)
        return end_family(c, s, err);
    if (out->outcome == GW_REFRESH_ROTATED) {
        GW_TRY(rotate(i, row, s->refresh, err));
        GW_TRY(record(c, "token_refreshed", s, err));
    } else {
        c->by = NULL; /* nothing is changed */
    }
    if (!gw_refresh_is_given(out->outcome))
        return GW_OK;
    if (out->outcome == GW_REFRESH_REPEATED)
        GW_TRY(repeat(i, newest, s->refresh, err));
    return gw_sign_access(i, s, err);
}

static enum gw_code use(struct gw_change *c, struct gw_str token, struct gw_refreshed *out, struct gw_error *err)
{
    struct gw_store *store = c->identity->options.store;
    struct gw_signed_in *s = &out->signed_in;
    struct gw_refresh_row row, newest;
    uint8_t hash[GW_MAC_BYTES];
    GW_TRY(gw_sha256(token, hash, err));
    enum gw_code code = gw_store_refresh_get(store, hash, &row, err);
    if (code == GW_ENOTFOUND) {
        c->by = NULL; /* nothing is changed */
        return GW_OK;
    }
    GW_TRY(code);
    GW_TRY(gw_store_refresh_newest(store, &row.session_id, &newest, err));
    GW_TRY(gw_store_session_get(store, &row.session_id, &s->session, err));
    GW_TRY(gw_store_user_get(store, &s->session.user_id, &s->user, err));
    out->outcome = judge(c->identity, &row, &newest, s);
    return carry_out(c, &row, &newest, out, err);
}

static enum gw_code check_online(const struct gw_identity *i, struct gw_error *err)
{
    if (i->options.shared == NULL || i->options.sealed == NULL)
        return gw_fail(err, GW_EBACKEND, "no token can be refreshed while control is down");
    return GW_OK;
}

static void touch(const struct gw_identity *i, const struct gw_session_row *session)
{
    gw_shared_touch(i->options.shared, &session->id, gw_clock_real_s(i->options.clock));
}

enum gw_code gw_refresh(struct gw_identity *i, const struct gw_actor *by, struct gw_str token, struct gw_refreshed *out,
                        struct gw_error *err)
{
    struct gw_change c;
    struct gw_refreshed result = {.outcome = GW_REFRESH_UNKNOWN};
    GW_TRY(check_online(i, err));
    GW_TRY(gw_change_begin(&c, i, by, err));
    enum gw_code code = gw_change_end(&c, use(&c, token, &result, err), err);
    if (code != GW_OK) {
        gw_signed_in_done(&result.signed_in);
        return code;
    }
    if (gw_refresh_is_given(result.outcome))
        touch(i, &result.signed_in.session);
    *out = result;
    gw_wipe(result.signed_in.refresh, sizeof(result.signed_in.refresh));
    return GW_OK;
}

enum gw_code gw_refresh_by_access(struct gw_identity *i, struct gw_str token, struct gw_signed_in *out,
                                  struct gw_error *err)
{
    struct gw_caller caller;
    struct gw_signed_in s = {.expires_in_s = 0};
    GW_TRY(gw_identify(i, token, &caller, err));
    s.user = caller.user;
    enum gw_code code = gw_store_session_get(i->options.store, &caller.session_id, &s.session, err);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_EDENIED, "the session has ended");
    GW_TRY(code);
    GW_TRY(gw_sign_access(i, &s, err));
    *out = s;
    return GW_OK;
}
