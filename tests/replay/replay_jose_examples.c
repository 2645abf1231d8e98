/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Examples of the RFCs and the JOSE cookbook, as questions about signatures. Compact HS256 and EdDSA rows must verify, but two kinds that we
 * refuse whatever their signature: detached content (the payload is empty) and b64=false (a critical header member). Rows of
 * other algorithms must be refused for that. Rows without a compact form are skipped: we take no JSON serialisation.
 */
#include <stdlib.h>

#include "corpus.h"
#include "token/jwt.h"

static bool is_detached(struct gw_str compact)
{
    struct gw_str rest = compact, header, payload;
    return gw_str_split(&rest, '.', &header) && gw_str_split(&rest, '.', &payload) && payload.len == 0;
}

static bool has_b64(struct gw_str compact)
{
    char header[1024];
    size_t len;
    struct gw_str encoded = gw_str_sub(compact, 0, gw_str_find(compact, '.'));
    if (gw_base64url_decode(encoded, header, sizeof(header), &len) != GW_OK)
        return false;
    json_t *parsed = json_loadb(header, len, 0, NULL);
    bool yes = json_object_get(parsed, "b64") != NULL;
    json_decref(parsed);
    return yes;
}

static bool is_of(const json_t *row, struct gw_str algorithm)
{
    return gw_str_eq(corpus_text(row, "alg"), algorithm);
}

/* The row's own key; for a row of another algorithm any, of which nothing must depend. */
static struct gw_token_key *key_of(const json_t *row)
{
    const json_t *jwk = json_object_get(row, "key");
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    struct gw_token_key *key = NULL;
    struct gw_str secret = corpus_base64url(jwk, "k"), kid = corpus_text(jwk, "kid");
    enum gw_token_key_kind kind = is_of(row, GW_STR("EdDSA")) ? GW_TOKEN_KEY_ED25519_PUBLIC : GW_TOKEN_KEY_HS256;
    struct gw_str bytes = secret.len > 0 ? secret : GW_STR("a key of forty bytes that signed nothing");
    if (kind == GW_TOKEN_KEY_ED25519_PUBLIC)
        bytes = corpus_text(jwk, "x");
    if (gw_secret_new(bytes, &text, NULL) != GW_OK ||
        gw_token_key_new(kind, text, kid.len > 0 ? kid : GW_STR(""), &key, NULL) != GW_OK) {
        printf("no key\n");
        exit(EXIT_FAILURE);
    }
    corpus_free(secret);
    return key;
}

static struct gw_jwt_verifier *verifier_of(const json_t *row)
{
    gw_auto(gw_token_ring) struct gw_token_ring ring = {.keys = {key_of(row)}};
    struct gw_jwt_verifier *v = NULL;
    const struct gw_jwt_profile profile = {.issuer = GW_STR("unused"), .audience = GW_STR("unused")};
    if (gw_jwt_verifier_new(&ring, &profile, &v, NULL) != GW_OK) {
        printf("no verifier\n");
        exit(EXIT_FAILURE);
    }
    return v;
}

static void judge(struct corpus *c, const json_t *row, struct gw_str compact)
{
    gw_auto(gw_jwt_verifier) struct gw_jwt_verifier *v = verifier_of(row);
    enum gw_jwt_reason want = GW_JWT_OK, got = gw_jwt_verify_signature(v, compact);
    if (is_detached(compact))
        want = GW_JWT_MALFORMED;
    else if (has_b64(compact))
        want = GW_JWT_HEADER;
    else if (!is_of(row, GW_STR("HS256")) && !is_of(row, GW_STR("EdDSA")))
        want = GW_JWT_ALGORITHM;
    if (gw_str_eq(corpus_text(row, "alg"), GW_STR("none")))
        want = GW_JWT_MALFORMED; /* an empty signature is met before the header is read */
    if (got != want)
        corpus_fail(c, "%s, not %s", gw_jwt_reason_text(got), gw_jwt_reason_text(want));
    else
        corpus_pass(c);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "jose/rfc_examples.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        struct gw_str compact = corpus_text(row, "compact");
        if (compact.len > 0)
            judge(&c, row, compact);
        else
            corpus_skip(&c, "no compact form");
    }
    return corpus_close(&c);
}
