/* SPDX-License-Identifier: Apache-2.0 */
#include "token/cache.h"

#include <stdlib.h>
#include <string.h>

#include "token/jwt.h"

/* Sets of eight: of 2000 tokens in sets of four, one in seven would share its set with more than fit and be verified each time. */
#define SETS 1024 /* a power of two */
#define WAYS 8
#define SUB_MAX GW_UUID_LEN
#define ROLE_MAX 32

struct entry {
    struct gw_token_digest digest;
    uint64_t used; /* 0: never */
    struct gw_uuid sid, jti;
    int64_t iat_s, exp_s, nbf_s;
    uint8_t sub_len, role_len;
    char sub[SUB_MAX], role[ROLE_MAX];
};

struct gw_token_cache {
    uint64_t uses;
    struct entry sets[SETS][WAYS];
};

enum gw_code gw_token_digest_of(struct gw_str token, struct gw_token_digest *out)
{
    return gw_sha256(token, out->bytes, NULL);
}

/* Zeroed pages that nobody touched take no memory. */
enum gw_code gw_token_cache_new(struct gw_token_cache **out, struct gw_error *err)
{
    struct gw_token_cache *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for verified tokens");
    *out = c;
    return GW_OK;
}

void gw_token_cache_free(struct gw_token_cache *c)
{
    free(c);
}

static struct entry *set_of(struct gw_token_cache *c, const struct gw_token_digest *d)
{
    return c->sets[(d->bytes[0] | d->bytes[1] << 8) % SETS];
}

bool gw_token_cache_get(struct gw_token_cache *c, const struct gw_token_digest *d, struct gw_jwt_claims *out)
{
    struct entry *set = set_of(c, d);
    for (size_t i = 0; i < WAYS; i++) {
        struct entry *e = &set[i];
        if (e->used == 0 || memcmp(e->digest.bytes, d->bytes, sizeof(d->bytes)) != 0)
            continue;
        e->used = ++c->uses;
        memset(out, 0, offsetof(struct gw_jwt_claims, scratch));
        memcpy(out->scratch, e->sub, e->sub_len);
        memcpy(out->scratch + SUB_MAX, e->role, e->role_len);
        out->sub = (struct gw_str){out->scratch, e->sub_len};
        out->role = (struct gw_str){out->scratch + SUB_MAX, e->role_len};
        out->sid = e->sid;
        out->jti = e->jti;
        out->iat_s = e->iat_s;
        out->exp_s = e->exp_s;
        out->nbf_s = e->nbf_s;
        return true;
    }
    return false;
}

void gw_token_cache_put(struct gw_token_cache *c, const struct gw_token_digest *d, const struct gw_jwt_claims *claims)
{
    struct entry *set = set_of(c, d), *oldest = set;
    if (claims->sub.len > SUB_MAX || claims->role.len > ROLE_MAX)
        return;
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].used < oldest->used)
            oldest = &set[i];
    *oldest = (struct entry){
        .digest = *d,
        .used = ++c->uses,
        .sid = claims->sid,
        .jti = claims->jti,
        .iat_s = claims->iat_s,
        .exp_s = claims->exp_s,
        .nbf_s = claims->nbf_s,
        .sub_len = (uint8_t)claims->sub.len,
        .role_len = (uint8_t)claims->role.len,
    };
    if (claims->sub.len > 0)
        memcpy(oldest->sub, claims->sub.ptr, claims->sub.len);
    if (claims->role.len > 0)
        memcpy(oldest->role, claims->role.ptr, claims->role.len);
}
