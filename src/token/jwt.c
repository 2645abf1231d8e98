/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of a verification: size, three parts, header, signature, claims. What stands before the signature is done for anybody, so it is
 * small: our own two headers are recognised by their encoded bytes; any other is decoded and read, and may hold alg, typ
 * and kid and nothing else. RFC 7515 would have unknown members ignored; but no token of ours has any, and refusing them
 * leaves crit, b64, jwk, jku, x5u, x5c, zip and cty without a meaning to get wrong.
 */
#include "token/jwt.h"

#include <stdlib.h>
#include <string.h>

#include <gw/arena.h>

#include "token/cache.h"
#include "token/scan.h"

#define HEADER_MAX_BYTES 1024 /* decoded */
#define PAYLOAD_MAX_BYTES (GW_JWT_MAX_BYTES * 3 / 4)
#define PROFILE_MAX_BYTES (16 * 1024)
#define DATE_MAX_S INT64_C(253402300799) /* the last second of year 9999 */
#define OWN_HEADERS (GW_TOKEN_GENERATIONS + 1)

/* An encoded header that is known to satisfy the profile, and the key that it picks. */
struct own_header {
    struct gw_str encoded;
    const struct gw_token_key *key;
};

struct gw_jwt_verifier {
    struct gw_token_ring ring;
    const struct gw_token_key *only; /* the ring's, when it holds but one */
    struct gw_token_cache *cache;    /* NULL: no key is slow */
    struct gw_jwt_profile profile;   /* strings in the arena */
    unsigned required;               /* bits of enum claim */
    struct own_header own_headers[OWN_HEADERS];
    size_t own_header_count;
    struct gw_arena arena;
};

const char *gw_jwt_reason_text(enum gw_jwt_reason reason)
{
    switch (reason) {
#define GW_JWT_REASON(name, text) \
    case GW_JWT_##name:           \
        return text;
#include "token/reason.def"
#undef GW_JWT_REASON
    }
    return "unknown";
}

/* ---- parts ---- */

struct parts {
    struct gw_str header, payload, signature; /* encoded */
    struct gw_str signed_text;                /* header.payload */
};

static enum gw_jwt_reason split(struct gw_str token, struct parts *out)
{
    if (token.len > GW_JWT_MAX_BYTES)
        return GW_JWT_TOO_LARGE;
    struct gw_str rest = token;
    if (!gw_str_split(&rest, '.', &out->header) || !gw_str_split(&rest, '.', &out->payload))
        return GW_JWT_MALFORMED;
    out->signature = rest;
    if (out->header.len == 0 || out->payload.len == 0 || rest.len == 0 || gw_str_find(rest, '.') < rest.len)
        return GW_JWT_MALFORMED;
    out->signed_text = gw_str_sub(token, 0, token.len - rest.len - 1);
    return GW_JWT_OK;
}

/* ---- header ---- */

struct header {
    struct gw_str alg, typ, kid; /* ptr NULL: absent */
};

static struct gw_str *header_member(struct header *h, struct gw_str name)
{
    if (gw_str_eq(name, GW_STR("alg")))
        return &h->alg;
    if (gw_str_eq(name, GW_STR("typ")))
        return &h->typ;
    return gw_str_eq(name, GW_STR("kid")) ? &h->kid : NULL;
}

static bool read_header(struct gw_scan *s, struct header *out)
{
    struct gw_scan_list list;
    struct gw_str name;
    if (!gw_scan_enter(s, '{', &list))
        return false;
    while (gw_scan_member(s, &list, &name)) {
        struct gw_str *member = header_member(out, name);
        if (member == NULL || gw_scan_value(s, member) != GW_SCAN_STRING)
            return false;
    }
    return gw_scan_done(s);
}

static bool is_algorithm_of_ring(const struct gw_token_ring *ring, struct gw_str alg)
{
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        if (ring->keys[i] != NULL && gw_str_eq(alg, gw_token_key_algorithm(ring->keys[i])))
            return true;
    return false;
}

/* NULL: none of ours. */
static const struct gw_token_key *pick_key(const struct gw_jwt_verifier *v, struct gw_str kid)
{
    if (kid.ptr == NULL)
        return (v->profile.require & GW_JWT_NEED_KEY_ID) == 0 ? v->only : NULL;
    if (kid.len == 0)
        return NULL;
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++)
        if (v->ring.keys[i] != NULL && gw_str_eq(kid, gw_token_key_id(v->ring.keys[i])))
            return v->ring.keys[i];
    return NULL;
}

static enum gw_jwt_reason judge_header(const struct gw_jwt_verifier *v, const struct header *h,
                                       const struct gw_token_key **out)
{
    if (!is_algorithm_of_ring(&v->ring, h->alg))
        return GW_JWT_ALGORITHM;
    if (v->profile.type.len > 0 && !gw_str_eq_nocase(h->typ, v->profile.type))
        return GW_JWT_TYPE;
    const struct gw_token_key *key = pick_key(v, h->kid);
    if (key == NULL)
        return GW_JWT_KEY_ID;
    if (!gw_str_eq(h->alg, gw_token_key_algorithm(key)))
        return GW_JWT_ALGORITHM;
    *out = key;
    return GW_JWT_OK;
}

static enum gw_jwt_reason decode_header(const struct gw_jwt_verifier *v, struct gw_str encoded,
                                        const struct gw_token_key **out)
{
    char text[HEADER_MAX_BYTES + 1];
    size_t len;
    enum gw_code code = gw_base64url_decode(encoded, text, HEADER_MAX_BYTES, &len);
    if (code != GW_OK)
        return code == GW_ELIMIT ? GW_JWT_HEADER : GW_JWT_ENCODING;
    struct gw_scan s;
    struct header h = {0};
    gw_scan_init(&s, text, len);
    return read_header(&s, &h) ? judge_header(v, &h, out) : GW_JWT_HEADER;
}

static enum gw_jwt_reason check_header(const struct gw_jwt_verifier *v, struct gw_str encoded,
                                       const struct gw_token_key **out)
{
    for (size_t i = 0; i < v->own_header_count; i++) {
        if (gw_str_eq(encoded, v->own_headers[i].encoded)) {
            *out = v->own_headers[i].key;
            return GW_JWT_OK;
        }
    }
    return decode_header(v, encoded, out);
}

/* ---- signature ---- */

static enum gw_jwt_reason check_signature(const struct gw_token_key *key, const struct parts *p)
{
    char signature[GW_TOKEN_SIGNATURE_MAX];
    size_t len;
    enum gw_code code = gw_base64url_decode(p->signature, signature, sizeof(signature), &len);
    if (code != GW_OK)
        return code == GW_ELIMIT ? GW_JWT_SIGNATURE : GW_JWT_ENCODING;
    code = gw_token_key_verify(key, p->signed_text, (struct gw_str){signature, len});
    return code == GW_OK ? GW_JWT_OK : GW_JWT_SIGNATURE;
}

/* All that is checked before anybody may look at the claims. */
static enum gw_jwt_reason open_token(struct gw_jwt_verifier *v, struct gw_str token, struct parts *out)
{
    const struct gw_token_key *key = NULL;
    enum gw_jwt_reason reason = split(token, out);
    if (reason == GW_JWT_OK)
        reason = check_header(v, out->header, &key);
    if (reason == GW_JWT_OK)
        reason = check_signature(key, out);
    return reason;
}

enum gw_jwt_reason gw_jwt_verify_signature(struct gw_jwt_verifier *v, struct gw_str token)
{
    struct parts p;
    char payload[PAYLOAD_MAX_BYTES];
    size_t len;
    enum gw_jwt_reason reason = open_token(v, token, &p);
    if (reason != GW_JWT_OK)
        return reason;
    return gw_base64url_decode(p.payload, payload, sizeof(payload), &len) == GW_OK ? GW_JWT_OK : GW_JWT_ENCODING;
}

/* ---- claims ---- */

enum claim {
    CLAIM_OTHER,
    CLAIM_SUB,
    CLAIM_ROLE,
    CLAIM_ISS,
    CLAIM_AUD,
    CLAIM_SID,
    CLAIM_JTI,
    CLAIM_IAT,
    CLAIM_EXP,
    CLAIM_NBF,
    CLAIM_PATH
};

static const struct {
    char name[5];
    uint8_t len;
    uint8_t claim;
} claim_names[] = {
    {"sub", 3, CLAIM_SUB}, {"role", 4, CLAIM_ROLE}, {"sid", 3, CLAIM_SID}, {"jti", 3, CLAIM_JTI},
    {"iat", 3, CLAIM_IAT}, {"exp", 3, CLAIM_EXP},   {"iss", 3, CLAIM_ISS}, {"aud", 3, CLAIM_AUD},
    {"nbf", 3, CLAIM_NBF}, {"path", 4, CLAIM_PATH},
};

static enum claim claim_of(struct gw_str name)
{
    for (size_t i = 0; i < sizeof(claim_names) / sizeof(claim_names[0]); i++) {
        if (name.len == claim_names[i].len && memcmp(name.ptr, claim_names[i].name, name.len) == 0)
            return (enum claim)claim_names[i].claim;
    }
    return CLAIM_OTHER;
}

static bool read_text(struct gw_scan *s, struct gw_str *out)
{
    return gw_scan_value(s, out) == GW_SCAN_STRING && out->len <= GW_JWT_CLAIM_MAX;
}

static bool read_uuid(struct gw_scan *s, struct gw_uuid *out)
{
    struct gw_str text;
    return gw_scan_value(s, &text) == GW_SCAN_STRING && gw_uuid_parse(text, out) == GW_OK;
}

/* NumericDate (RFC 7519 section 2) of the years 1970 to 9999; a fraction is dropped. No exponents: nobody's dates need them. */
static bool read_date(struct gw_scan *s, int64_t *out)
{
    struct gw_str text, whole;
    if (gw_scan_value(s, &text) != GW_SCAN_NUMBER || !gw_str_split(&text, '.', &whole))
        return false;
    if (gw_str_find(text, 'e') < text.len || gw_str_find(text, 'E') < text.len)
        return false;
    return gw_str_to_i64(whole, out) && *out <= DATE_MAX_S;
}

/* One string, or an array of strings with ours among them. */
static bool read_audience(struct gw_scan *s, struct gw_str ours, bool *out_found)
{
    struct gw_scan_list list;
    struct gw_str text;
    bool found = false;
    if (gw_scan_peek(s) != GW_SCAN_ARRAY) {
        if (gw_scan_value(s, &text) != GW_SCAN_STRING)
            return false;
        *out_found = gw_str_eq(text, ours);
        return true;
    }
    if (!gw_scan_enter(s, '[', &list))
        return false;
    while (gw_scan_item(s, &list)) {
        if (gw_scan_value(s, &text) != GW_SCAN_STRING)
            return false;
        found |= gw_str_eq(text, ours);
    }
    *out_found = found;
    return !s->failed;
}

struct findings {
    unsigned seen; /* bits of enum claim */
    bool audience_is_ours;
};

static bool read_claim(const struct gw_jwt_verifier *v, struct gw_scan *s, enum claim claim, struct gw_jwt_claims *c,
                       struct findings *f)
{
    struct gw_str ignored;
    f->seen |= 1u << claim;
    switch (claim) {
    case CLAIM_SUB:
        return read_text(s, &c->sub);
    case CLAIM_ROLE:
        return read_text(s, &c->role);
    case CLAIM_ISS:
        return read_text(s, &c->iss);
    case CLAIM_AUD:
        return read_audience(s, v->profile.audience, &f->audience_is_ours);
    case CLAIM_SID:
        return read_uuid(s, &c->sid);
    case CLAIM_JTI:
        return read_uuid(s, &c->jti);
    case CLAIM_IAT:
        return read_date(s, &c->iat_s);
    case CLAIM_EXP:
        return read_date(s, &c->exp_s);
    case CLAIM_NBF:
        return read_date(s, &c->nbf_s);
    case CLAIM_PATH:
        return read_text(s, &c->path);
    case CLAIM_OTHER:
        break;
    }
    return gw_scan_value(s, &ignored) != GW_SCAN_BAD;
}

static bool read_claims(const struct gw_jwt_verifier *v, size_t len, struct gw_jwt_claims *c, struct findings *f)
{
    struct gw_scan s;
    struct gw_scan_list list;
    struct gw_str name;
    gw_scan_init(&s, c->scratch, len);
    if (!gw_scan_enter(&s, '{', &list))
        return false;
    while (gw_scan_member(&s, &list, &name)) {
        if (!read_claim(v, &s, claim_of(name), c, f))
            return false;
    }
    return gw_scan_done(&s);
}

static enum gw_jwt_reason judge_times(const struct gw_jwt_profile *p, const struct gw_jwt_claims *c, int64_t now_s)
{
    if (c->nbf_s > now_s + p->leeway_s || c->iat_s > now_s + p->leeway_s)
        return GW_JWT_NOT_YET;
    return c->exp_s <= now_s - p->leeway_s ? GW_JWT_EXPIRED : GW_JWT_OK;
}

static enum gw_jwt_reason judge_claims(const struct gw_jwt_verifier *v, const struct gw_jwt_claims *c,
                                       const struct findings *f, int64_t now_s)
{
    const struct gw_jwt_profile *p = &v->profile;
    if ((v->required & ~f->seen) != 0 || ((p->require & GW_JWT_NEED_SESSION) != 0 && c->sub.len == 0))
        return GW_JWT_MISSING;
    if (!gw_str_eq(c->iss, p->issuer))
        return GW_JWT_ISSUER;
    if (!f->audience_is_ours)
        return GW_JWT_AUDIENCE;
    enum gw_jwt_reason reason = judge_times(p, c, now_s);
    if (reason == GW_JWT_OK && p->max_lifetime_s > 0 && c->exp_s - c->iat_s > p->max_lifetime_s)
        return GW_JWT_LIFETIME;
    return reason;
}

static enum gw_jwt_reason verify_anew(struct gw_jwt_verifier *v, struct gw_str token, int64_t now_s,
                                      struct gw_jwt_claims *claims)
{
    struct parts p;
    size_t len;
    enum gw_jwt_reason reason = open_token(v, token, &p);
    if (reason != GW_JWT_OK)
        return reason;
    /* The scratch is not cleared: 4 KiB a request would cost more than the scan. */
    memset(claims, 0, offsetof(struct gw_jwt_claims, scratch));
    if (gw_base64url_decode(p.payload, claims->scratch, PAYLOAD_MAX_BYTES, &len) != GW_OK)
        return GW_JWT_ENCODING;
    struct findings f = {0};
    return read_claims(v, len, claims, &f) ? judge_claims(v, claims, &f, now_s) : GW_JWT_CLAIMS;
}

/* A token once found good is good but for its times. */
static enum gw_jwt_reason verify_remembered(struct gw_jwt_verifier *v, struct gw_str token, int64_t now_s,
                                            struct gw_jwt_claims *claims)
{
    struct gw_token_digest digest;
    if (token.len > GW_JWT_MAX_BYTES)
        return GW_JWT_TOO_LARGE;
    if (gw_token_digest_of(token, &digest) != GW_OK)
        return verify_anew(v, token, now_s, claims);
    if (gw_token_cache_get(v->cache, &digest, claims)) {
        claims->iss = v->profile.issuer;
        return judge_times(&v->profile, claims, now_s);
    }
    enum gw_jwt_reason reason = verify_anew(v, token, now_s, claims);
    if (reason == GW_JWT_OK)
        gw_token_cache_put(v->cache, &digest, claims);
    return reason;
}

enum gw_jwt_reason gw_jwt_verify(struct gw_jwt_verifier *v, struct gw_str token, int64_t now_s,
                                 struct gw_jwt_claims *claims)
{
    return v->cache != NULL ? verify_remembered(v, token, now_s, claims) : verify_anew(v, token, now_s, claims);
}

/* ---- signing ---- */

/* Header texts of the two kinds that we make; kid empty: none. */
static void add_header(struct gw_buf *b, struct gw_str alg, struct gw_str typ, struct gw_str kid)
{
    gw_buf_add(b, GW_STR("{\"alg\":"));
    gw_buf_add_json(b, alg);
    gw_buf_add(b, GW_STR(",\"typ\":"));
    gw_buf_add_json(b, typ);
    if (kid.len > 0) {
        gw_buf_add(b, GW_STR(",\"kid\":"));
        gw_buf_add_json(b, kid);
    }
    gw_buf_addc(b, '}');
}

/* A token being made: header and claims first, then their signature. */
struct draft {
    char text[GW_JWT_MAX_BYTES];
    size_t len;
};

static enum gw_code begin_token(struct draft *d, struct gw_str header, struct gw_str claims, size_t signature_len,
                                struct gw_error *err)
{
    if (claims.len > PAYLOAD_MAX_BYTES || header.len > HEADER_MAX_BYTES ||
        GW_BASE64URL_LEN(header.len) + GW_BASE64URL_LEN(claims.len) + GW_BASE64URL_LEN(signature_len) + 2 >
            sizeof(d->text))
        return gw_fail(err, GW_ELIMIT, "a token of more than %d bytes", GW_JWT_MAX_BYTES);
    d->len = gw_base64url_encode(header.ptr, header.len, d->text);
    d->text[d->len++] = '.';
    d->len += gw_base64url_encode(claims.ptr, claims.len, d->text + d->len);
    return GW_OK;
}

static enum gw_code end_token(struct draft *d, const void *signature, size_t signature_len, struct gw_buf *out,
                              struct gw_error *err)
{
    d->text[d->len++] = '.';
    d->len += gw_base64url_encode(signature, signature_len, d->text + d->len);
    gw_buf_add(out, (struct gw_str){d->text, d->len});
    gw_wipe(d->text, d->len);
    return gw_buf_check(out, err);
}

static void add_text_claim(struct gw_buf *b, struct gw_str prefix, struct gw_str value)
{
    gw_buf_add(b, prefix);
    gw_buf_add_json(b, value);
}

enum gw_code gw_jwt_sign_access(const struct gw_token_key *key, const struct gw_jwt_issue *issue, struct gw_buf *out,
                                struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf header = {0}, claims = {0};
    char sid[GW_UUID_LEN + 1], jti[GW_UUID_LEN + 1];
    gw_buf_init(&header, HEADER_MAX_BYTES);
    gw_buf_init(&claims, PAYLOAD_MAX_BYTES);
    gw_uuid_format(&issue->sid, sid);
    gw_uuid_format(&issue->jti, jti);
    add_header(&header, gw_token_key_algorithm(key), issue->type.len > 0 ? issue->type : GW_STR(GW_JWT_ACCESS_TYPE),
               gw_token_key_id(key));
    add_text_claim(&claims, GW_STR("{\"sub\":"), issue->sub);
    add_text_claim(&claims, GW_STR(",\"userId\":"), issue->sub); /* the name that the usual Node backend reads */
    add_text_claim(&claims, GW_STR(",\"role\":"), issue->role);
    gw_buf_addf(&claims, ",\"sid\":\"%s\",\"jti\":\"%s\",\"iat\":%jd,\"exp\":%jd", sid, jti, (intmax_t)issue->iat_s,
                (intmax_t)issue->exp_s);
    add_text_claim(&claims, GW_STR(",\"iss\":"), issue->issuer);
    add_text_claim(&claims, GW_STR(",\"aud\":"), issue->audience);
    if (issue->path.len > 0)
        add_text_claim(&claims, GW_STR(",\"path\":"), issue->path);
    gw_buf_addc(&claims, '}');
    GW_TRY(gw_buf_check(&header, err));
    GW_TRY(gw_buf_check(&claims, err));
    struct draft d;
    char signature[GW_TOKEN_SIGNATURE_MAX];
    size_t len;
    GW_TRY(begin_token(&d, gw_buf_str(&header), gw_buf_str(&claims), sizeof(signature), err));
    if (gw_token_key_sign(key, (struct gw_str){d.text, d.len}, signature, &len) != GW_OK)
        return gw_fail(err, GW_ECRYPTO, "cannot sign a token");
    return end_token(&d, signature, len, out, err);
}

enum gw_code gw_jwt_sign_claims(const struct gw_mac *mac, struct gw_str claims_json, struct gw_buf *out,
                                struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf header = {0};
    gw_buf_init(&header, HEADER_MAX_BYTES);
    add_header(&header, GW_STR("HS256"), GW_STR("JWT"), GW_STR_NULL);
    GW_TRY(gw_buf_check(&header, err));
    struct draft d;
    uint8_t tag[GW_MAC_BYTES];
    GW_TRY(begin_token(&d, gw_buf_str(&header), claims_json, sizeof(tag), err));
    if (gw_mac_sign(mac, (struct gw_str){d.text, d.len}, tag) != GW_OK)
        return gw_fail(err, GW_ECRYPTO, "cannot sign a token");
    return end_token(&d, tag, sizeof(tag), out, err);
}

/* ---- verifier ---- */

static enum gw_code check_profile(const struct gw_token_ring *ring, const struct gw_jwt_profile *p,
                                  struct gw_error *err)
{
    const struct gw_token_key *current = ring->keys[GW_TOKEN_CURRENT];
    if (current == NULL)
        return gw_fail(err, GW_EINVAL, "no current token key");
    if ((p->require & GW_JWT_NEED_KEY_ID) != 0 && gw_token_key_id(current).len == 0)
        return gw_fail(err, GW_EINVAL, "a token profile that needs a key id, and a key without one");
    if (p->issuer.len == 0 || p->audience.len == 0)
        return gw_fail(err, GW_EINVAL, "a token profile without issuer or audience");
    if (p->leeway_s < 0 || p->leeway_s > GW_JWT_LEEWAY_MAX_S)
        return gw_fail(err, GW_EINVAL, "a token leeway outside 0..%d s", GW_JWT_LEEWAY_MAX_S);
    if (p->max_lifetime_s < 0)
        return gw_fail(err, GW_EINVAL, "a negative token lifetime");
    return GW_OK;
}

static enum gw_code copy_profile(struct gw_jwt_verifier *v, const struct gw_jwt_profile *p)
{
    v->profile = *p;
    GW_TRY(gw_arena_str(&v->arena, p->issuer, &v->profile.issuer));
    GW_TRY(gw_arena_str(&v->arena, p->audience, &v->profile.audience));
    return gw_arena_str(&v->arena, p->type, &v->profile.type);
}

static unsigned required_claims(const struct gw_jwt_profile *p)
{
    unsigned required = 1u << CLAIM_EXP | 1u << CLAIM_ISS | 1u << CLAIM_AUD;
    if ((p->require & GW_JWT_NEED_SESSION) != 0)
        required |= 1u << CLAIM_SID | 1u << CLAIM_JTI | 1u << CLAIM_SUB | 1u << CLAIM_IAT;
    if (p->max_lifetime_s > 0)
        required |= 1u << CLAIM_IAT;
    return required;
}

/* Remembers a header of ours, provided that the careful way takes it: so the short way takes nothing that it would not. */
static enum gw_code learn_header(struct gw_jwt_verifier *v, struct gw_str alg, struct gw_str typ, struct gw_str kid,
                                 struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    char encoded[GW_BASE64URL_LEN(HEADER_MAX_BYTES)];
    struct own_header *own = &v->own_headers[v->own_header_count];
    gw_buf_init(&b, HEADER_MAX_BYTES);
    add_header(&b, alg, typ, kid);
    GW_TRY(gw_buf_check(&b, err));
    struct gw_str text = {encoded, gw_base64url_encode(b.ptr, b.len, encoded)};
    if (decode_header(v, text, &own->key) != GW_JWT_OK)
        return GW_OK;
    if (gw_arena_str(&v->arena, text, &own->encoded) != GW_OK)
        return gw_fail(err, GW_ENOMEM, "no memory for a token verifier");
    v->own_header_count++;
    return GW_OK;
}

static enum gw_code learn_keys(struct gw_jwt_verifier *v, struct gw_error *err)
{
    size_t count = 0;
    bool is_slow = false;
    for (size_t i = 0; i < GW_TOKEN_GENERATIONS; i++) {
        const struct gw_token_key *key = v->ring.keys[i];
        if (key == NULL)
            continue;
        count++;
        is_slow |= gw_token_key_is_slow(key);
        GW_TRY(learn_header(v, gw_token_key_algorithm(key), GW_STR(GW_JWT_ACCESS_TYPE), gw_token_key_id(key), err));
    }
    if (count == 1)
        v->only = v->ring.keys[GW_TOKEN_CURRENT];
    GW_TRY(learn_header(v, gw_token_key_algorithm(v->ring.keys[GW_TOKEN_CURRENT]), GW_STR("JWT"), GW_STR_NULL, err));
    return is_slow ? gw_token_cache_new(&v->cache, err) : GW_OK;
}

enum gw_code gw_jwt_verifier_new(const struct gw_token_ring *ring, const struct gw_jwt_profile *profile,
                                 struct gw_jwt_verifier **out, struct gw_error *err)
{
    GW_TRY(check_profile(ring, profile, err));
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = calloc(1, sizeof(*v));
    if (v == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a token verifier");
    gw_arena_init(&v->arena, PROFILE_MAX_BYTES);
    if (copy_profile(v, profile) != GW_OK)
        return gw_fail(err, GW_ENOMEM, "no memory for a token profile of more than %d bytes", PROFILE_MAX_BYTES);
    v->required = required_claims(profile);
    gw_token_ring_copy(ring, &v->ring);
    GW_TRY(learn_keys(v, err));
    *out = gw_take(&v);
    return GW_OK;
}

void gw_jwt_verifier_free(struct gw_jwt_verifier *v)
{
    if (v == NULL)
        return;
    gw_token_cache_free(v->cache);
    gw_token_ring_done(&v->ring);
    gw_arena_done(&v->arena);
    free(v);
}
