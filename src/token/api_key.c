/* SPDX-License-Identifier: Apache-2.0 */
/* Ids are of the alphabet of RFC 4648 section 6 in lower case: read aloud and copied by hand, no two characters are alike. */
#include "token/api_key.h"

#include "base/encode.h"
#include "crypto/secret.h"

#include <string.h>

#define PREFIX_LEN (sizeof(GW_API_KEY_PREFIX) - 1)
#define PUBLIC_TEXT_LEN (PREFIX_LEN + GW_API_KEY_PUBLIC_LEN)

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

bool gw_api_key_is_one(struct gw_str text)
{
    return gw_str_starts(text, GW_STR(GW_API_KEY_PREFIX));
}

static bool is_public_id(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (memchr(alphabet, s.ptr[i], sizeof(alphabet) - 1) == NULL)
            return false;
    return s.len == GW_API_KEY_PUBLIC_LEN;
}

/* Exactly one text stands for each secret: canonical base64url. */
static bool is_secret(struct gw_str s)
{
    uint8_t bytes[GW_API_KEY_SECRET_BYTES];
    size_t len = 0;
    bool good = s.len == GW_API_KEY_SECRET_LEN && gw_base64url_decode(s, bytes, sizeof(bytes), &len) == GW_OK &&
                len == sizeof(bytes);
    gw_wipe(bytes, sizeof(bytes));
    return good;
}

enum gw_code gw_api_key_parse(struct gw_str text, struct gw_api_key_text *out)
{
    struct gw_api_key_text t = {.public_id = gw_str_sub(text, PREFIX_LEN, GW_API_KEY_PUBLIC_LEN),
                                .secret = GW_STR_NULL};
    if (!gw_api_key_is_one(text) || !is_public_id(t.public_id))
        return GW_EPARSE;
    if (text.len > PUBLIC_TEXT_LEN) {
        t.secret = gw_str_sub(text, PUBLIC_TEXT_LEN + 1, text.len);
        if (text.ptr[PUBLIC_TEXT_LEN] != '_' || !is_secret(t.secret))
            return GW_EPARSE;
    }
    *out = t;
    return GW_OK;
}

enum gw_code gw_api_key_make(const struct gw_random *r, char *dst, struct gw_error *err)
{
    uint8_t id[GW_API_KEY_PUBLIC_LEN];
    GW_TRY(gw_random_fill(r, id, sizeof(id), err));
    memcpy(dst, GW_API_KEY_PREFIX, PREFIX_LEN);
    for (size_t i = 0; i < sizeof(id); i++)
        dst[PREFIX_LEN + i] = alphabet[id[i] % 32]; /* 256 is a multiple of 32 */
    dst[PUBLIC_TEXT_LEN] = '_';
    return gw_random_text(r, GW_API_KEY_SECRET_BYTES, dst + PUBLIC_TEXT_LEN + 1, err);
}
