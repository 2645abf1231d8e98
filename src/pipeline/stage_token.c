/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who it is: by a token and its session, by a ticket that was given in one, by an API key, or by the certificate of the connection. A presented credential that fails is a
 * refusal even where the cookie is good: the client meant it. Only where anybody may come is a bad credential as good as none.
 *
 * After the signature: not revoked, session live, user live, all three as control knows them now. That the segment cannot
 * tell is never the client's fault: 503.
 */
#include "pipeline/pipeline.h"

#include "crypto/secret.h"

#include <string.h>

static enum gw_code unless_found(enum gw_code code, struct gw_verdict *v, enum gw_reason reason)
{
    if (code == GW_ENOTFOUND)
        return gw_refuse(v, reason, GW_DETAIL_NONE);
    if (code == GW_EBACKEND)
        return gw_refuse(v, GW_REASON_NOT_READY, GW_DETAIL_SEGMENT_UNREADABLE);
    return code;
}

static enum gw_code check_revoked(const struct gw_request *r, struct gw_verdict *v)
{
    bool revoked = true;
    GW_TRY(unless_found(gw_shared_is_revoked(r->gate->shared, &r->token_id, &revoked), v, GW_REASON_INTERNAL));
    if (v->reason == GW_REASON_NONE && revoked)
        return gw_refuse(v, GW_REASON_TOKEN_REVOKED, GW_DETAIL_NONE);
    return GW_OK;
}

static enum gw_code check_session(const struct gw_request *r, struct gw_verdict *v)
{
    struct gw_shared *shared = r->gate->shared;
    struct gw_live_session session;
    GW_TRY(unless_found(gw_shared_get_session(shared, &r->session_id, &session), v, GW_REASON_SESSION_ENDED));
    if (v->reason != GW_REASON_NONE)
        return GW_OK;
    if (!gw_uuid_eq(&session.user_id, &r->user_id))
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, GW_DETAIL_FOREIGN_SESSION);
    if (session.expires_s <= r->now_s)
        return gw_refuse(v, GW_REASON_SESSION_ENDED, GW_DETAIL_ABSOLUTE_END);
    int64_t last_seen_s = gw_shared_last_seen(shared, &session);
    if (r->now_s - last_seen_s > session.idle_s)
        return gw_refuse(v, GW_REASON_SESSION_IDLE, GW_DETAIL_NONE);
    bool is_use = r->socket == NULL;      /* else it is looked at, and no more (socket_life.c) */
    if (is_use && last_seen_s < r->now_s) /* at most once a second */
        gw_shared_touch(shared, &r->session_id, r->now_s);
    return GW_OK;
}

static enum gw_code judge_user(struct gw_request *r, struct gw_verdict *v)
{
    if (r->user.active != 1)
        return gw_refuse(v, GW_REASON_USER_INACTIVE, GW_DETAIL_NONE);
    r->role = gw_policy_role(r->snapshot->policy, gw_str(r->user.role));
    return GW_OK;
}

static enum gw_code check_user(struct gw_request *r, struct gw_verdict *v)
{
    GW_TRY(unless_found(gw_shared_get_user(r->gate->shared, &r->user_id, &r->user), v, GW_REASON_USER_INACTIVE));
    return v->reason == GW_REASON_NONE ? judge_user(r, v) : GW_OK;
}

/* ---- API keys ---- */

/* Details have the faults of keys in their order. */
static enum gw_code take_key_fault(enum gw_code code, enum gw_key_fault fault, struct gw_verdict *v)
{
    if (code == GW_EBACKEND)
        return gw_refuse(v, GW_REASON_NOT_READY, GW_DETAIL_SEGMENT_UNREADABLE);
    if (code == GW_OK && fault != GW_KEY_OK)
        return gw_refuse(v, GW_REASON_KEY_REFUSED, (enum gw_detail)((unsigned)GW_DETAIL_KEY_OK + (unsigned)fault));
    return code;
}

/* Nonces have faults of their own. */
static enum gw_key_fault fault_of_nonce(enum gw_nonce_fault fault)
{
    static const enum gw_key_fault faults[] = {
        [GW_NONCE_OK] = GW_KEY_OK,
        [GW_NONCE_STALE] = GW_KEY_SIGNATURE_STALE,
        [GW_NONCE_EARLY] = GW_KEY_SIGNATURE_EARLY,
        [GW_NONCE_FORGOTTEN] = GW_KEY_SIGNATURE_FORGOTTEN,
        [GW_NONCE_REPLAYED] = GW_KEY_SIGNATURE_REPLAYED,
        [GW_NONCE_CROWDED] = GW_KEY_SIGNATURE_CROWDED,
    };
    return faults[fault];
}

/* The nonce last: it is taken for good, and only for who has proved to hold the key. */
static enum gw_code judge_signature(struct gw_request *r, enum gw_key_fault *fault)
{
    struct gw_signature sig;
    const struct gw_signed_request what = {r->head->method, r->head->target, &r->fields.signature};
    *fault = gw_signature_read(&r->fields.signature, &sig);
    if (*fault != GW_KEY_OK)
        return GW_OK;
    enum gw_code code = gw_signature_verify(&what, &sig, r->key.proof, r->arena);
    *fault = GW_KEY_SIGNATURE_WRONG;
    if (code != GW_OK)
        return code == GW_EDENIED ? GW_OK : code;
    const struct gw_nonce nonce = {.key_id = r->key.id, .text = sig.nonce, .stamp_s = sig.stamp_s};
    enum gw_nonce_fault nonce_fault = GW_NONCE_REPLAYED;
    GW_TRY(gw_shared_take_nonce(r->gate->shared, &nonce, r->now_s, &nonce_fault));
    *fault = fault_of_nonce(nonce_fault);
    r->signs_body = *fault == GW_KEY_OK;
    memcpy(r->body_digest, sig.content, sizeof(r->body_digest));
    return GW_OK;
}

static enum gw_code judge_key(struct gw_request *r, enum gw_key_fault *fault)
{
    GW_TRY(gw_key_judge(r->gate->shared, r->presented.token, &r->client, r->now_s, &r->key, fault));
    enum gw_code code = GW_OK;
    if (*fault == GW_KEY_WANTS_SIGNATURE)
        code = judge_signature(r, fault);
    else if (*fault == GW_KEY_OK && gw_signature_is_there(&r->fields.signature))
        *fault = GW_KEY_SIGNATURE_UNASKED; /* who sent it believes that the body is looked at */
    gw_wipe(r->key.proof, sizeof(r->key.proof));
    return code;
}

/* r->key is good. */
static enum gw_code take_key(struct gw_request *r, struct gw_verdict *v)
{
    r->by_key = true;
    r->session_id = r->key.id;
    r->user_id = r->key.user_id;
    if (gw_shared_key_last_used(r->gate->shared, &r->key) < r->now_s) /* at most once a second */
        gw_shared_touch(r->gate->shared, &r->key.id, r->now_s);
    return check_user(r, v);
}

static enum gw_code check_key(struct gw_request *r, struct gw_verdict *v)
{
    enum gw_key_fault fault = GW_KEY_UNKNOWN;
    if (r->gate->shared == NULL)
        return gw_refuse(v, GW_REASON_NOT_READY, GW_DETAIL_NO_SEGMENT);
    enum gw_code code = judge_key(r, &fault);
    GW_TRY(take_key_fault(code, fault, v));
    return v->reason == GW_REASON_NONE ? take_key(r, v) : GW_OK;
}

/* A browser shows it to whatever page asks, so it counts where a cookie of SameSite=Lax would have come along: not for what a page of another
 * site has loaded, but for a link that the user follows. */
static bool is_asked_from_elsewhere(const struct gw_request *r)
{
    bool is_followed = gw_method_is_safe(r->method) && gw_str_eq(r->fields.fetch_mode, GW_STR("navigate"));
    return r->origin == GW_ORIGIN_FOREIGN ||
           (gw_str_eq(r->fields.fetch_site, GW_STR("cross-site")) && r->origin != GW_ORIGIN_LISTED && !is_followed);
}

/* That stands for nobody is no fault of the client's, who was asked for it: as if there were none. */
static enum gw_code check_certificate(struct gw_request *r, struct gw_verdict *v)
{
    enum gw_key_fault fault = GW_KEY_UNKNOWN;
    struct gw_shared *shared = r->gate->shared;
    if (shared == NULL)
        return gw_refuse(v, GW_REASON_NOT_READY, GW_DETAIL_NO_SEGMENT);
    if (is_asked_from_elsewhere(r))
        return gw_refuse(v, GW_REASON_ANONYMOUS, GW_DETAIL_CERTIFICATE_ELSEWHERE);
    enum gw_code code =
        gw_key_judge_certificate(shared, r->head->certificate->fingerprint, &r->client, r->now_s, &r->key, &fault);
    if (code == GW_OK && fault == GW_KEY_UNKNOWN)
        return gw_refuse(v, GW_REASON_ANONYMOUS, GW_DETAIL_CERTIFICATE_OF_NOBODY);
    GW_TRY(take_key_fault(code, fault, v));
    return v->reason == GW_REASON_NONE ? take_key(r, v) : GW_OK;
}

static enum gw_code check_key_live(struct gw_request *r, struct gw_verdict *v)
{
    enum gw_key_fault fault = GW_KEY_UNKNOWN;
    if (r->key.is_certificate && gw_certificate_is_over(r))
        return gw_refuse(v, GW_REASON_CLIENT_CERTIFICATE, GW_DETAIL_CERTIFICATE_OVER);
    enum gw_code code = gw_key_judge_again(r->gate->shared, &r->key, &r->client, r->now_s, &fault);
    GW_TRY(take_key_fault(code, fault, v));
    return v->reason == GW_REASON_NONE ? check_user(r, v) : GW_OK;
}

/* ---- tokens ---- */

enum gw_code gw_token_check_live(struct gw_request *r, struct gw_verdict *v)
{
    if (r->gate->shared == NULL)
        return gw_refuse(v, GW_REASON_NOT_READY, GW_DETAIL_NO_SEGMENT);
    if (r->by_key)
        return check_key_live(r, v);
    if (r->now_s >= r->token_end_s)
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, GW_DETAIL_TOKEN_EXPIRED);
    static enum gw_code (*const checks[])(const struct gw_request *, struct gw_verdict *) = {check_revoked,
                                                                                             check_session};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && v->reason == GW_REASON_NONE; i++)
        GW_TRY(checks[i](r, v));
    return v->reason == GW_REASON_NONE ? check_user(r, v) : GW_OK;
}

/* detail.def has the faults of tokens in their order. */
static enum gw_detail detail_of(enum gw_jwt_reason fault)
{
    return (enum gw_detail)((unsigned)GW_DETAIL_TOKEN_OK + (unsigned)fault);
}

static enum gw_code check_token(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_jwt_claims claims;
    enum gw_jwt_reason fault = gw_jwt_verify(r->snapshot->verifier, r->presented.token, r->now_s, &claims);
    if (fault != GW_JWT_OK)
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, detail_of(fault));
    if (gw_uuid_parse(claims.sub, &r->user_id) != GW_OK)
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, GW_DETAIL_FOREIGN_SUBJECT);
    r->session_id = claims.sid;
    r->token_id = claims.jti;
    r->token_end_s = claims.exp_s + r->snapshot->settings.token_leeway_ms / 1000;
    return gw_token_check_live(r, v);
}

/* ---- tickets ---- */

/* By the session that it was given for, as others' nonces by their key. Those may be stamped ahead of our time, a ticket is not: so it is forgotten
 * only where it was given before the memory of nonces was made. */
static enum gw_code take_ticket(const struct gw_request *r, const struct gw_jwt_claims *claims, struct gw_verdict *v)
{
    char id[GW_UUID_LEN + 1];
    gw_uuid_format(&claims->jti, id);
    const struct gw_nonce nonce = {
        .key_id = claims->sid, .text = gw_str(id), .stamp_s = claims->iat_s + GW_NONCES_AHEAD_S};
    enum gw_nonce_fault fault = GW_NONCE_REPLAYED;
    enum gw_code code = gw_shared_take_nonce(r->gate->shared, &nonce, r->now_s, &fault);
    if (code == GW_EBACKEND)
        return gw_refuse(v, GW_REASON_NOT_READY, GW_DETAIL_SEGMENT_UNREADABLE);
    if (code != GW_OK || fault == GW_NONCE_OK)
        return code;
    return gw_refuse(v, GW_REASON_TOKEN_REFUSED,
                     fault == GW_NONCE_REPLAYED ? GW_DETAIL_TICKET_USED : GW_DETAIL_TICKET_UNCOUNTED);
}

/* Used once, on the path and in the session for which it was given. Taken last, of who may use it. */
static enum gw_code check_ticket(struct gw_request *r, struct gw_verdict *v)
{
    struct gw_jwt_claims claims;
    enum gw_jwt_reason fault = gw_jwt_verify(r->snapshot->tickets, r->presented.token, r->now_s, &claims);
    if (fault != GW_JWT_OK)
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, detail_of(fault));
    if (!gw_str_eq(claims.path, r->path))
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, GW_DETAIL_TICKET_ELSEWHERE);
    if (gw_uuid_parse(claims.sub, &r->user_id) != GW_OK)
        return gw_refuse(v, GW_REASON_TOKEN_REFUSED, GW_DETAIL_FOREIGN_SUBJECT);
    r->session_id = claims.sid;
    r->token_id = claims.jti;
    r->token_end_s = claims.exp_s;
    GW_TRY(gw_token_check_live(r, v));
    return v->reason == GW_REASON_NONE ? take_ticket(r, &claims, v) : GW_OK;
}

static enum gw_code check_credential(struct gw_request *r, struct gw_verdict *v)
{
    if (r->presented.kind == GW_CREDENTIAL_CERTIFICATE)
        return check_certificate(r, v);
    if (r->presented.kind == GW_CREDENTIAL_TICKET)
        return check_ticket(r, v);
    return r->presented.kind == GW_CREDENTIAL_KEY ? check_key(r, v) : check_token(r, v);
}

/* Control looks at the credential of its calls itself, but limits go by whether it is good. The gate's own
 * answers are anybody's, but for the pages that say who is signed in, and what is held from all but who may press. */
static bool is_needed(const struct gw_request *r)
{
    const struct gw_route *route = r->route;
    if (route->follows_press && r->held.reason != GW_REASON_NONE)
        return true;
    switch (route->target) {
    case GW_TARGET_BACKEND:
    case GW_TARGET_CONTROL:
    case GW_TARGET_LOGIN_PAGE:
    case GW_TARGET_LOGOUT_PAGE:
        return true;
    default:
        return route->access != GW_ACCESS_PUBLIC;
    }
}

/* Control sees no certificate: of what it answers, and of pages about sessions, it is none. */
static bool is_asked(const struct gw_request *r)
{
    if (r->presented.kind == GW_CREDENTIAL_CERTIFICATE)
        return r->route->target == GW_TARGET_BACKEND;
    return r->presented.kind != GW_CREDENTIAL_ABSENT && is_needed(r);
}

/* check: whether the chosen credential is good, and whose it is. */
static enum gw_code identify(struct gw_request *r, struct gw_verdict *v,
                             enum gw_code (*check)(struct gw_request *, struct gw_verdict *))
{
    if (!is_asked(r))
        return GW_OK;
    struct gw_verdict verdict = {.reason = GW_REASON_NONE};
    GW_TRY(check(r, &verdict));
    if (verdict.reason == GW_REASON_NONE) {
        r->signed_in = true;
        return gw_arena_str(r->arena, gw_str(r->user.username), &r->out->user);
    }
    if (r->route->access != GW_ACCESS_PUBLIC)
        *v = verdict;
    return GW_OK;
}

enum gw_code gw_stage_token(struct gw_request *r, struct gw_verdict *v)
{
    return identify(r, v, check_credential);
}

/* A key that signs is taken to have signed. Where nobody says where from, it is taken to come from where it may. */
static enum gw_code judge_rehearsed(struct gw_request *r, struct gw_verdict *v)
{
    static const struct gw_ip nowhere;
    if (r->rehearsed_key == NULL)
        return judge_user(r, v);
    if (r->presented.kind == GW_CREDENTIAL_CERTIFICATE && is_asked_from_elsewhere(r))
        return gw_refuse(v, GW_REASON_ANONYMOUS, GW_DETAIL_CERTIFICATE_ELSEWHERE);
    r->key = *r->rehearsed_key;
    enum gw_key_fault fault = gw_key_judge_use(&r->key, gw_ip_eq(&r->client, &nowhere) ? NULL : &r->client, r->now_s);
    GW_TRY(take_key_fault(GW_OK, fault, v));
    if (v->reason != GW_REASON_NONE)
        return GW_OK;
    r->by_key = true;
    r->session_id = r->key.id;
    r->user_id = r->key.user_id;
    return judge_user(r, v);
}

enum gw_code gw_rehearse_token(struct gw_request *r, struct gw_verdict *v)
{
    return identify(r, v, judge_rehearsed);
}
