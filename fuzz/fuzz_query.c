/* SPDX-License-Identifier: Apache-2.0 */
/* A query, of which the first line is the name that is asked for. What is found stands there once, and reads the same wherever it stands. */
#include "policy/path.h"
#include "policy/query.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 4096

static struct gw_str joined(struct gw_str a, struct gw_str b, struct gw_arena *arena)
{
    char *text = gw_arena_alloc(arena, a.len + b.len + 1);
    assert(text != NULL);
    if (a.len > 0)
        memcpy(text, a.ptr, a.len);
    if (b.len > 0)
        memcpy(text + a.len, b.ptr, b.len);
    return (struct gw_str){text, a.len + b.len};
}

/* Each byte in two digits: whatever the name is, it is the same one. */
static struct gw_str encoded(struct gw_str name, struct gw_arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    char *text = gw_arena_alloc(arena, 3 * name.len + 1);
    assert(text != NULL);
    for (size_t i = 0; i < name.len; i++) {
        text[3 * i] = '%';
        text[3 * i + 1] = digits[(unsigned char)name.ptr[i] >> 4];
        text[3 * i + 2] = digits[(unsigned char)name.ptr[i] & 15];
    }
    return (struct gw_str){text, 3 * name.len};
}

/* Beside what is found, neither another of its name nor what does not decode. */
static void check_found(struct gw_str query, struct gw_str name, struct gw_str raw, struct gw_arena *a)
{
    struct gw_str value = GW_STR_NULL, again = GW_STR_NULL;
    assert(raw.len == 0 || (raw.ptr >= query.ptr && raw.ptr + raw.len <= query.ptr + query.len));
    assert(gw_query_get(query, name, a, &value) == GW_OK && value.len <= raw.len);
    assert(memchr(value.ptr, '\0', value.len) == NULL && gw_query_value_is(raw, value));
    struct gw_str twin = joined(GW_STR("&"), encoded(name, a), a);
    assert(gw_query_find(joined(query, twin, a), name, &again) == GW_QUERY_AMBIGUOUS);
    assert(gw_query_find(joined(query, joined(twin, GW_STR("[0]=1"), a), a), name, &again) == GW_QUERY_AMBIGUOUS);
    assert(gw_query_find(joined(query, GW_STR("&x=%0"), a), name, &again) == GW_QUERY_MALFORMED);
    assert(gw_query_find(joined(query, GW_STR("&x=%00"), a), name, &again) == GW_QUERY_MALFORMED);
    if (gw_str_eq(name, GW_STR("?")))
        return;
    assert(gw_query_find(joined(GW_STR("?="), joined(GW_STR("&"), query, a), a), name, &again) == GW_QUERY_ONCE);
    assert(gw_str_eq(again, raw));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str query = {(const char *)data, size}, name, raw = GW_STR_NULL;
    if (size > TEXT_MAX || !gw_str_split(&query, '\n', &name) || name.len == 0 ||
        memchr(name.ptr, '\0', name.len) != NULL)
        return 0;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, (size_t)1 << 20);
    enum gw_query_answer answer = gw_query_find(query, name, &raw);
    if (answer == GW_QUERY_ONCE)
        check_found(query, name, raw, &a);
    else
        assert(raw.ptr == NULL && gw_query_get(query, name, &a, &raw) != GW_OK);
    return 0;
}
