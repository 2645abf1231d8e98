/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hostile tokens under the corpus's own profile, each judged by a verifier of either algorithm: what may be accepted must be by the one
 * that it is of, and refused by the other, whatever the header says. `policy` rows leave the answer to us; what we do with them is printed, and held: all but one are refused.
 */
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "token/jwt.h"

/* typ at+jwt under a profile that takes any type. */
#define POLICY_ROW_TAKEN "jwtatk-158"

static bool is_of(struct gw_str token, struct gw_str algorithm)
{
    char header[4096];
    size_t len;
    struct gw_str encoded = gw_str_sub(token, 0, gw_str_find(token, '.'));
    if (gw_base64url_decode(encoded, header, sizeof(header), &len) != GW_OK)
        return false;
    json_t *parsed = json_loadb(header, len, 0, NULL);
    bool yes = gw_str_eq(corpus_text(parsed, "alg"), algorithm);
    json_decref(parsed);
    return yes;
}

static void judge(struct corpus *c, const json_t *row, struct gw_str algorithm, struct gw_jwt_verifier *v)
{
    static struct gw_jwt_claims claims;
    struct gw_str id = corpus_text(row, "id"), token = corpus_text(row, "token"), expect = corpus_text(row, "expect");
    int64_t now_s = json_integer_value(json_object_get(row, "now"));
    bool wanted = gw_str_eq(expect, GW_STR("accept")) && is_of(token, algorithm);
    if (gw_str_eq(expect, GW_STR("policy")))
        wanted = gw_str_eq(id, GW_STR(POLICY_ROW_TAKEN)) && is_of(token, algorithm);
    /* A copy of the very size, so that a sanitizer sees a read beyond. */
    char *copy = malloc(token.len > 0 ? token.len : 1);
    if (copy == NULL)
        abort();
    if (token.len > 0)
        memcpy(copy, token.ptr, token.len);
    enum gw_jwt_reason reason = gw_jwt_verify(v, (struct gw_str){copy, token.len}, now_s, &claims);
    free(copy);
    if (gw_str_eq(expect, GW_STR("policy")))
        printf("policy %s by %s (%s %s): %s\n", id.ptr, algorithm.ptr, corpus_text(row, "class").ptr,
               corpus_text(row, "note").ptr, gw_jwt_reason_text(reason));
    if ((reason == GW_JWT_OK) != wanted)
        corpus_fail(c, "%s by %s: %s", corpus_text(row, "class").ptr, algorithm.ptr, gw_jwt_reason_text(reason));
    else
        corpus_pass(c);
}

static struct gw_jwt_verifier *verifier_of(const json_t *keys, enum gw_token_key_kind kind)
{
    const json_t *policy = json_object_get(keys, "policy");
    const json_t *jwk = json_object_get(keys, kind == GW_TOKEN_KEY_HS256 ? "hs256" : "eddsa");
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    gw_auto(gw_token_ring) struct gw_token_ring ring = {0};
    struct gw_jwt_verifier *v = NULL;
    struct gw_error err = {.msg = ""};
    struct gw_str secret = corpus_base64url(jwk, "k");
    const struct gw_jwt_profile profile = {
        .issuer = corpus_text(policy, "iss"),
        .audience = corpus_text(policy, "aud"),
        .leeway_s = json_integer_value(json_object_get(policy, "leeway")),
    };
    if (gw_secret_new(kind == GW_TOKEN_KEY_HS256 ? secret : corpus_text(jwk, "x"), &text, &err) != GW_OK ||
        gw_token_key_new(kind, text, corpus_text(jwk, "kid"), &ring.keys[GW_TOKEN_CURRENT], &err) != GW_OK ||
        gw_jwt_verifier_new(&ring, &profile, &v, &err) != GW_OK) {
        printf("no verifier: %s\n", err.msg);
        exit(EXIT_FAILURE);
    }
    corpus_free(secret);
    return v;
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "jose/jwt_attacks.jsonl");
    json_t *keys = corpus_load("jose/jwt_attacks.keys.json");
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *hs256 = verifier_of(keys, GW_TOKEN_KEY_HS256);
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *eddsa = verifier_of(keys, GW_TOKEN_KEY_ED25519_PUBLIC);
    while ((row = corpus_next(&c)) != NULL) {
        judge(&c, row, GW_STR("HS256"), hs256);
        judge(&c, row, GW_STR("EdDSA"), eddsa);
        judge(&c, row, GW_STR("EdDSA"), eddsa); /* and as one that may be remembered */
    }
    json_decref(keys);
    return corpus_close(&c);
}
