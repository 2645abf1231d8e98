/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nanoseconds of processor time for the token's parts: HMAC over a signed text, a verification by the short and the careful way, a
 * refusal, a signature; and for EdDSA what the cache saves. Each figure is the least of several rounds, for noise only adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "token/jwt.h"

#define ROUNDS 9
#define CALLS 20000
#define EDDSA_CALLS 500 /* of the rows that take long */
#define NOW INT64_C(1900000000)

struct bench {
    struct gw_mac *mac;
    struct gw_token_ring hs256, eddsa;
    struct gw_jwt_verifier *verifier, *eddsa_verifier;
    struct gw_jwt_issue issue;
    struct gw_buf token, other_header, forged;
    struct gw_buf eddsa_token;
    struct gw_buf out;
    struct gw_jwt_claims claims;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "micro_token: %s failed\n", what);
    exit(EXIT_FAILURE);
}

static void hmac_257(struct bench *b)
{
    static const char msg[257];
    uint8_t tag[GW_MAC_BYTES];
    must(gw_mac_sign(b->mac, (struct gw_str){msg, sizeof(msg)}, tag) == GW_OK, "HMAC");
}

static void verify(struct bench *b)
{
    must(gw_jwt_verify(b->verifier, gw_buf_str(&b->token), NOW, &b->claims) == GW_JWT_OK, "verify");
}

static void verify_other_header(struct bench *b)
{
    must(gw_jwt_verify(b->verifier, gw_buf_str(&b->other_header), NOW, &b->claims) == GW_JWT_OK, "verify");
}

static void refuse_forged(struct bench *b)
{
    must(gw_jwt_verify(b->verifier, gw_buf_str(&b->forged), NOW, &b->claims) == GW_JWT_SIGNATURE, "refuse");
}

static void sign(struct bench *b)
{
    gw_buf_reset(&b->out);
    must(gw_jwt_sign_access(b->hs256.keys[GW_TOKEN_CURRENT], &b->issue, &b->out, NULL) == GW_OK, "sign");
}

/* Straight to the signature: a verifier would remember the token. */
static void verify_eddsa(struct bench *b)
{
    must(gw_jwt_verify_signature(b->eddsa_verifier, gw_buf_str(&b->eddsa_token)) == GW_JWT_OK, "verify");
}

static void verify_eddsa_again(struct bench *b)
{
    must(gw_jwt_verify(b->eddsa_verifier, gw_buf_str(&b->eddsa_token), NOW, &b->claims) == GW_JWT_OK, "verify");
}

static void sign_eddsa(struct bench *b)
{
    gw_buf_reset(&b->out);
    must(gw_jwt_sign_access(b->eddsa.keys[GW_TOKEN_CURRENT], &b->issue, &b->out, NULL) == GW_OK, "sign");
}

/* The same claims under {"typ":…,"kid":…,"alg":…}: an order that is not ours. */
static void make_other_header(struct bench *b)
{
    static const char header[] = "{\"typ\":\"at+jwt\",\"kid\":\"0123456789abcdef\",\"alg\":\"HS256\"}";
    char text[GW_JWT_MAX_BYTES];
    uint8_t tag[GW_MAC_BYTES];
    struct gw_str rest = gw_buf_str(&b->token), skipped, payload = GW_STR_NULL;
    must(gw_str_split(&rest, '.', &skipped) && gw_str_split(&rest, '.', &payload), "split");
    gw_buf_add(&b->other_header, (struct gw_str){text, gw_base64url_encode(header, sizeof(header) - 1, text)});
    gw_buf_addc(&b->other_header, '.');
    gw_buf_add(&b->other_header, payload);
    must(gw_mac_sign(b->mac, gw_buf_str(&b->other_header), tag) == GW_OK, "HMAC");
    gw_buf_addc(&b->other_header, '.');
    gw_buf_add(&b->other_header, (struct gw_str){text, gw_base64url_encode(tag, sizeof(tag), text)});
}

static void make_key(enum gw_token_key_kind kind, struct gw_str text, struct gw_token_ring *out)
{
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    must(gw_secret_new(text, &secret, NULL) == GW_OK, "secret");
    must(gw_token_key_new(kind, secret, GW_STR("0123456789abcdef"), &out->keys[GW_TOKEN_CURRENT], NULL) == GW_OK,
         "key");
}

static void set_up(struct bench *b)
{
    gw_auto(gw_secret) struct gw_secret *key = NULL;
    const struct gw_str secret = GW_STR("kX3-9vQz_T7mWb2LpR8sYc5NfJ1hGd4Ku6Ea0oIxMjZyVtBnCwDqFrSgHlPiUeAk");
    const struct gw_jwt_profile profile = {
        .issuer = GW_STR("aaiti-api"),
        .audience = GW_STR("aaiti-client"),
        .type = GW_STR("at+jwt"),
        .max_lifetime_s = 86400,
        .require = GW_JWT_NEED_KEY_ID | GW_JWT_NEED_SESSION,
    };
    b->issue = (struct gw_jwt_issue){
        .issuer = profile.issuer,
        .audience = profile.audience,
        .sub = GW_STR("018f3b5a-7c1e-7aaa-8bbb-0123456789ab"),
        .role = GW_STR("trader"),
        .sid = {{1}},
        .jti = {{2}},
        .iat_s = NOW - 60,
        .exp_s = NOW + 3600,
    };
    must(gw_secret_new(secret, &key, NULL) == GW_OK, "key");
    make_key(GW_TOKEN_KEY_HS256, secret, &b->hs256);
    make_key(GW_TOKEN_KEY_ED25519, GW_STR("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"), &b->eddsa); /* RFC 8037 */
    must(gw_mac_new(key, &b->mac, NULL) == GW_OK, "HMAC");
    must(gw_jwt_verifier_new(&b->hs256, &profile, &b->verifier, NULL) == GW_OK, "verifier");
    must(gw_jwt_verifier_new(&b->eddsa, &profile, &b->eddsa_verifier, NULL) == GW_OK, "verifier");
    gw_buf_init(&b->token, GW_JWT_MAX_BYTES);
    gw_buf_init(&b->other_header, GW_JWT_MAX_BYTES);
    gw_buf_init(&b->forged, GW_JWT_MAX_BYTES);
    gw_buf_init(&b->out, GW_JWT_MAX_BYTES);
    gw_buf_init(&b->eddsa_token, GW_JWT_MAX_BYTES);
    must(gw_jwt_sign_access(b->hs256.keys[GW_TOKEN_CURRENT], &b->issue, &b->token, NULL) == GW_OK, "sign");
    must(gw_jwt_sign_access(b->eddsa.keys[GW_TOKEN_CURRENT], &b->issue, &b->eddsa_token, NULL) == GW_OK, "sign");
    make_other_header(b);
    gw_buf_add(&b->forged, gw_buf_str(&b->token));
    char *digit = b->forged.ptr + b->forged.len - 2;
    *digit = *digit == 'A' ? 'B' : 'A';
}

int main(void)
{
    static struct bench b;
    static const struct {
        const char *name;
        void (*run)(struct bench *b);
        int calls;
    } rows[] = {
        {"HMAC-SHA256, 257 bytes", hmac_257, CALLS},
        {"verify, header of ours", verify, CALLS},
        {"verify, header of another order", verify_other_header, CALLS},
        {"refuse a forged signature", refuse_forged, CALLS},
        {"sign an access token", sign, CALLS},
        {"EdDSA: check a signature", verify_eddsa, EDDSA_CALLS},
        {"EdDSA: verify a remembered token", verify_eddsa_again, CALLS},
        {"EdDSA: sign an access token", sign_eddsa, EDDSA_CALLS},
    };
    set_up(&b);
    printf("token of %zu bytes\n", b.token.len);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double least = 1e18;
        for (int round = 0; round < ROUNDS; round++) {
            double start = now_ns();
            for (int call = 0; call < rows[i].calls; call++)
                rows[i].run(&b);
            double each = (now_ns() - start) / rows[i].calls;
            least = each < least ? each : least;
        }
        printf("%8.0f ns  %s\n", least, rows[i].name);
    }
    gw_buf_done(&b.token);
    gw_buf_done(&b.other_header);
    gw_buf_done(&b.forged);
    gw_buf_done(&b.out);
    gw_buf_done(&b.eddsa_token);
    gw_jwt_verifier_free(b.verifier);
    gw_jwt_verifier_free(b.eddsa_verifier);
    gw_token_ring_done(&b.hs256);
    gw_token_ring_done(&b.eddsa);
    gw_mac_free(b.mac);
    return EXIT_SUCCESS;
}
