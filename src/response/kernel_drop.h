/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Blocks in the kernel, beside those of the gateway and never in their place: a table of our own (inet aaiti) that drops what comes from
 * blocked networks to the listener's port, before nginx hears of it. Whole tables are put in the place of the one before, in one transaction of
 * Debian's nft. Needs CAP_NET_ADMIN. One thread.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/ip.h"

/* More are left to the gateway alone: the script must stay small enough to be read within seconds. */
#define GW_KERNEL_DROP_MAX 65536

struct gw_dropped {
    struct gw_cidr network;
    int64_t expires_s; /* 0: stays until the next table */
};

struct gw_drop_plan {
    struct gw_dropped *blocked, *spared; /* sorted by the calls below; spared networks win */
    size_t blocked_count, spared_count;
    unsigned port;
};

/* The script that puts the plan in force. A network that lies in another of its list is left out: a set takes no overlaps. GW_ELIMIT. */
GW_MUST_CHECK enum gw_code gw_kernel_drop_script(struct gw_drop_plan *p, int64_t now_s, struct gw_buf *out,
                                                 struct gw_error *err);

struct gw_recorder;
struct gw_store;
struct gw_kernel_drop;

struct gw_kernel_drop_options {
    struct gw_store *store;
    struct gw_recorder *recorder;
    const struct gw_clock *clock;
    const struct gw_cidr *allow, *proxies;
    size_t allow_count, proxy_count;
    struct gw_str listen; /* the setting: 127.0.0.1:8443 */
};

GW_MUST_CHECK enum gw_code gw_kernel_drop_new(struct gw_kernel_drop **out, struct gw_error *err);
/* Deletes the table, where it was made. */
void gw_kernel_drop_free(struct gw_kernel_drop *k);
/* Task of the schedule: looks whether blocks or sessions have changed, and puts a new table in force if so. Spares what allow and trusted
 * proxies cover, loopback, and each address that a session was made from. After a failure the table that was stays, and its networks run out by
 * themselves; when it begins to fail, the trail gets a row `kernel_drop_failed`. */
GW_MUST_CHECK enum gw_code gw_kernel_drop_update(struct gw_kernel_drop *k, const struct gw_kernel_drop_options *o,
                                                 struct gw_error *err);
/* The table that was asked for last is in the kernel, or the one before it. */
bool gw_kernel_drop_is_made(const struct gw_kernel_drop *k);
/* Deletes the table, where it was made. */
GW_MUST_CHECK enum gw_code gw_kernel_drop_end(struct gw_kernel_drop *k, struct gw_error *err);
