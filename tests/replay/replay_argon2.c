/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known answers of the reference implementation. Ours are Argon2id, version 19, without secret and associated data: those must verify,
 * and not with another password. Strings of another type or version must be refused, whatever the password. The rows without a
 * string (secret and associated data) are asked of the library itself, so that at least it is known to be right.
 */
#include <argon2.h>
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "crypto/pwhash.h"

static uint32_t number(const json_t *row, const char *member)
{
    return (uint32_t)json_integer_value(json_object_get(row, member));
}

static argon2_type type_of(struct gw_str name)
{
    if (gw_str_eq(name, GW_STR("argon2id")))
        return Argon2_id;
    return gw_str_eq(name, GW_STR("argon2i")) ? Argon2_i : Argon2_d;
}

static uint8_t *writable(struct gw_str s)
{
    return (uint8_t *)(uintptr_t)s.ptr; /* the library takes no const, and keeps its hands off unless told to wipe */
}

static void judge_library(struct corpus *c, const json_t *row)
{
    struct gw_str password = corpus_hex(row, "password_hex"), salt = corpus_hex(row, "salt_hex"),
                  secret = corpus_hex(row, "secret_hex"), ad = corpus_hex(row, "ad_hex"), tag = corpus_hex(row, "tag");
    uint8_t out[64];
    argon2_context ctx = {
        .out = out,
        .outlen = (uint32_t)tag.len,
        .pwd = writable(password),
        .pwdlen = (uint32_t)password.len,
        .salt = writable(salt),
        .saltlen = (uint32_t)salt.len,
        .secret = writable(secret),
        .secretlen = (uint32_t)secret.len,
        .ad = writable(ad),
        .adlen = (uint32_t)ad.len,
        .t_cost = number(row, "t"),
        .m_cost = number(row, "m"),
        .lanes = number(row, "p"),
        .threads = number(row, "p"),
        .version = number(row, "version"),
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    if (tag.len > sizeof(out) || argon2_ctx(&ctx, type_of(corpus_text(row, "type"))) != ARGON2_OK ||
        memcmp(out, tag.ptr, tag.len) != 0)
        corpus_fail(c, "the library's tag differs");
    else
        corpus_pass(c);
    corpus_free(password);
    corpus_free(salt);
    corpus_free(secret);
    corpus_free(ad);
    corpus_free(tag);
}

static void judge_ours(struct corpus *c, const char *hash, struct gw_str password)
{
    struct gw_str shorter = gw_str_sub(password, 0, password.len - 1);
    if (gw_pwhash_verify(hash, password, NULL) != GW_OK)
        corpus_fail(c, "the password was refused");
    else if (gw_pwhash_verify(hash, shorter, NULL) != GW_EDENIED)
        corpus_fail(c, "another password was taken");
    else
        corpus_pass(c);
}

static void judge_string(struct corpus *c, const json_t *row, struct gw_str hash)
{
    struct gw_str password = corpus_hex(row, "password_hex");
    bool ours = gw_str_eq(corpus_text(row, "type"), GW_STR("argon2id")) && number(row, "version") == 19;
    enum gw_code code;
    if (ours)
        judge_ours(c, hash.ptr, password);
    else if ((code = gw_pwhash_verify(hash.ptr, password, NULL)) != GW_EPARSE)
        corpus_fail(c, "a hash that is not of our kind gave %s", gw_code_name(code));
    else
        corpus_pass(c);
    corpus_free(password);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "crypto/argon2.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        struct gw_str hash = corpus_text(row, "encoded");
        if (hash.len > 0)
            judge_string(&c, row, hash);
        else
            judge_library(&c, row);
    }
    return corpus_close(&c);
}
