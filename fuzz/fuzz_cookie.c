/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cookie headers, one a line. What control and the gate find of ours is the first and only one of its name, and nothing of ours is left in
 * what the backend gets.
 */
#include "pipeline/head.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 16
#define TEXT_MAX 8192

static const struct gw_str names[] = {GW_STR(GW_SESSION_COOKIE), GW_STR(GW_REFRESH_COOKIE), GW_STR(GW_DEVICE_COOKIE)};

/* How many of that name a reader finds that only knows semicolons; *out_value: the last one's. */
static unsigned count_of(struct gw_str list, struct gw_str name, struct gw_str *out_value)
{
    struct gw_str pair;
    unsigned n = 0;
    while (gw_str_split(&list, ';', &pair)) {
        pair = gw_str_trim(pair);
        size_t equals = gw_str_find(pair, '=');
        if (!gw_str_eq(gw_str_trim(gw_str_sub(pair, 0, equals)), name))
            continue;
        *out_value = gw_str_sub(pair, equals + 1, pair.len);
        n++;
    }
    return n;
}

static void check_found(const struct gw_header *headers, size_t count, struct gw_str name, struct gw_str found)
{
    struct gw_str value = GW_STR_NULL;
    unsigned n = 0;
    for (size_t i = 0; i < count; i++)
        n += count_of(headers[i].value, name, &value);
    assert(n <= 1 && (n == 1) == (found.ptr != NULL));
    assert(n == 0 || gw_str_eq(gw_str_trim(value), gw_str_trim(found)));
}

static void check_rest(struct gw_request_head *head)
{
    gw_auto(gw_arena) struct gw_arena a;
    struct gw_str rest = GW_STR_NULL, value;
    gw_arena_init(&a, (size_t)4 * TEXT_MAX);
    assert(gw_head_other_cookies(head, &a, &rest) == GW_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert(count_of(rest, names[i], &value) == 0);
    assert(rest.len == 0 || (memchr(rest.ptr, '\n', rest.len) == NULL && rest.len <= 3 * TEXT_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_header headers[HEADERS_MAX] = {{.name = GW_STR_NULL}};
    struct gw_request_head head = {.headers = headers};
    struct gw_str rest = {(const char *)data, size}, line;
    struct gw_own_cookies ours = {.session = GW_STR_NULL};
    struct gw_head_fields fields;
    bool is_sure = true;
    if (size > TEXT_MAX)
        return 0;
    while (head.header_count < HEADERS_MAX && gw_str_split(&rest, '\n', &line)) {
        headers[head.header_count++] = (struct gw_header){.name = GW_STR("cookie"), .value = line};
        is_sure = is_sure && gw_cookie_find_ours(line, &ours);
    }
    assert(gw_head_read(&head, GW_STR_NULL, &fields) == is_sure); /* control's reading is the gate's */
    if (!is_sure)
        return 0;
    check_found(headers, head.header_count, names[0], ours.session);
    check_found(headers, head.header_count, names[1], ours.refresh);
    check_found(headers, head.header_count, names[2], ours.device);
    check_rest(&head);
    return 0;
}
