/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of the services, and who a token speaks for.
 */
#include "identity/identity.h"

#include "identity/state.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum gw_code gw_identity_set_ring(struct gw_identity *i, const struct gw_token_ring *ring, struct gw_error *err)
{
    const struct gw_settings *s = i->options.settings;
    const struct gw_jwt_profile profile = {
        .issuer = s->token_issuer,
        .audience = s->token_audience,
        .type = GW_STR(GW_JWT_ACCESS_TYPE),
        .leeway_s = s->token_leeway_ms / 1000,
        .max_lifetime_s = s->session_absolute_ms / 1000, /* no token outlives its session */
        .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION,
    };
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *verifier = NULL, *old = NULL;
    GW_TRY(gw_jwt_verifier_new(ring, &profile, &verifier, err));
    pthread_mutex_lock(&i->tokens);
    old = i->verifier;
    gw_token_key_unref(i->signer);
    i->signer = gw_token_key_ref(ring->keys[GW_TOKEN_CURRENT]);
    i->verifier = gw_take(&verifier);
    pthread_mutex_unlock(&i->tokens);
    return GW_OK;
}

enum gw_code gw_identity_new(const struct gw_identity_options *o, struct gw_identity **out, struct gw_error *err)
{
    assert(o->guard != NULL);
    struct gw_identity *i = calloc(1, sizeof(*i));
    if (i == NULL)
        return gw_fail(err, GW_ENOMEM, "identity");
    i->options = *o;
    pthread_mutex_init(&i->tokens, NULL);
    enum gw_code code = gw_identity_set_ring(i, o->ring, err);
    if (code != GW_OK) {
        gw_identity_free(i);
        return code;
    }
    *out = i;
    return GW_OK;
}

static enum gw_code expect_highest(void *ctx, const struct gw_user_row *u, struct gw_error *err)
{
    (void)err;
    unsigned *highest = ctx, cost = gw_pwhash_bcrypt_cost(u->password_hash);
    *highest = cost > *highest ? cost : *highest;
    return GW_OK;
}

enum gw_code gw_identity_expect_imported(struct gw_identity *i, struct gw_error *err)
{
    unsigned highest = 0;
    GW_TRY(gw_store_user_each(i->options.store, expect_highest, &highest, err));
    gw_hasher_expect_bcrypt(i->options.hasher, highest);
    return GW_OK;
}

void gw_identity_free(struct gw_identity *i)
{
    if (i == NULL)
        return;
    gw_jwt_verifier_free(i->verifier);
    gw_token_key_unref(i->signer);
    pthread_mutex_destroy(&i->tokens);
    free(i);
}

/* ---- filling the segment ---- */

static enum gw_code publish_user(void *ctx, const struct gw_user_row *u, struct gw_error *err)
{
    return gw_put_live_user(ctx, u, err);
}

static enum gw_code publish_session(void *ctx, const struct gw_session_row *r, struct gw_error *err)
{
    struct gw_identity *i = ctx;
    if (gw_session_is_over(i, r, gw_last_seen_of(i, r)))
        return GW_OK;
    struct gw_live_session live;
    gw_live_session_of(i, r, &live);
    return gw_put_live_session(i, &live, err);
}

static enum gw_code publish_revocation(void *ctx, const struct gw_uuid *jti, int64_t expires_s, struct gw_error *err)
{
    struct gw_identity *i = ctx;
    if (expires_s <= gw_clock_real_s(i->options.clock))
        return GW_OK;
    return gw_put_live_revocation(i, jti, expires_s, err);
}

static enum gw_code publish_all(struct gw_identity *i, struct gw_error *err)
{
    struct gw_store *store = i->options.store;
    gw_shared_begin_load(i->options.shared);
    GW_TRY(gw_store_user_each(store, publish_user, i, err));
    GW_TRY(gw_store_session_each(store, NULL, publish_session, i, err));
    GW_TRY(gw_store_revocation_each(store, publish_revocation, i, err));
    if (i->options.also_publish != NULL)
        GW_TRY(i->options.also_publish(i->options.also_ctx, err));
    GW_TRY(gw_publish_keys(i, err));
    gw_shared_end_load(i->options.shared);
    return GW_OK;
}

enum gw_code gw_identity_publish(struct gw_identity *i, struct gw_error *err)
{
    gw_store_hold(i->options.store);
    enum gw_code code = publish_all(i, err);
    gw_store_release(i->options.store);
    return code;
}

/* ---- who a token speaks for ---- */

static enum gw_code verify_token(struct gw_identity *i, struct gw_str token, struct gw_jwt_claims *claims,
                                 struct gw_error *err)
{
    pthread_mutex_lock(&i->tokens);
    enum gw_jwt_reason reason = gw_jwt_verify(i->verifier, token, gw_clock_real_s(i->options.clock), claims);
    pthread_mutex_unlock(&i->tokens);
    return reason == GW_JWT_OK ? GW_OK : gw_fail(err, GW_EDENIED, "token: %s", gw_jwt_reason_text(reason));
}

static enum gw_code check_not_revoked(struct gw_identity *i, const struct gw_uuid *jti, struct gw_error *err)
{
    bool revoked = true;
    if (gw_shared_is_revoked(i->options.shared, jti, &revoked) != GW_OK)
        return gw_fail(err, GW_EBACKEND, "the authority segment is not ready");
    return revoked ? gw_fail(err, GW_EDENIED, "the token was revoked") : GW_OK;
}

static enum gw_code check_session(struct gw_identity *i, const struct gw_jwt_claims *claims,
                                  struct gw_uuid *out_user_id, struct gw_error *err)
{
    struct gw_live_session live;
    struct gw_uuid user_id;
    int64_t now_s = gw_clock_real_s(i->options.clock);
    enum gw_code code = gw_shared_get_session(i->options.shared, &claims->sid, &live);
    if (code == GW_ENOTFOUND)
        return gw_fail(err, GW_EDENIED, "the session has ended");
    if (code != GW_OK)
        return gw_fail(err, GW_EBACKEND, "the authority segment is not ready");
    if (gw_uuid_parse(claims->sub, &user_id) != GW_OK || !gw_uuid_eq(&user_id, &live.user_id))
        return gw_fail(err, GW_EDENIED, "the session is another user's");
    if (now_s >= live.expires_s || now_s - gw_shared_last_seen(i->options.shared, &live) > live.idle_s)
        return gw_fail(err, GW_EDENIED, "the session has expired");
    *out_user_id = live.user_id;
    return GW_OK;
}

static enum gw_code get_active_user(struct gw_identity *i, const struct gw_uuid *id, struct gw_user_row *out,
                                    struct gw_error *err)
{
    enum gw_code code = gw_store_user_get(i->options.store, id, out, err);
    if (code == GW_ENOTFOUND || (code == GW_OK && !out->active))
        return gw_fail(err, GW_EDENIED, "the user is disabled or deleted");
    return code;
}

enum gw_code gw_identify(struct gw_identity *i, struct gw_str token, struct gw_caller *out, struct gw_error *err)
{
    struct gw_jwt_claims claims;
    struct gw_caller caller = {0};
    struct gw_uuid user_id;
    if (i->options.shared == NULL)
        return gw_fail(err, GW_EBACKEND, "no token can be checked while control is down");
    GW_TRY(verify_token(i, token, &claims, err));
    GW_TRY(check_not_revoked(i, &claims.jti, err));
    GW_TRY(check_session(i, &claims, &user_id, err));
    GW_TRY(get_active_user(i, &user_id, &caller.user, err));
    gw_shared_touch(i->options.shared, &claims.sid, gw_clock_real_s(i->options.clock));
    caller.session_id = claims.sid;
    caller.jti = claims.jti;
    caller.token_expires_s = claims.exp_s;
    *out = caller;
    return GW_OK;
}

enum gw_code gw_identify_key(struct gw_identity *i, const struct gw_live_key *key, struct gw_caller *out,
                             struct gw_error *err)
{
    struct gw_caller caller = {.session_id = key->id, .by_key = true, .key = *key};
    GW_TRY(get_active_user(i, &key->user_id, &caller.user, err));
    gw_shared_touch(i->options.shared, &key->id, gw_clock_real_s(i->options.clock));
    *out = caller;
    return GW_OK;
}
