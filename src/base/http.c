/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http.h"

#include <string.h>

bool gw_http_header(const struct gw_http_answer *a, struct gw_str name, struct gw_str *out)
{
    struct gw_str rest = a->head, line;
    while (gw_str_split(&rest, '\n', &line)) {
        size_t colon = gw_str_find(line, ':');
        if (colon == line.len || !gw_str_eq_nocase(gw_str_sub(line, 0, colon), name))
            continue;
        struct gw_str value = gw_str_sub(line, colon + 1, line.len);
        if (value.len > 0 && value.ptr[value.len - 1] == '\r')
            value.len--;
        *out = gw_str_trim(value);
        return true;
    }
    return false;
}

/* "HTTP/1.1 200 OK" */
static bool parse_status(struct gw_str text, unsigned *out)
{
    int64_t status;
    struct gw_str digits = gw_str_sub(text, 9, 3);
    if (!gw_str_starts(text, GW_STR("HTTP/1.")) || gw_str_find(text, ' ') != 8 || digits.len != 3 ||
        !gw_str_to_i64(digits, &status) || status < 100)
        return false;
    *out = (unsigned)status;
    return true;
}

enum gw_code gw_http_parse(struct gw_str text, struct gw_http_answer *out, struct gw_error *err)
{
    struct gw_http_answer a = {.status = 0};
    const char *end = text.len > 0 ? memmem(text.ptr, text.len, "\r\n\r\n", 4) : NULL;
    if (end == NULL || !parse_status(text, &a.status))
        return gw_fail(err, GW_EPARSE, "the answer is not HTTP");
    size_t head_len = (size_t)(end - text.ptr);
    size_t line = gw_str_find(text, '\n');
    a.head = line < head_len ? gw_str_sub(text, line + 1, head_len - line - 1) : GW_STR_NULL;
    a.body = gw_str_sub(text, head_len + 4, text.len);
    *out = a;
    return GW_OK;
}

bool gw_http_is_whole(const struct gw_http_answer *a)
{
    struct gw_str length;
    int64_t wanted;
    if (!gw_http_header(a, GW_STR("content-length"), &length))
        return true;
    return gw_str_to_i64(length, &wanted) && (uint64_t)wanted == a->body.len;
}
