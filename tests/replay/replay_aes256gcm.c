/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof's AES-256-GCM rows. Nonces of other lengths than 96 bits cannot be handed to our functions: those rows are skipped. */
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "crypto/aead.h"

struct vector {
    struct gw_str key, iv, aad, msg, ct, tag;
    bool valid;
};

static void vector_read(const json_t *row, struct vector *v)
{
    *v = (struct vector){
        .key = corpus_hex(row, "key"),
        .iv = corpus_hex(row, "iv"),
        .aad = corpus_hex(row, "aad"),
        .msg = corpus_hex(row, "msg"),
        .ct = corpus_hex(row, "ct"),
        .tag = corpus_hex(row, "tag"),
        .valid = gw_str_eq(corpus_text(row, "result"), GW_STR("valid")),
    };
}

static void vector_done(struct vector *v)
{
    struct gw_str all[] = {v->key, v->iv, v->aad, v->msg, v->ct, v->tag};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        corpus_free(all[i]);
}

static void judge_open(struct corpus *c, const struct vector *v, const struct gw_secret *key, uint8_t *out)
{
    const struct gw_aead_message m = {(const uint8_t *)v->iv.ptr, v->aad, v->ct};
    enum gw_code code = gw_aead_open(key, &m, (const uint8_t *)v->tag.ptr, out, NULL);
    if (v->valid && (code != GW_OK || memcmp(out, v->msg.ptr, v->msg.len) != 0))
        corpus_fail(c, "a good message was not opened: %s", gw_code_name(code));
    else if (!v->valid && code != GW_EDENIED)
        corpus_fail(c, "a bad message: %s", gw_code_name(code));
    else
        corpus_pass(c);
}

static void judge(struct corpus *c, const struct vector *v, const struct gw_secret *key)
{
    const struct gw_aead_message m = {(const uint8_t *)v->iv.ptr, v->aad, v->msg};
    uint8_t tag[GW_AEAD_TAG_BYTES], *out = malloc(v->msg.len + 1);
    if (out == NULL || gw_aead_seal(key, &m, out, tag, NULL) != GW_OK || memcmp(out, v->ct.ptr, v->ct.len) != 0)
        corpus_fail(c, "sealing gave another ciphertext");
    else if ((memcmp(tag, v->tag.ptr, sizeof(tag)) == 0) != v->valid)
        corpus_fail(c, "sealing gave another tag");
    else
        judge_open(c, v, key, out);
    free(out);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "crypto/aes256gcm.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        gw_auto(gw_secret) struct gw_secret *key = NULL;
        struct vector v;
        vector_read(row, &v);
        if (v.iv.len != GW_AEAD_NONCE_BYTES)
            corpus_skip(&c, "the nonce is not of 96 bits");
        else if (v.tag.len != GW_AEAD_TAG_BYTES || v.msg.len != v.ct.len || gw_secret_new(v.key, &key, NULL) != GW_OK)
            corpus_fail(&c, "no such vector was expected");
        else
            judge(&c, &v, key);
        vector_done(&v);
    }
    return corpus_close(&c);
}
