/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors of the library. Every fallible function returns an enum gw_code, which the compiler makes callers look at, and
 * takes a struct gw_error * last, where it says what was wrong. The error is passed, never thread-local: an nginx worker
 * interleaves requests. err may be NULL where only the code matters. A message never reaches a client.
 */
#include <stdarg.h>

enum gw_code {
#define GW_CODE(name, text) GW_##name,
#include <gw/error.def>
#undef GW_CODE
};

struct gw_error {
    enum gw_code code;
    const char *where; /* "file.c:line", static storage */
    char msg[512];
};

#define GW_MUST_CHECK __attribute__((warn_unused_result))
#define GW_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

#define GW_STRINGIFY_(x) #x
#define GW_STRINGIFY(x) GW_STRINGIFY_(x)
#define GW_WHERE __FILE_NAME__ ":" GW_STRINGIFY(__LINE__)

/* Fills err (when not NULL) and returns code, so that a failing function ends with `return gw_fail(...)`. A macro of two
 * parts, so that an analyzer sees that what fails is not GW_OK. */
#define gw_fail(err, code, ...)                                  \
    __extension__({                                              \
        enum gw_code gw_fail_code_ = (code);                     \
        gw_fail_at((err), gw_fail_code_, GW_WHERE, __VA_ARGS__); \
        gw_fail_code_;                                           \
    })
void gw_fail_at(struct gw_error *err, enum gw_code code, const char *where, const char *fmt, ...) GW_PRINTF(4, 5);

/* Passes a failure on. The only macro that returns. */
#define GW_TRY(call)                        \
    do {                                    \
        enum gw_code gw_try_code_ = (call); \
        if (gw_try_code_ != GW_OK)          \
            return gw_try_code_;            \
    } while (0)

/* "EPARSE", and "malformed input". Static storage. */
const char *gw_code_name(enum gw_code code);
const char *gw_code_text(enum gw_code code);
