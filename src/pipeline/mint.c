/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/mint.h"

#include "base/buf.h"
#include "token/jwt.h"

#include <stdlib.h>
#include <string.h>

/* Sets of four, so that a thousand busy users do not push each other out: 3 MiB, of which only used pages take memory. */
#define SETS_LOG2 10
#define WAYS 4
#define TEXT_MAX 752
#define CREDENTIAL_MAX 8192

struct entry {
    struct gw_uuid user_id; /* zero: never used */
    uint32_t version;
    uint32_t len;
    uint64_t edition;
    int64_t iat_s;
    char text[TEXT_MAX]; /* "Bearer …" */
};

struct gw_mint {
    struct gw_mac *mac;
    const struct gw_secret *key;
    struct entry sets[1 << SETS_LOG2][WAYS];
};

enum gw_code gw_mint_new(const struct gw_secret *key, struct gw_mint **out, struct gw_error *err)
{
    gw_auto(gw_mint) struct gw_mint *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for minted tokens");
    m->key = key;
    if (key != NULL)
        GW_TRY(gw_mac_new(key, &m->mac, err));
    *out = gw_take(&m);
    return GW_OK;
}

void gw_mint_free(struct gw_mint *m)
{
    if (m == NULL)
        return;
    gw_mac_free(m->mac);
    gw_wipe(m->sets, sizeof(m->sets));
    free(m);
}

struct gw_str gw_mint_header(const struct gw_upstream *u)
{
    switch (u->credential) {
    case GW_CREDENTIAL_MINT_HS256:
    case GW_CREDENTIAL_BASIC:
        return GW_STR("Authorization");
    case GW_CREDENTIAL_HEADER:
        return u->header;
    case GW_CREDENTIAL_NONE:
        break;
    }
    return GW_STR_NULL;
}

/* ---- minted tokens ---- */

static struct gw_str claim_value(const struct gw_claim_rule *rule, const struct gw_live_user *user, char *id_text)
{
    switch (rule->source) {
    case GW_CLAIM_UPSTREAM_ID:
        return gw_str(user->upstream_id);
    case GW_CLAIM_USER_ID:
        gw_uuid_format(&user->id, id_text);
        return gw_str(id_text);
    case GW_CLAIM_USERNAME:
        return gw_str(user->username);
    case GW_CLAIM_EMAIL:
        return gw_str(user->email);
    case GW_CLAIM_ROLE:
        return gw_str(user->role);
    case GW_CLAIM_LITERAL:
        return rule->literal;
    }
    return GW_STR_NULL;
}

static void write_claims(const struct gw_upstream *u, const struct gw_live_user *user, int64_t now_s,
                         struct gw_buf *out)
{
    char id_text[GW_UUID_LEN + 1];
    gw_buf_addc(out, '{');
    for (size_t i = 0; i < u->claim_count; i++) {
        gw_buf_add_json(out, u->claims[i].name);
        gw_buf_addc(out, ':');
        gw_buf_add_json(out, claim_value(&u->claims[i], user, id_text));
        gw_buf_addc(out, ',');
    }
    gw_buf_addf(out, "\"iat\":%lld,\"exp\":%lld}", (long long)now_s, (long long)(now_s + u->ttl_s));
}

static enum gw_code mint(struct gw_mint *m, const struct gw_upstream *u, const struct gw_live_user *user, int64_t now_s,
                         struct gw_buf *out)
{
    gw_auto(gw_buf) struct gw_buf claims;
    gw_buf_init(&claims, CREDENTIAL_MAX);
    write_claims(u, user, now_s, &claims);
    GW_TRY(gw_buf_check(&claims, NULL));
    gw_buf_add(out, GW_STR("Bearer "));
    GW_TRY(gw_jwt_sign_claims(m->mac, gw_buf_str(&claims), out, NULL));
    return gw_buf_check(out, NULL);
}

/* Multiplied by the golden ratio, for ids may be imported and alike. One chosen on purpose can only push others out. */
static struct entry *set_of(struct gw_mint *m, const struct gw_uuid *id)
{
    uint64_t a, b;
    memcpy(&a, id->b, sizeof(a));
    memcpy(&b, id->b + sizeof(a), sizeof(b));
    return m->sets[((a ^ b) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SETS_LOG2)];
}

/* The user's entry, else the one that is to make room: the oldest. */
static struct entry *entry_of(struct gw_mint *m, const struct gw_uuid *id)
{
    struct entry *set = set_of(m, id), *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (gw_uuid_eq(&set[i].user_id, id))
            return &set[i];
        if (set[i].iat_s < oldest->iat_s)
            oldest = &set[i];
    }
    return oldest;
}

static enum gw_code minted(struct gw_mint *m, const struct gw_upstream *u, const struct gw_live_user *user,
                           uint64_t edition, int64_t now_s, struct gw_arena *a, struct gw_str *out)
{
    struct entry *e = entry_of(m, &user->id);
    /* Renewed when less than a quarter of its life is left; or when the clock was set back, for it would be one of the future. */
    int64_t age_s = now_s - e->iat_s;
    bool is_kept = e->len > 0 && gw_uuid_eq(&e->user_id, &user->id) && e->version == user->version &&
                   e->edition == edition && age_s >= 0 && age_s < u->ttl_s - u->ttl_s / 4;
    if (is_kept)
        return gw_arena_str(a, (struct gw_str){e->text, e->len}, out);
    gw_auto(gw_buf) struct gw_buf text;
    gw_buf_init(&text, CREDENTIAL_MAX);
    GW_TRY(mint(m, u, user, now_s, &text));
    e->len = 0;
    if (text.len <= sizeof(e->text)) {
        memcpy(e->text, text.ptr, text.len);
        e->user_id = user->id;
        e->version = user->version;
        e->edition = edition;
        e->iat_s = now_s;
        e->len = (uint32_t)text.len;
    }
    return gw_arena_str(a, gw_buf_str(&text), out);
}

/* ---- fixed credentials ---- */

/* RFC 7617 wants the padded alphabet of RFC 4648 section 4. */
static enum gw_code basic(struct gw_str pair, struct gw_arena *a, struct gw_str *out)
{
    static const char scheme[] = "Basic ";
    const size_t prefix = sizeof(scheme) - 1;
    char *text = gw_arena_alloc(a, prefix + GW_BASE64URL_LEN(pair.len) + 3);
    if (text == NULL)
        return GW_ENOMEM;
    memcpy(text, scheme, prefix);
    size_t n = prefix + gw_base64url_encode(pair.ptr, pair.len, text + prefix);
    for (size_t i = prefix; i < n; i++)
        text[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    while ((n - prefix) % 4 != 0)
        text[n++] = '=';
    *out = (struct gw_str){text, n};
    return GW_OK;
}

/* A control byte would end the header and begin another; blanks at its ends would not arrive. */
static bool is_header_value(struct gw_str value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < 0x20 || value.ptr[i] == 0x7f)
            return false;
    return value.len > 0 && value.ptr[0] != ' ' && value.ptr[value.len - 1] != ' ';
}

static enum gw_code header_value(struct gw_str value, struct gw_arena *a, struct gw_str *out)
{
    return is_header_value(value) ? gw_arena_str(a, value, out) : GW_EINVAL;
}

/* RFC 7617 section 2: the first colon ends the user's name, and neither half may hold control bytes. */
static bool is_pair(struct gw_str pair)
{
    for (size_t i = 0; i < pair.len; i++)
        if ((unsigned char)pair.ptr[i] < 0x20 || pair.ptr[i] == 0x7f)
            return false;
    return gw_str_find(pair, ':') < pair.len;
}

enum gw_code gw_mint_check(const struct gw_upstream *u, const struct gw_secret *key, struct gw_error *err)
{
    switch (u->credential) {
    case GW_CREDENTIAL_MINT_HS256:
        return gw_secret_check(key, err);
    case GW_CREDENTIAL_BASIC:
        return is_pair(gw_secret_bytes(key)) ? GW_OK : gw_fail(err, GW_EINVAL, "not `user:password` on one line");
    case GW_CREDENTIAL_HEADER:
        return is_header_value(gw_secret_bytes(key))
                   ? GW_OK
                   : gw_fail(err, GW_EINVAL, "no header value: control bytes in it or blanks at its ends");
    case GW_CREDENTIAL_NONE:
        break;
    }
    return GW_OK;
}

enum gw_code gw_mint_credential(struct gw_mint *m, const struct gw_upstream *u, const struct gw_live_user *user,
                                uint64_t edition, int64_t now_s, struct gw_arena *a, struct gw_str *out)
{
    if (m->key == NULL)
        return GW_EINVAL;
    switch (u->credential) {
    case GW_CREDENTIAL_MINT_HS256:
        return minted(m, u, user, edition, now_s, a, out);
    case GW_CREDENTIAL_BASIC:
        return basic(gw_secret_bytes(m->key), a, out);
    case GW_CREDENTIAL_HEADER:
        return header_value(gw_secret_bytes(m->key), a, out);
    case GW_CREDENTIAL_NONE:
        break;
    }
    return GW_EINTERNAL;
}
