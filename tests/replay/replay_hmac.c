/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof's HMAC-SHA256 rows. Half of them are about truncated tags: there the right tag must begin with the row's, and the
 * truncated one must be refused all the same, for this product takes whole tags only. */
#include <string.h>

#include "corpus.h"
#include "crypto/mac.h"

static void judge(struct corpus *c, const json_t *row, struct gw_mac *m, struct gw_str msg, struct gw_str tag)
{
    uint8_t made[GW_MAC_BYTES];
    bool valid = gw_str_eq(corpus_text(row, "result"), GW_STR("valid"));
    if (gw_mac_sign(m, msg, made) != GW_OK || tag.len > sizeof(made)) {
        corpus_fail(c, "no tag");
        return;
    }
    bool same = memcmp(made, tag.ptr, tag.len) == 0;
    bool taken = gw_mac_verify(m, msg, tag) == GW_OK;
    if (same != valid)
        corpus_fail(c, "the tag made %s", same ? "is an invalid one" : "differs");
    else if (taken != (valid && tag.len == GW_MAC_BYTES))
        corpus_fail(c, "the tag of %zu bytes was %s", tag.len, taken ? "taken" : "refused");
    else
        corpus_pass(c);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "crypto/hmac_sha256.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        gw_auto(gw_secret) struct gw_secret *key = NULL;
        gw_auto(gw_mac) struct gw_mac *m = NULL;
        struct gw_str bytes = corpus_hex(row, "key"), msg = corpus_hex(row, "msg"), tag = corpus_hex(row, "tag");
        if (gw_secret_new(bytes, &key, NULL) != GW_OK || gw_mac_new(key, &m, NULL) != GW_OK)
            corpus_fail(&c, "no MAC");
        else
            judge(&c, row, m, msg, tag);
        corpus_free(bytes);
        corpus_free(msg);
        corpus_free(tag);
    }
    return corpus_close(&c);
}
