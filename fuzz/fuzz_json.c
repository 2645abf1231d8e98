/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of calls. What is accepted must keep the limits, hold no NUL, and come back the same when written and read again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t depth_of(const json_t *value)
{
    size_t deepest = 0, index;
    const char *name;
    json_t *child;
    json_t *tree = (json_t *)(uintptr_t)value;
    json_object_foreach (tree, name, child) {
        size_t depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    json_array_foreach (tree, index, child) {
        size_t depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_object(value) || json_is_array(value) ? deepest + 1 : 0;
}

static void read_members(const json_t *value)
{
    const char *const names[] = {"username", "password", NULL};
    struct gw_error err;
    struct gw_str text;
    bool flag;
    if (gw_json_get_str(value, "username", 1, 20, &text, &err) == GW_OK)
        assert(text.len >= 1 && text.len <= 20 && memchr(text.ptr, 0, text.len) == NULL);
    if (gw_json_get_bool(value, "active", &flag, &err) == GW_OK)
        assert(json_is_object(value));
    if (gw_json_only(value, names, &err) != GW_OK)
        assert(strlen(err.msg) < 300);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_json_limits limits = GW_JSON_DEFAULT_LIMITS;
    gw_auto_json json_t *value = NULL;
    gw_auto_json json_t *again = NULL;
    struct gw_error err;
    if (gw_json_parse((struct gw_str){(const char *)data, size}, limits, &value, &err) != GW_OK)
        return 0;
    assert(size <= limits.max_bytes && memchr(data, 0, size) == NULL);
    assert(depth_of(value) <= limits.max_depth);
    read_members(value);
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text == NULL)
        abort();
    /* Written form may be longer, for numbers; it is no deeper. */
    const struct gw_json_limits wide = {.max_bytes = SIZE_MAX, .max_depth = limits.max_depth};
    assert(gw_json_parse(gw_str(text), wide, &again, &err) == GW_OK && json_equal(value, again));
    free(text);
    return 0;
}
