/* SPDX-License-Identifier: Apache-2.0 */
/* The text of an API key, and the choice between headers: what is taken is one of ours to the byte, and two are never one. */
#include "pipeline/credential.h"
#include "token/api_key.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Put together again, what was taken apart is the text. */
static void parse(struct gw_str text)
{
    struct gw_api_key_text t;
    char again[GW_API_KEY_LEN];
    if (gw_api_key_parse(text, &t) != GW_OK)
        return;
    assert(gw_api_key_is_one(text) && t.public_id.len == GW_API_KEY_PUBLIC_LEN);
    const struct gw_str prefix = GW_STR(GW_API_KEY_PREFIX);
    memcpy(again, prefix.ptr, prefix.len);
    memcpy(again + prefix.len, t.public_id.ptr, t.public_id.len);
    size_t len = prefix.len + t.public_id.len;
    if (t.secret.len > 0) {
        again[len++] = '_';
        assert(t.secret.len == GW_API_KEY_SECRET_LEN);
        memcpy(again + len, t.secret.ptr, t.secret.len);
        len += t.secret.len;
    }
    assert(gw_str_eq(text, (struct gw_str){again, len}));
}

/* Three lines: Authorization, X-API-Key, our cookie. */
static void choose(struct gw_str text)
{
    struct gw_str lines[3] = {GW_STR_NULL, GW_STR_NULL, GW_STR_NULL};
    for (size_t i = 0; i < 3; i++)
        if (!gw_str_split(&text, '\n', &lines[i]))
            break;
    struct gw_client_credential c = gw_credential_choose(lines[0], lines[1], lines[2]);
    bool has_token = c.kind != GW_CREDENTIAL_ABSENT && c.kind != GW_CREDENTIAL_TWO;
    assert(has_token == (c.token.len > 0));
    if (c.kind == GW_CREDENTIAL_BEARER)
        assert(!gw_api_key_is_one(c.token));
    if (c.kind == GW_CREDENTIAL_COOKIE)
        assert(c.token.ptr == lines[2].ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parse((struct gw_str){(const char *)data, size});
    choose((struct gw_str){(const char *)data, size});
    return 0;
}
