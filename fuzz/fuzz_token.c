/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens. The first byte chooses: 'T' a token as a client would send it; 'S' header and claims parted by a newline, signed
 * here, so that what lies behind the signature is reached; anything else JSON for the scanner, held against jansson: what the scanner
 * takes must be JSON to it too.
 */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "token/jwt.h"
#include "token/scan.h"

#define NOW INT64_C(1900000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_secret *key;
static struct gw_mac *mac;
static struct gw_jwt_verifier *verifier;

static void set_up(void)
{
    const struct gw_jwt_profile profile = {
        .issuer = GW_STR("aaiti-api"), .audience = GW_STR("aaiti-client"), .leeway_s = 10};
    static struct gw_token_ring ring;
    if (gw_secret_new(GW_STR("kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4K"), &key, NULL) != GW_OK ||
        gw_mac_new(key, &mac, NULL) != GW_OK ||
        gw_token_key_new(GW_TOKEN_KEY_HS256, key, GW_STR("k1"), &ring.keys[GW_TOKEN_CURRENT], NULL) != GW_OK ||
        gw_jwt_verifier_new(&ring, &profile, &verifier, NULL) != GW_OK)
        abort();
}

static bool is_within(struct gw_str s, const char *from, size_t size)
{
    return s.ptr == NULL || (s.ptr >= from && s.ptr + s.len <= from + size);
}

static void verify(struct gw_str token)
{
    static struct gw_jwt_claims claims;
    if (gw_jwt_verify(verifier, token, NOW, &claims) != GW_JWT_OK)
        return;
    assert(gw_jwt_verify_signature(verifier, token) == GW_JWT_OK);
    assert(claims.exp_s > NOW - 10 && claims.nbf_s <= NOW + 10 && claims.iat_s <= NOW + 10);
    assert(gw_str_eq(claims.iss, GW_STR("aaiti-api")));
    assert(is_within(claims.sub, claims.scratch, sizeof(claims.scratch)) && claims.sub.len <= GW_JWT_CLAIM_MAX);
    assert(is_within(claims.role, claims.scratch, sizeof(claims.scratch)) && claims.role.len <= GW_JWT_CLAIM_MAX);
}

static void sign_and_verify(struct gw_str text)
{
    struct gw_str rest = text, header;
    uint8_t tag[GW_MAC_BYTES];
    if (text.len > 2 * GW_JWT_MAX_BYTES || !gw_str_split(&rest, '\n', &header))
        return;
    char *token = malloc(GW_BASE64URL_LEN(text.len) + 64);
    if (token == NULL)
        abort();
    size_t n = gw_base64url_encode(header.ptr, header.len, token);
    token[n++] = '.';
    n += gw_base64url_encode(rest.ptr, rest.len, token + n);
    if (gw_mac_sign(mac, (struct gw_str){token, n}, tag) != GW_OK)
        abort();
    token[n++] = '.';
    n += gw_base64url_encode(tag, sizeof(tag), token + n);
    verify((struct gw_str){token, n});
    free(token);
}

static void scan(struct gw_str text)
{
    struct gw_scan s;
    struct gw_str ignored;
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        abort();
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    gw_scan_init(&s, copy, text.len);
    bool taken = gw_scan_value(&s, &ignored) != GW_SCAN_BAD && gw_scan_done(&s);
    free(copy);
    if (!taken)
        return;
    json_error_t error;
    json_t *tree =
        json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    /* jansson holds numbers as doubles, the scanner as text: 1e400 is JSON all the same. */
    assert(tree != NULL || json_error_code(&error) == json_error_numeric_overflow);
    json_decref(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (verifier == NULL)
        set_up();
    if (size == 0)
        return 0;
    struct gw_str text = {(const char *)data + 1, size - 1};
    if (data[0] == 'T')
        verify(text);
    else if (data[0] == 'S')
        sign_and_verify(text);
    else
        scan(text);
    return 0;
}
