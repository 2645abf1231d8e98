/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Scoped ownership: `gw_auto(gw_buf) struct gw_buf b = ...;` calls gw_buf_done at the end of the scope. A module offers
 * it with GW_DEFINE_AUTO_FREE (pointer, calls X_free) or GW_DEFINE_AUTO_DONE (embedded, calls X_done).
 */
#include <stddef.h>

#define GW_DEFINE_AUTO_FREE(name)                    \
    static inline void name##_auto_(struct name **p) \
    {                                                \
        name##_free(*p);                             \
    }                                                \
    struct gw_semicolon_
#define GW_DEFINE_AUTO_DONE(name)                   \
    static inline void name##_auto_(struct name *p) \
    {                                               \
        name##_done(p);                             \
    }                                               \
    struct gw_semicolon_

/* unused: some are only held until the scope ends. */
#define gw_auto(name) __attribute__((cleanup(name##_auto_), unused))

/* Hands a scoped pointer over: yields it and leaves NULL behind. */
#define gw_take(pp)                         \
    __extension__({                         \
        __typeof__(*(pp)) gw_took_ = *(pp); \
        *(pp) = NULL;                       \
        gw_took_;                           \
    })

/* Scoped file descriptor: `gw_auto_fd int fd = -1;`. */
void gw_fd_auto_(int *fd);
#define gw_auto_fd __attribute__((cleanup(gw_fd_auto_)))
