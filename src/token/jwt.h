/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Access tokens: JWS compact serialisation, HS256 or EdDSA, strict by RFC 7515, 7519, 8037 and 8725. Verification reads the few
 * claims it needs in one pass over the decoded bytes and builds no tree; with HS256 it allocates nothing. Which of the reasons a
 * token was refused for never reaches a client; the caller records it.
 *
 * A gw_jwt_verifier is used by one thread at a time.
 */
#include "base/buf.h"
#include "base/encode.h"
#include "token/ring.h"
#include <gw/error.h>
#include <gw/str.h>

#define GW_JWT_MAX_BYTES 4096
#define GW_JWT_CLAIM_MAX 128
#define GW_JWT_LEEWAY_MAX_S 60

/* token/reason.def: MALFORMED, ENCODING, ALGORITHM, HEADER, KEY_ID, SIGNATURE, CLAIMS, ISSUER, AUDIENCE, EXPIRED, NOT_YET, TYPE, TOO_LARGE … */
enum gw_jwt_reason {
#define GW_JWT_REASON(name, text) GW_JWT_##name,
#include "token/reason.def"
#undef GW_JWT_REASON
};
const char *gw_jwt_reason_text(enum gw_jwt_reason reason);

struct gw_jwt_claims {
    struct gw_str sub, role, iss, path; /* decoded; point into scratch below */
    struct gw_uuid sid, jti;            /* zero when absent and not required */
    int64_t iat_s, exp_s, nbf_s;        /* 0 when absent */
    char scratch[GW_JWT_MAX_BYTES];
};

/* What a verifier insists on. Strings are copied. */
struct gw_jwt_profile {
    struct gw_str issuer, audience;
    struct gw_str type; /* header typ, compared without case ("at+jwt"; RFC 8725 section 3.11); empty: any or none */
    int64_t leeway_s;   /* 0..GW_JWT_LEEWAY_MAX_S, for exp and nbf */
    int64_t max_lifetime_s; /* exp - iat beyond this is refused; 0: no limit */
    unsigned require;       /* GW_JWT_NEED_* */
};
#define GW_JWT_NEED_KEY_ID 1u  /* kid must be present, not merely right */
#define GW_JWT_NEED_SESSION 2u /* sid, jti, sub and iat must be present and well-formed */

struct gw_jwt_verifier;
/* The ring's keys are shared. A token's kid picks one of them; one without a kid is taken only where the ring holds a single key and the
 * profile does not need a kid. Tokens verified by slow keys are remembered (token/cache.h) as long as the verifier lives.
 * GW_EINVAL: a ring without a current key, a profile without issuer or audience, times out of range, or a kid that is needed of a key
 * without one. The header may hold alg, typ and kid, nothing else. */
GW_MUST_CHECK enum gw_code gw_jwt_verifier_new(const struct gw_token_ring *ring, const struct gw_jwt_profile *profile,
                                               struct gw_jwt_verifier **out, struct gw_error *err);
void gw_jwt_verifier_free(struct gw_jwt_verifier *v);
GW_DEFINE_AUTO_FREE(gw_jwt_verifier);

/* GW_JWT_OK and *claims filled, or the reason (claims then unspecified). Signature before claims, always. */
enum gw_jwt_reason gw_jwt_verify(struct gw_jwt_verifier *v, struct gw_str token, int64_t now_s,
                                 struct gw_jwt_claims *claims);
/* Signature and form only, no claims looked at: for RFC example tests. */
enum gw_jwt_reason gw_jwt_verify_signature(struct gw_jwt_verifier *v, struct gw_str token);

#define GW_JWT_ACCESS_TYPE "at+jwt"
/* Of what opens one WebSocket: never an access token, and no access token one of these. */
#define GW_JWT_TICKET_TYPE "ws-ticket+jwt"
#define GW_TICKET_S 30 /* how long one is good */

/* What a token of ours says. */
struct gw_jwt_issue {
    struct gw_str type; /* header typ; empty: GW_JWT_ACCESS_TYPE */
    struct gw_str issuer, audience, sub, role;
    struct gw_str path; /* of a ticket: where it is good; empty: none */
    struct gw_uuid sid, jti;
    int64_t iat_s, exp_s;
};
/* {"alg":…,"typ":…,"kid":…} of the key, and sub userId role sid jti iat exp iss aud, and path where there is one. Appends the compact form to out. */
GW_MUST_CHECK enum gw_code gw_jwt_sign_access(const struct gw_token_key *key, const struct gw_jwt_issue *issue,
                                              struct gw_buf *out, struct gw_error *err);
/* Any HS256 JWT with header {"alg":"HS256","typ":"JWT"} over ready-made claims (a JSON object text): the upstream's kind. */
GW_MUST_CHECK enum gw_code gw_jwt_sign_claims(const struct gw_mac *mac, struct gw_str claims_json, struct gw_buf *out,
                                              struct gw_error *err);
