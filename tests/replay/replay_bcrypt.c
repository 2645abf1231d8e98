/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of crypt_blowfish and libxcrypt. $2x$ rows are skipped: that prefix marks hashes of a broken implementation, which we do
 * not take (and the row must be refused). An invalid row is a setting, here completed to the length of a hash. */
#include <string.h>

#include "corpus.h"
#include "crypto/pwhash.h"

#define BCRYPT_LEN 60

static void judge_setting(struct corpus *c, struct gw_str setting)
{
    char hash[BCRYPT_LEN + 1];
    memset(hash, '.', BCRYPT_LEN);
    hash[BCRYPT_LEN] = '\0';
    memcpy(hash, setting.ptr, setting.len);
    if (setting.len < 7) /* "*0" */
        hash[setting.len] = '\0';
    enum gw_code code = gw_pwhash_verify(hash, GW_STR(""), NULL);
    if (code != GW_EPARSE || gw_pwhash_is_known(gw_str(hash)))
        corpus_fail(c, "an impossible setting gave %s", gw_code_name(code));
    else
        corpus_pass(c);
}

static void judge_hash(struct corpus *c, const json_t *row, struct gw_str hash)
{
    struct gw_str password = corpus_hex(row, "password_hex");
    enum gw_code code = gw_pwhash_verify(hash.ptr, password, NULL);
    bool broken_kind = gw_str_starts(hash, GW_STR("$2x$"));
    if (code != (broken_kind ? GW_EPARSE : GW_OK))
        corpus_fail(c, "%s", gw_code_name(code));
    else if (broken_kind)
        corpus_skip(c, "$2x$ is refused on purpose");
    else
        corpus_pass(c);
    corpus_free(password);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "crypto/bcrypt.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        struct gw_str hash = corpus_text(row, "hash"), setting = corpus_text(row, "setting");
        if (hash.len > 0)
            judge_hash(&c, row, hash);
        else if (setting.len < BCRYPT_LEN)
            judge_setting(&c, setting);
        else
            corpus_fail(&c, "a row of another kind");
    }
    return corpus_close(&c);
}
