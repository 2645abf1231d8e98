/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come through our own listener, heads of the backend's making with them. What is taken out of one stands in it. */
#include <assert.h>
#include <string.h>

#include "base/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_within(struct gw_str part, struct gw_str whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct gw_str names[] = {GW_STR("content-length"), GW_STR("content-type"), GW_STR("")};
    const struct gw_str text = {(const char *)data, size};
    struct gw_http_answer a;
    struct gw_str value;
    if (gw_http_parse(text, &a, NULL) != GW_OK)
        return 0;
    assert(a.status >= 100 && a.status <= 999);
    assert(is_within(a.head, text) && is_within(a.body, text) && a.head.len + a.body.len + 4 <= size);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (gw_http_header(&a, names[i], &value))
            assert(is_within(value, a.head) && (value.len == 0 || memchr(value.ptr, '\n', value.len) == NULL));
    (void)gw_http_is_whole(&a);
    return 0;
}
