/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jansson recurses once a level, so the depth is measured before it sees the text. Its own error texts quote the input,
 * which may be a password: only its code and position are used.
 */
#include "base/json.h"

#include "base/buf.h"

#include <string.h>

static size_t depth_of(struct gw_str text)
{
    size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"')
            in_string = true;
        else if (c == '{' || c == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if ((c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return deepest;
}

static const char *fault_text(enum json_error_code code)
{
    switch ((int)code) {
    case json_error_premature_end_of_input:
        return "ends too early";
    case json_error_end_of_input_expected:
        return "something follows the value";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_duplicate_key:
        return "a name stands twice in one object";
    case json_error_numeric_overflow:
        return "a number out of range";
    default:
        return "not JSON";
    }
}

enum gw_code gw_json_parse(struct gw_str text, struct gw_json_limits limits, json_t **out, struct gw_error *err)
{
    if (text.len > limits.max_bytes)
        return gw_fail(err, GW_ELIMIT, "JSON text is longer than %zu bytes", limits.max_bytes);
    if (text.len == 0)
        return gw_fail(err, GW_EPARSE, "no JSON value: empty");
    size_t nul_at = gw_str_find(text, '\0');
    if (nul_at < text.len)
        return gw_fail(err, GW_EPARSE, "byte %zu: a NUL byte", nul_at);
    if (depth_of(text) > limits.max_depth)
        return gw_fail(err, GW_ELIMIT, "JSON text is nested deeper than %zu levels", limits.max_depth);
    json_error_t fault;
    json_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (value == NULL) {
        enum json_error_code code = json_error_code(&fault);
        if (code == json_error_out_of_memory)
            return gw_fail(err, GW_ENOMEM, "no memory for JSON");
        return gw_fail(err, GW_EPARSE, "line %d, column %d: %s", fault.line, fault.column, fault_text(code));
    }
    *out = value;
    return GW_OK;
}

/* A present, non-null member of an object. */
static enum gw_code member(const json_t *obj, const char *name, const json_t **out, struct gw_error *err)
{
    if (!json_is_object(obj))
        return gw_fail(err, GW_EINVAL, "expected an object");
    const json_t *value = json_object_get(obj, name);
    if (value == NULL || json_is_null(value))
        return gw_fail(err, GW_ENOTFOUND, "/%s: missing", name);
    *out = value;
    return GW_OK;
}

enum gw_code gw_json_get_str(const json_t *obj, const char *name, size_t min_bytes, size_t max_bytes,
                             struct gw_str *out, struct gw_error *err)
{
    const json_t *value = NULL;
    GW_TRY(member(obj, name, &value, err));
    if (!json_is_string(value))
        return gw_fail(err, GW_EINVAL, "/%s: expected a string", name);
    struct gw_str s = {json_string_value(value), json_string_length(value)};
    if (s.len < min_bytes || s.len > max_bytes)
        return gw_fail(err, GW_EINVAL, "/%s: expected a string of %zu to %zu bytes", name, min_bytes, max_bytes);
    *out = s;
    return GW_OK;
}

enum gw_code gw_json_get_bool(const json_t *obj, const char *name, bool *out, struct gw_error *err)
{
    const json_t *value = NULL;
    GW_TRY(member(obj, name, &value, err));
    if (!json_is_boolean(value))
        return gw_fail(err, GW_EINVAL, "/%s: expected true or false", name);
    *out = json_is_true(value);
    return GW_OK;
}

static bool is_listed(const char *name, const char *const names[])
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

/* The name is the client's: escaped, and cut. */
static enum gw_code fail_unknown(const char *name, struct gw_error *err)
{
    enum { SHOWN_MAX = 64 };
    gw_auto(gw_buf) struct gw_buf shown;
    gw_buf_init(&shown, 4 * SHOWN_MAX);
    gw_buf_add_escaped(&shown, gw_str_sub(gw_str(name), 0, SHOWN_MAX));
    return gw_fail(err, GW_EINVAL, "/%.*s: unknown member", GW_STR_ARG(gw_buf_str(&shown)));
}

enum gw_code gw_json_only(const json_t *obj, const char *const names[], struct gw_error *err)
{
    if (!json_is_object(obj))
        return gw_fail(err, GW_EINVAL, "expected an object");
    /* Iterating changes nothing; jansson's iterators have no const. */
    json_t *o = (json_t *)(uintptr_t)obj;
    for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
        if (!is_listed(json_object_iter_key(it), names))
            return fail_unknown(json_object_iter_key(it), err);
    }
    return GW_OK;
}
