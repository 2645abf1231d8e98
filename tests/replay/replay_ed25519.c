/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof's Ed25519 rows: signatures and nothing else. */
#include "corpus.h"
#include "crypto/ed25519.h"

static void judge(struct corpus *c, const json_t *row, const struct gw_ed25519 *key)
{
    struct gw_str msg = corpus_hex(row, "msg"), signature = corpus_hex(row, "sig");
    bool valid = gw_str_eq(corpus_text(row, "result"), GW_STR("valid"));
    bool taken = gw_ed25519_verify(key, msg, signature) == GW_OK;
    if (taken != valid)
        corpus_fail(c, "%s: the signature was %s", corpus_text(row, "comment").ptr, taken ? "taken" : "refused");
    else
        corpus_pass(c);
    corpus_free(msg);
    corpus_free(signature);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "crypto/ed25519.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        gw_auto(gw_ed25519) struct gw_ed25519 *key = NULL;
        struct gw_str bytes = corpus_hex(row, "pk");
        if (gw_ed25519_new_public(bytes, &key, NULL) == GW_OK)
            judge(&c, row, key);
        else
            corpus_fail(&c, "no key");
        corpus_free(bytes);
    }
    return corpus_close(&c);
}
