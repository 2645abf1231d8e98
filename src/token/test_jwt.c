/* SPDX-License-Identifier: Apache-2.0 */
#include "token/jwt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define NOW INT64_C(1900000000)
#define KEY "kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4K"
#define SID "018f3b5a-7c1e-7aaa-8bbb-0123456789ab"
#define JTI "018f3b5a-7c1e-7ccc-9ddd-0123456789ab"
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"
#define IDS "\"sid\":\"" SID "\",\"jti\":\"" JTI "\""
#define TIMES "\"iat\":1899999940,\"exp\":1900000600"
#define PARTIES "\"iss\":\"aaiti-api\",\"aud\":\"aaiti-client\""
#define CLAIMS "{\"sub\":\"u1\",\"role\":\"trader\"," IDS "," TIMES "," PARTIES "}"

static const struct gw_jwt_profile strict = {
    .issuer = {"aaiti-api", 9},
    .audience = {"aaiti-client", 12},
    .type = {"at+jwt", 6},
    .max_lifetime_s = 86400,
    .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION,
};
/* Any type, key id if it is ours, no session: as for tokens of another issuer. */
static const struct gw_jwt_profile lax = {.issuer = {"aaiti-api", 9}, .audience = {"aaiti-client", 12}, .leeway_s = 10};

static struct gw_secret *key;
static struct gw_mac *mac;
static struct gw_token_ring ring;
static struct gw_jwt_claims claims;

/* A ring of one key; the caller gw_token_ring_done. */
static struct gw_token_ring ring_of(const char *text, struct gw_str id)
{
    struct gw_token_ring r = {0};
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    assert_int_equal(gw_secret_new(gw_str(text), &secret, NULL), GW_OK);
    assert_int_equal(gw_token_key_new(GW_TOKEN_KEY_HS256, secret, id, &r.keys[GW_TOKEN_CURRENT], NULL), GW_OK);
    return r;
}

static int set_up(void **state)
{
    (void)state;
    ring = ring_of(KEY, GW_STR("k1"));
    return gw_secret_new(GW_STR(KEY), &key, NULL) == GW_OK && gw_mac_new(key, &mac, NULL) == GW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    gw_token_ring_done(&ring);
    gw_mac_free(mac);
    gw_secret_free(key);
    return 0;
}

static struct gw_jwt_verifier *verifier(const struct gw_jwt_profile *p)
{
    struct gw_jwt_verifier *v = NULL;
    assert_int_equal(gw_jwt_verifier_new(&ring, p, &v, NULL), GW_OK);
    return v;
}

/* Signs whatever it is given. The caller frees. */
static struct gw_str token_of(struct gw_str header, struct gw_str body)
{
    char *text = malloc(GW_BASE64URL_LEN(header.len) + GW_BASE64URL_LEN(body.len) + GW_BASE64URL_LEN(GW_MAC_BYTES) + 2);
    uint8_t tag[GW_MAC_BYTES];
    assert_non_null(text);
    size_t n = gw_base64url_encode(header.ptr, header.len, text);
    text[n++] = '.';
    n += gw_base64url_encode(body.ptr, body.len, text + n);
    assert_int_equal(gw_mac_sign(mac, (struct gw_str){text, n}, tag), GW_OK);
    text[n++] = '.';
    n += gw_base64url_encode(tag, sizeof(tag), text + n);
    return (struct gw_str){text, n};
}

static enum gw_jwt_reason verify_by(const struct gw_token_ring *keys, const struct gw_jwt_profile *p,
                                    struct gw_str header, struct gw_str body)
{
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = NULL;
    assert_int_equal(gw_jwt_verifier_new(keys, p, &v, NULL), GW_OK);
    struct gw_str token = token_of(header, body);
    enum gw_jwt_reason reason = gw_jwt_verify(v, token, NOW, &claims);
    free((char *)(uintptr_t)token.ptr);
    return reason;
}

static enum gw_jwt_reason verify_parts(const struct gw_jwt_profile *p, struct gw_str header, struct gw_str body)
{
    return verify_by(&ring, p, header, body);
}

static void good_tokens_are_taken_and_read(void **state)
{
    (void)state;
    assert_int_equal(verify_parts(&strict, GW_STR(HEADER), GW_STR(CLAIMS)), GW_JWT_OK);
    char sid[GW_UUID_LEN + 1], jti[GW_UUID_LEN + 1];
    gw_uuid_format(&claims.sid, sid);
    gw_uuid_format(&claims.jti, jti);
    assert_string_equal(sid, SID);
    assert_string_equal(jti, JTI);
    assert_true(gw_str_eq(claims.sub, GW_STR("u1")));
    assert_true(gw_str_eq(claims.role, GW_STR("trader")));
    assert_true(gw_str_eq(claims.iss, GW_STR("aaiti-api")));
    assert_int_equal(claims.iat_s, 1899999940);
    assert_int_equal(claims.exp_s, 1900000600);
    assert_int_equal(claims.nbf_s, 0);
}

static void accepts(void **state)
{
    (void)state;
    static const struct {
        const struct gw_jwt_profile *profile;
        struct gw_str header, body;
    } cases[] = {
        /* another order and white space: the careful way */
        {&strict, GW_STR("{ \"kid\":\"k1\", \"typ\":\"AT+JWT\",\r\n\"alg\":\"HS256\" }"), GW_STR(CLAIMS)},
        {&strict, GW_STR("{\"alg\":\"HS\\u003256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_STR(CLAIMS)},
        {&lax, GW_STR("{\"alg\":\"HS256\"}"), GW_STR("{" PARTIES ",\"exp\":1900000600}")},
        {&lax, GW_STR("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), GW_STR("{" PARTIES ",\"exp\":1900000600.5}")},
        {&lax, GW_STR("{\"alg\":\"HS256\"}"), GW_STR("{" PARTIES ",\"exp\":1899999991}")}, /* leeway */
        {&lax, GW_STR("{\"alg\":\"HS256\"}"),
         GW_STR("{" PARTIES ",\"exp\":1900000600,\"nbf\":1900000010}")}, /* leeway */
        {&lax, GW_STR("{\"alg\":\"HS256\"}"), GW_STR("{" PARTIES ",\"exp\":253402300799}")},
        {&lax, GW_STR("{\"alg\":\"HS256\"}"),
         GW_STR("{\"iss\":\"aaiti-api\",\"aud\":[\"other\",\"aaiti-client\"],\"exp\":1900000600}")},
        {&lax, GW_STR("{\"alg\":\"HS256\"}"),
         GW_STR("{\"iss\":\"aaiti-api\",\"aud\":[\"aaiti-client\",\"other\"],\"exp\":1900000600}")},
        {&lax, GW_STR("{\"alg\":\"HS256\"}"),
         GW_STR("{\"x\":{\"y\":[1,{}]},\"z\":null," PARTIES ",\"exp\":1900000600}")},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(verify_parts(cases[i].profile, cases[i].header, cases[i].body), GW_JWT_OK);
}

static void refuses_headers(void **state)
{
    (void)state;
    static const struct {
        struct gw_str header;
        enum gw_jwt_reason want;
    } cases[] = {
        {GW_STR("{\"alg\":\"none\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"alg\":\"hs256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"alg\":\"HS256 \",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"alg\":\"HS384\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"alg\":\"\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_ALGORITHM},
        {GW_STR("{}"), GW_JWT_ALGORITHM},
        {GW_STR("{\"alg\":null,\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":[\"HS256\"],\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\\u0000\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}"), GW_JWT_TYPE},
        {GW_STR("{\"alg\":\"HS256\",\"kid\":\"k1\"}"), GW_JWT_TYPE},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), GW_JWT_TYPE}, /* as minted for the upstream */
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"\",\"kid\":\"k1\"}"), GW_JWT_TYPE},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":1,\"kid\":\"k1\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}"), GW_JWT_KEY_ID},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k2\"}"), GW_JWT_KEY_ID},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"K1\"}"), GW_JWT_KEY_ID},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"\"}"), GW_JWT_KEY_ID},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":null}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":[\"k1\"]}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\\u0000\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"crit\":[\"exp\"],\"exp\":1}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"crit\":[]}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"b64\":true}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"jwk\":{}}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"jku\":\"https://x\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"x5u\":\"https://x\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"x5c\":[]}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"zip\":\"DEF\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"cty\":\"JWT\"}"), GW_JWT_HEADER},
        {GW_STR("{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"alg\":\"HS256\"}"), GW_JWT_HEADER},
        {GW_STR("{\"\\u0061lg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\",\"alg\":\"none\"}"), GW_JWT_HEADER},
        {GW_STR("[]"), GW_JWT_HEADER},
        {GW_STR("\"HS256\""), GW_JWT_HEADER},
        {GW_STR(HEADER "x"), GW_JWT_HEADER},
        {GW_STR("\xef\xbb\xbf" HEADER), GW_JWT_HEADER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum gw_jwt_reason got = verify_parts(&strict, cases[i].header, GW_STR(CLAIMS));
        if (got != cases[i].want)
            fail_msg("%s: %s", cases[i].header.ptr, gw_jwt_reason_text(got));
    }
    char big[2000];
    memset(big, ' ', sizeof(big));
    memcpy(big, HEADER, strlen(HEADER));
    assert_int_equal(verify_parts(&strict, (struct gw_str){big, sizeof(big)}, GW_STR("{}")), GW_JWT_HEADER);
}

static void refuses_any_key_id_where_none_is_known(void **state)
{
    (void)state;
    gw_auto(gw_token_ring) struct gw_token_ring nameless = ring_of(KEY, GW_STR(""));
    static const struct {
        struct gw_str header;
        enum gw_jwt_reason want;
    } cases[] = {
        {GW_STR("{\"alg\":\"HS256\"}"), GW_JWT_OK},
        {GW_STR("{\"alg\":\"HS256\",\"kid\":\"k1\"}"), GW_JWT_KEY_ID},
        {GW_STR("{\"alg\":\"HS256\",\"kid\":\"\"}"), GW_JWT_KEY_ID},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(verify_by(&nameless, &lax, cases[i].header, GW_STR(CLAIMS)), cases[i].want);
}

#define WITH(changed) "{\"sub\":\"u1\"," IDS "," PARTIES "," changed "}"

static void refuses_claims(void **state)
{
    (void)state;
    static const struct {
        struct gw_str body;
        enum gw_jwt_reason want;
    } cases[] = {
        /* times: the first second that is too late, and one too early */
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":1900000000")), GW_JWT_EXPIRED},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":1900000000.9")), GW_JWT_EXPIRED},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":0")), GW_JWT_EXPIRED},
        {GW_STR(WITH("\"iat\":1900000001,\"exp\":1900000600")), GW_JWT_NOT_YET},
        {GW_STR(WITH(TIMES ",\"nbf\":1900000001")), GW_JWT_NOT_YET},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":1900086341")), GW_JWT_LIFETIME},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":-1")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":1e10")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":1900000600.5e0")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":253402300800")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":9223372036854775808")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":\"1900000600\"")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":null")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":[1900000600]")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940,\"exp\":01900000600")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":\"x\",\"exp\":1900000600")), GW_JWT_CLAIMS},
        {GW_STR(WITH(TIMES ",\"nbf\":\"0\"")), GW_JWT_CLAIMS},
        {GW_STR(WITH("\"iat\":1899999940")), GW_JWT_MISSING},
        {GW_STR(WITH("\"exp\":1900000600")), GW_JWT_MISSING},
        /* parties */
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api2\",\"aud\":\"aaiti-client\"}"), GW_JWT_ISSUER},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"AAITI-API\",\"aud\":\"aaiti-client\"}"), GW_JWT_ISSUER},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":[\"aaiti-api\"],\"aud\":\"aaiti-client\"}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"aud\":\"aaiti-client\"}"), GW_JWT_MISSING},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":\"other\"}"), GW_JWT_AUDIENCE},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":\"aaiti-client2\"}"), GW_JWT_AUDIENCE},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":[]}"), GW_JWT_AUDIENCE},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":[\"aaiti-client\",1]}"),
         GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":[[\"aaiti-client\"]]}"),
         GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":{\"aaiti-client\":1}}"),
         GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\",\"aud\":null}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\"," IDS "," TIMES ",\"iss\":\"aaiti-api\"}"), GW_JWT_MISSING},
        /* whose */
        {GW_STR("{" IDS "," TIMES "," PARTIES "}"), GW_JWT_MISSING},
        {GW_STR("{\"sub\":\"\"," IDS "," TIMES "," PARTIES "}"), GW_JWT_MISSING},
        {GW_STR("{\"sub\":7," IDS "," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\\u0000\"," IDS "," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"\\ud800\"," IDS "," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"\xff\"," IDS "," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\",\"role\":[\"admin\"]," IDS "," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\",\"jti\":\"" JTI "\"," TIMES "," PARTIES "}"), GW_JWT_MISSING},
        {GW_STR("{\"sub\":\"u1\",\"sid\":\"" SID "\"," TIMES "," PARTIES "}"), GW_JWT_MISSING},
        {GW_STR("{\"sub\":\"u1\",\"jti\":\"x\",\"sid\":\"" SID "\"," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        {GW_STR("{\"sub\":\"u1\",\"jti\":\"" JTI "\",\"sid\":\"{" SID "}\"," TIMES "," PARTIES "}"), GW_JWT_CLAIMS},
        /* form */
        {GW_STR(WITH(TIMES ",\"sub\":\"admin\"")), GW_JWT_CLAIMS},
        {GW_STR(WITH(TIMES ",\"e\\u0078p\":1")), GW_JWT_CLAIMS},
        {GW_STR(WITH(TIMES ",\"x\":[[[[[[[[[]]]]]]]]]")), GW_JWT_CLAIMS},
        {GW_STR(CLAIMS "{}"), GW_JWT_CLAIMS},
        {GW_STR(CLAIMS "\0"), GW_JWT_CLAIMS},
        {GW_STR("[]"), GW_JWT_CLAIMS},
        {GW_STR("null"), GW_JWT_CLAIMS},
        {GW_STR("{"), GW_JWT_CLAIMS},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        enum gw_jwt_reason got = verify_parts(&strict, GW_STR(HEADER), cases[i].body);
        if (got != cases[i].want)
            fail_msg("%s: %s", cases[i].body.ptr, gw_jwt_reason_text(got));
    }
}

static void refuses_long_claims(void **state)
{
    (void)state;
    char body[512];
    for (int n = GW_JWT_CLAIM_MAX; n <= GW_JWT_CLAIM_MAX + 1; n++) {
        int len = snprintf(body, sizeof(body), "{\"sub\":\"%0*d\"," IDS "," TIMES "," PARTIES "}", n, 0);
        assert_int_equal(verify_parts(&strict, GW_STR(HEADER), (struct gw_str){body, (size_t)len}),
                         n <= GW_JWT_CLAIM_MAX ? GW_JWT_OK : GW_JWT_CLAIMS);
    }
}

static void refuses_forms(void **state)
{
    (void)state;
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier(&strict);
    struct gw_str good = token_of(GW_STR(HEADER), GW_STR(CLAIMS));
    char text[GW_JWT_MAX_BYTES + 1];
    static const struct {
        const char *before, *after;
    } affixes[] = {{"", "."},  {".", ""},    {"", " "},  {" ", ""},      {"", "="},
                   {"", "\n"}, {"", ".e30"}, {"x.", ""}, {"Bearer ", ""}};
    for (size_t i = 0; i < COUNT(affixes); i++) {
        int len = snprintf(text, sizeof(text), "%s%.*s%s", affixes[i].before, GW_STR_ARG(good), affixes[i].after);
        assert_int_not_equal(gw_jwt_verify(v, (struct gw_str){text, (size_t)len}, NOW, &claims), GW_JWT_OK);
    }
    static const struct {
        struct gw_str token;
        enum gw_jwt_reason want;
    } cases[] = {
        {{NULL, 0}, GW_JWT_MALFORMED},
        {GW_STR(""), GW_JWT_MALFORMED},
        {GW_STR("."), GW_JWT_MALFORMED},
        {GW_STR(".."), GW_JWT_MALFORMED},
        {GW_STR("...."), GW_JWT_MALFORMED},
        {GW_STR("a.b"), GW_JWT_MALFORMED},
        {GW_STR("a.b."), GW_JWT_MALFORMED},
        {GW_STR("a..c"), GW_JWT_MALFORMED},
        {GW_STR(".b.c"), GW_JWT_MALFORMED},
        {GW_STR("a.b.c.d"), GW_JWT_MALFORMED},
        {GW_STR("a.b.c"), GW_JWT_ENCODING},
        {GW_STR("e30=.e30.e30"), GW_JWT_ENCODING},
        {GW_STR("e31.e30.e30"), GW_JWT_ENCODING}, /* spare bits */
        {GW_STR("bm9uc2Vuc2U.e30.e30"), GW_JWT_HEADER},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(gw_jwt_verify(v, cases[i].token, NOW, &claims), cases[i].want);
    memset(text, 'a', sizeof(text));
    assert_int_equal(gw_jwt_verify(v, (struct gw_str){text, sizeof(text)}, NOW, &claims), GW_JWT_TOO_LARGE);
    free((char *)(uintptr_t)good.ptr);
}

/* A token has one spelling: whatever character is put anywhere, and wherever it is cut, it is no longer taken. */
static void every_changed_character_and_cut_is_refused(void **state)
{
    (void)state;
    static const char substitutes[] = "AZaz09-_.=+/ \n\0\xff";
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier(&strict);
    struct gw_str good = token_of(GW_STR(HEADER), GW_STR(CLAIMS));
    char *text = malloc(good.len);
    assert_non_null(text);
    memcpy(text, good.ptr, good.len);
    for (size_t at = 0; at < good.len; at++) {
        for (size_t i = 0; i < sizeof(substitutes) - 1; i++) {
            text[at] = substitutes[i];
            bool same = text[at] == good.ptr[at];
            assert_int_equal(gw_jwt_verify(v, (struct gw_str){text, good.len}, NOW, &claims) == GW_JWT_OK, same);
        }
        text[at] = good.ptr[at];
        assert_int_not_equal(gw_jwt_verify(v, (struct gw_str){text, at}, NOW, &claims), GW_JWT_OK);
    }
    /* The last digit of the signature: its spare bits must be zero. */
    for (int c = 33; c < 127; c++) {
        text[good.len - 1] = (char)c;
        bool same = text[good.len - 1] == good.ptr[good.len - 1];
        assert_int_equal(gw_jwt_verify(v, (struct gw_str){text, good.len}, NOW, &claims) == GW_JWT_OK, same);
    }
    free(text);
    free((char *)(uintptr_t)good.ptr);
}

static void the_signature_is_judged_before_the_claims(void **state)
{
    (void)state;
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier(&strict);
    struct gw_str token = token_of(GW_STR(HEADER), GW_STR("{\"exp\":1}"));
    char *text = (char *)(uintptr_t)token.ptr;
    text[token.len - 2] = text[token.len - 2] == 'A' ? 'B' : 'A';
    assert_int_equal(gw_jwt_verify(v, token, NOW, &claims), GW_JWT_SIGNATURE);
    free(text);
}

static void another_key_is_refused(void **state)
{
    (void)state;
    gw_auto(gw_token_ring) struct gw_token_ring other =
        ring_of("another key, of forty bytes or so, here.", GW_STR("k1"));
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = NULL;
    assert_int_equal(gw_jwt_verifier_new(&other, &strict, &v, NULL), GW_OK);
    struct gw_str token = token_of(GW_STR(HEADER), GW_STR(CLAIMS));
    assert_int_equal(gw_jwt_verify(v, token, NOW, &claims), GW_JWT_SIGNATURE);
    assert_int_equal(gw_jwt_verify_signature(v, token), GW_JWT_SIGNATURE);
    free((char *)(uintptr_t)token.ptr);
}

static struct gw_jwt_issue an_issue(void)
{
    struct gw_jwt_issue issue = {
        .issuer = strict.issuer,
        .audience = strict.audience,
        .sub = GW_STR("u\"1\\\xc3\xa4"),
        .role = GW_STR("trader"),
        .iat_s = NOW,
        .exp_s = NOW + 600,
    };
    assert_int_equal(gw_uuid_parse(GW_STR(SID), &issue.sid), GW_OK);
    assert_int_equal(gw_uuid_parse(GW_STR(JTI), &issue.jti), GW_OK);
    return issue;
}

static void what_is_signed_verifies_and_says_the_same(void **state)
{
    (void)state;
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier(&strict);
    gw_auto(gw_buf) struct gw_buf out = {0};
    struct gw_jwt_issue issue = an_issue();
    gw_buf_init(&out, GW_JWT_MAX_BYTES);
    assert_int_equal(gw_jwt_sign_access(ring.keys[GW_TOKEN_CURRENT], &issue, &out, NULL), GW_OK);
    assert_int_equal(gw_jwt_verify(v, gw_buf_str(&out), NOW, &claims), GW_JWT_OK);
    assert_true(gw_str_eq(claims.sub, issue.sub));
    assert_true(gw_str_eq(claims.role, issue.role));
    assert_true(gw_uuid_eq(&claims.sid, &issue.sid));
    assert_true(gw_uuid_eq(&claims.jti, &issue.jti));
    assert_int_equal(claims.iat_s, issue.iat_s);
    assert_int_equal(claims.exp_s, issue.exp_s);
    assert_int_equal(gw_jwt_verify(v, gw_buf_str(&out), NOW + 599, &claims), GW_JWT_OK);
    assert_int_equal(gw_jwt_verify(v, gw_buf_str(&out), NOW + 600, &claims), GW_JWT_EXPIRED);
    assert_int_equal(gw_jwt_verify(v, gw_buf_str(&out), NOW - 1, &claims), GW_JWT_NOT_YET);
}

/* Other programs read these: their text is a contract. */
static void signed_tokens_have_their_exact_text(void **state)
{
    (void)state;
    static const char want_header[] = "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"k1\"}";
    static const char want_claims[] =
        "{\"sub\":\"u1\",\"userId\":\"u1\",\"role\":\"trader\",\"sid\":\"" SID "\",\"jti\":\"" JTI
        "\",\"iat\":1900000000,\"exp\":1900000600,\"iss\":\"aaiti-api\",\"aud\":\"aaiti-client\"}";
    gw_auto(gw_buf) struct gw_buf out = {0};
    struct gw_jwt_issue issue = an_issue();
    issue.sub = GW_STR("u1");
    gw_buf_init(&out, GW_JWT_MAX_BYTES);
    assert_int_equal(gw_jwt_sign_access(ring.keys[GW_TOKEN_CURRENT], &issue, &out, NULL), GW_OK);
    struct gw_str want = token_of(gw_str(want_header), gw_str(want_claims));
    assert_true(gw_str_eq(gw_buf_str(&out), want));
    free((char *)(uintptr_t)want.ptr);

    gw_buf_reset(&out);
    assert_int_equal(gw_jwt_sign_claims(mac, GW_STR("{\"userId\":\"7\"}"), &out, NULL), GW_OK);
    want = token_of(GW_STR("{\"alg\":\"HS256\",\"typ\":\"JWT\"}"), GW_STR("{\"userId\":\"7\"}"));
    assert_true(gw_str_eq(gw_buf_str(&out), want));
    free((char *)(uintptr_t)want.ptr);
}

static void no_token_longer_than_the_limit_is_signed(void **state)
{
    (void)state;
    char body[GW_JWT_MAX_BYTES];
    gw_auto(gw_buf) struct gw_buf out = {0};
    gw_buf_init(&out, GW_JWT_MAX_BYTES);
    memset(body, ' ', sizeof(body));
    /* 36 characters of header, two dots, 43 of signature */
    size_t fits = (GW_JWT_MAX_BYTES - 36 - 2 - 43) / 4 * 3 + 2;
    assert_int_equal(gw_jwt_sign_claims(mac, (struct gw_str){body, fits}, &out, NULL), GW_OK);
    assert_true(out.len <= GW_JWT_MAX_BYTES);
    gw_buf_reset(&out);
    assert_int_equal(gw_jwt_sign_claims(mac, (struct gw_str){body, fits + 1}, &out, NULL), GW_ELIMIT);
    assert_int_equal(gw_jwt_sign_claims(mac, (struct gw_str){body, sizeof(body)}, &out, NULL), GW_ELIMIT);
    assert_int_equal(out.len, 0);
}

static void key_ids_differ_and_tell_nothing(void **state)
{
    (void)state;
    char a[GW_TOKEN_KEY_ID_LEN + 1], b[GW_TOKEN_KEY_ID_LEN + 1], again[GW_TOKEN_KEY_ID_LEN + 1];
    assert_int_equal(gw_token_key_own_id(GW_STR(KEY), a, NULL), GW_OK);
    assert_int_equal(gw_token_key_own_id(GW_STR(KEY), again, NULL), GW_OK);
    assert_int_equal(gw_token_key_own_id(GW_STR(KEY "x"), b, NULL), GW_OK);
    assert_string_equal(a, again);
    assert_string_not_equal(a, b);
    assert_int_equal(strspn(a, "0123456789abcdef"), 16);
    /* printf 'aaiti-kid\0KEY' | sha256sum */
    assert_string_equal(a, "a350cbb2d6db0e14");
}

static void profiles_that_would_let_anything_pass_are_refused(void **state)
{
    (void)state;
    struct gw_jwt_profile p[5];
    gw_auto(gw_token_ring) struct gw_token_ring nameless = ring_of(KEY, GW_STR(""));
    const struct gw_token_ring empty = {0};
    for (size_t i = 0; i < COUNT(p); i++)
        p[i] = strict;
    p[0].issuer = GW_STR_NULL;
    p[1].audience = GW_STR_NULL;
    p[2].leeway_s = GW_JWT_LEEWAY_MAX_S + 1;
    p[3].leeway_s = -1;
    p[4].max_lifetime_s = -1;
    for (size_t i = 0; i < COUNT(p); i++) {
        struct gw_jwt_verifier *v = NULL;
        assert_int_equal(gw_jwt_verifier_new(&ring, &p[i], &v, NULL), GW_EINVAL);
        assert_null(v);
    }
    struct gw_jwt_verifier *v = NULL;
    assert_int_equal(gw_jwt_verifier_new(&nameless, &strict, &v, NULL), GW_EINVAL); /* a kid is needed */
    assert_int_equal(gw_jwt_verifier_new(&empty, &strict, &v, NULL), GW_EINVAL);
    gw_auto(gw_secret) struct gw_secret *weak = NULL;
    struct gw_token_key *none = NULL;
    assert_int_equal(gw_secret_new(GW_STR("short"), &weak, NULL), GW_OK);
    assert_int_equal(gw_token_key_new(GW_TOKEN_KEY_HS256, weak, GW_STR_NULL, &none, NULL), GW_EINVAL);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tokens_are_taken_and_read),
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses_headers),
        cmocka_unit_test(refuses_any_key_id_where_none_is_known),
        cmocka_unit_test(refuses_claims),
        cmocka_unit_test(refuses_long_claims),
        cmocka_unit_test(refuses_forms),
        cmocka_unit_test(every_changed_character_and_cut_is_refused),
        cmocka_unit_test(the_signature_is_judged_before_the_claims),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(what_is_signed_verifies_and_says_the_same),
        cmocka_unit_test(signed_tokens_have_their_exact_text),
        cmocka_unit_test(no_token_longer_than_the_limit_is_signed),
        cmocka_unit_test(key_ids_differ_and_tell_nothing),
        cmocka_unit_test(profiles_that_would_let_anything_pass_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
