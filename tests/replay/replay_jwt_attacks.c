/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile tokens under the corpus's own profile. HS256 is the one algorithm so far: the EdDSA row that may be accepted must be refused.
 * `policy` rows leave the answer to us; what we do with them is printed, and held: all but one are refused.
 */
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "token/jwt.h"

/* typ at+jwt under a profile that takes any type. */
#define POLICY_ROW_TAKEN "jwtatk-158"

static bool is_hs256(struct gw_str token)
{
    char header[4096];
    size_t len;
    struct gw_str encoded = gw_str_sub(token, 0, gw_str_find(token, '.'));
    if (gw_base64url_decode(encoded, header, sizeof(header), &len) != GW_OK)
        return false;
    json_t *parsed = json_loadb(header, len, 0, NULL);
    bool yes = gw_str_eq(corpus_text(parsed, "alg"), GW_STR("HS256"));
    json_decref(parsed);
    return yes;
}

static void judge(struct corpus *c, const json_t *row, struct gw_jwt_verifier *v)
{
    static struct gw_jwt_claims claims;
    struct gw_str id = corpus_text(row, "id"), token = corpus_text(row, "token"), expect = corpus_text(row, "expect");
    int64_t now_s = json_integer_value(json_object_get(row, "now"));
    bool wanted = gw_str_eq(expect, GW_STR("accept")) && is_hs256(token);
    if (gw_str_eq(expect, GW_STR("policy")))
        wanted = gw_str_eq(id, GW_STR(POLICY_ROW_TAKEN));
    /* A copy of the very size, so that a sanitizer sees a read beyond. */
    char *copy = malloc(token.len > 0 ? token.len : 1);
    if (copy == NULL)
        abort();
    if (token.len > 0)
        memcpy(copy, token.ptr, token.len);
    enum gw_jwt_reason reason = gw_jwt_verify(v, (struct gw_str){copy, token.len}, now_s, &claims);
    free(copy);
    if (gw_str_eq(expect, GW_STR("policy")))
        printf("policy %s (%s %s): %s\n", id.ptr, corpus_text(row, "class").ptr, corpus_text(row, "note").ptr,
               gw_jwt_reason_text(reason));
    if ((reason == GW_JWT_OK) != wanted)
        corpus_fail(c, "%s: %s", corpus_text(row, "class").ptr, gw_jwt_reason_text(reason));
    else
        corpus_pass(c);
}

static struct gw_jwt_verifier *verifier_of(const json_t *keys)
{
    const json_t *policy = json_object_get(keys, "policy"), *hs256 = json_object_get(keys, "hs256");
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    struct gw_jwt_verifier *v = NULL;
    struct gw_error err = {.msg = ""};
    struct gw_str bytes = corpus_base64url(hs256, "k");
    const struct gw_jwt_profile profile = {
        .issuer = corpus_text(policy, "iss"),
        .audience = corpus_text(policy, "aud"),
        .key_id = corpus_text(hs256, "kid"),
        .leeway_s = json_integer_value(json_object_get(policy, "leeway")),
    };
    if (gw_secret_new(bytes, &key, &err) != GW_OK || gw_jwt_verifier_new(key, &profile, &v, &err) != GW_OK) {
        printf("no verifier: %s\n", err.msg);
        exit(EXIT_FAILURE);
    }
    corpus_free(bytes);
    return v;
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "jose/jwt_attacks.jsonl");
    json_t *keys = corpus_load("jose/jwt_attacks.keys.json");
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier_of(keys);
    while ((row = corpus_next(&c)) != NULL)
        judge(&c, row, v);
    json_decref(keys);
    return corpus_close(&c);
}
