/* SPDX-License-Identifier: Apache-2.0 */
/* JSONTestSuite against the token reader. What the suite would have accepted and we refuse is listed by name. */
#include <stdlib.h>
#include <string.h>

#include "corpus.h"
#include "token/scan.h"

/* Our own rules: a name once, no NUL. */
static const char *const refused_on_purpose[] = {
    "y_object_duplicated_key.json",
    "y_object_duplicated_key_and_value.json",
    "y_object_escaped_null_in_key.json",
    "y_string_null_escape.json",
};

static bool is_on_purpose(struct gw_str id)
{
    for (size_t i = 0; i < sizeof(refused_on_purpose) / sizeof(refused_on_purpose[0]); i++) {
        if (gw_str_eq(id, gw_str(refused_on_purpose[i])))
            return true;
    }
    return false;
}

static bool is_taken(struct gw_str body)
{
    struct gw_scan s;
    struct gw_str ignored;
    char *copy = malloc(body.len + 1);
    if (copy == NULL)
        abort();
    if (body.len > 0)
        memcpy(copy, body.ptr, body.len);
    gw_scan_init(&s, copy, body.len);
    bool taken = gw_scan_value(&s, &ignored) != GW_SCAN_BAD && gw_scan_done(&s);
    free(copy);
    return taken;
}

static void judge(struct corpus *c, const json_t *row, struct gw_str body)
{
    struct gw_str expect = corpus_text(row, "expect"), id = corpus_text(row, "id");
    bool taken = is_taken(body);
    if (gw_str_eq(expect, GW_STR("either")))
        corpus_pass(c); /* it came to an end, and read nothing that is not its own */
    else if (taken != (gw_str_eq(expect, GW_STR("accept")) && !is_on_purpose(id)))
        corpus_fail(c, "%s", taken ? "taken" : "refused");
    else
        corpus_pass(c);
}

int main(void)
{
    struct corpus c;
    const json_t *row;
    corpus_open(&c, "json/jsontestsuite.jsonl");
    while ((row = corpus_next(&c)) != NULL) {
        struct gw_str encoded = corpus_text(row, "body_b64");
        if (encoded.len == 0) {
            judge(&c, row, corpus_text(row, "body"));
            continue;
        }
        struct gw_str body = corpus_base64(row, "body_b64");
        judge(&c, row, body);
        corpus_free(body);
    }
    return corpus_close(&c);
}
