/* SPDX-License-Identifier: Apache-2.0 */
#include <gw/error.h>

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

static const struct {
    const char *name, *text;
} codes[] = {
#define GW_CODE(name, text) [GW_##name] = {#name, text},
#include <gw/error.def>
#undef GW_CODE
};

void gw_fail_at(struct gw_error *err, enum gw_code code, const char *where, const char *fmt, ...)
{
    assert(code != GW_OK);
    if (err == NULL)
        return;
    err->code = code;
    err->where = where;
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(err->msg, sizeof(err->msg), fmt, args);
    va_end(args);
    if (n < 0)
        err->msg[0] = '\0';
}

const char *gw_code_name(enum gw_code code)
{
    assert((size_t)code < sizeof(codes) / sizeof(codes[0]));
    return codes[code].name;
}

const char *gw_code_text(enum gw_code code)
{
    assert((size_t)code < sizeof(codes) / sizeof(codes[0]));
    return codes[code].text;
}
