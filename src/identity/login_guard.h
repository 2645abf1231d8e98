/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who may try a password, a code or a token, and how soon. Failures alone count, in sliding windows (identity/windows.h): of the
 * address, of the pair of address and account, of the account, and of a device's cookie. Address and pair delay more and more and then lock, that call
 * alone; the account delays and never locks; a device that is known is not held up by the account's. Accounts are counted by the
 * name as it was typed, so that one that exists and one that does not are treated alike.
 *
 * It lives as long as control, over reloads; a restart forgets it. Any thread.
 */
#include "base/clock.h"
#include "crypto/random.h"
#include "identity/hasher.h"
#include "identity/spraying.h"
#include "identity/windows.h"

struct gw_login_guard;

enum gw_guarded {
#define GW_GUARDED(name, text) GW_GUARDED_##name,
#include "identity/guarded.def"
#undef GW_GUARDED
};
/* "login". Static storage. */
const char *gw_guarded_text(enum gw_guarded call);

enum gw_guard_scope { GW_GUARD_ADDRESS, GW_GUARD_PAIR, GW_GUARD_ACCOUNT, GW_GUARD_DEVICE, GW_GUARD_SCOPES };
/* "address". Static storage. */
const char *gw_guard_scope_text(enum gw_guard_scope scope);

struct gw_login_guard_options {
    size_t capacity; /* windows */
    const struct gw_clock *clock;
    const struct gw_random *random;
    void (*wait_ms)(void *ctx, int64_t ms); /* how a delay is waited for; NULL: sleeps */
    void *wait_ctx;
};
GW_MUST_CHECK enum gw_code gw_login_guard_new(const struct gw_login_guard_options *o, struct gw_login_guard **out,
                                              struct gw_error *err);
void gw_login_guard_free(struct gw_login_guard *g);
GW_DEFINE_AUTO_FREE(gw_login_guard);

struct gw_login_guard_limits {
    struct gw_window_limits windows;
    int64_t delay_ms, delay_max_ms; /* after the first failure, twice as long after each further one, up to the other */
    /* attempts that wait; a quarter of all is for known devices, half at most for the strangers of one network */
    unsigned waiting_max, waiting_per_address_max;
    struct gw_spraying_limits spraying;
};
/* In force from now on, also for what was counted before. */
void gw_login_guard_set_limits(struct gw_login_guard *g, const struct gw_login_guard_limits *l);

/* ---- an attempt ---- */

struct gw_attempt_by {
    enum gw_guarded call;
    struct gw_ip address;
    bool is_allowed;       /* the address is exempt from what counts by it alone */
    enum gw_device device; /* known to be the account's own: exempt from the account's window */
    struct gw_str account; /* as typed; empty: the call names none */
    const uint8_t *cookie; /* GW_DEVICE_NONCE_BYTES of the device's cookie; NULL: it showed none that is good */
    gw_gone_fn gone;
    void *gone_ctx;
};
#define GW_DEVICE_NONCE_BYTES 8

/* Why an attempt was not let through. */
struct gw_held_up {
    enum gw_held_up_why { GW_HELD_UP_NOT, GW_HELD_UP_LOCKED, GW_HELD_UP_CROWDED } why;
    int64_t for_ms; /* the real rest of the lock; else when to try again */
};

/* What an attempt showed: that somebody sprays. To be told once. */
struct gw_sprayed {
    bool is_new;
    enum gw_spraying_cause cause;
    struct gw_spraying_count count;
};

/* What tries many accounts: the address (of IPv6 its /64), or its network (/24, of IPv6 /48). Not for GW_SPRAYING_ACCOUNT, which many try. */
struct gw_cidr gw_login_guard_sprayer(const struct gw_ip *address, enum gw_spraying_cause cause);

struct gw_attempt {
    struct gw_attempt_by by;
    struct gw_held_up held_up;
    struct gw_sprayed sprayed;
    struct gw_window *windows[GW_GUARD_SCOPES]; /* reserved in; NULL: not counted by this */
};

/* Only looks: GW_ELIMIT, with a->held_up, where the address or the pair is locked. It asks the windows and no user, so that it takes the same
 * time whether the account exists or not. */
GW_MUST_CHECK enum gw_code gw_login_guard_check(struct gw_login_guard *g, const struct gw_attempt_by *by,
                                                struct gw_attempt *a, struct gw_error *err);
/* Waits as long as the attempt is delayed, and while so many others are under way that they would lock, should all of them fail. GW_OK: go on, and end it.
 * GW_ELIMIT: a->held_up. GW_ETIMEOUT: the client has gone. After these it has ended. */
GW_MUST_CHECK enum gw_code gw_login_guard_begin(struct gw_login_guard *g, const struct gw_attempt_by *by,
                                                struct gw_attempt *a, struct gw_error *err);
enum gw_attempt_end {
    GW_ATTEMPT_FAILED,
    GW_ATTEMPT_SUCCEEDED, /* clears its pair alone */
    GW_ATTEMPT_WITHDRAWN, /* nobody found out whether it was right: it does not count */
};
void gw_login_guard_end(struct gw_login_guard *g, struct gw_attempt *a, enum gw_attempt_end end);
/* Between begin and end: whose account it is, for those who list and clear. */
void gw_login_guard_name(struct gw_login_guard *g, struct gw_attempt *a, const struct gw_uuid *user_id);
/* A success clears the pair of the name that was typed. This clears that of the account's other name (user name or e-mail address). */
void gw_login_guard_forgive(struct gw_login_guard *g, const struct gw_ip *address, struct gw_str account);
/* Whether a cookie has failed too often to count as a known device's. */
bool gw_login_guard_is_spent(struct gw_login_guard *g, const uint8_t cookie[GW_DEVICE_NONCE_BYTES]);

/* ---- who is held up ---- */

struct gw_lockout {
    enum gw_guarded call;
    enum gw_guard_scope scope;
    struct gw_ip address;   /* zero: of none, or shared by a network */
    struct gw_uuid user_id; /* zero: of none that there is */
    unsigned failures;
    int64_t left_ms; /* 0: not locked, but delayed as long as may be */
    bool is_shared;
};
/* Those that are locked, and accounts that are delayed as long as may be; max at most. *out_total: how many there are. */
size_t gw_login_guard_list(struct gw_login_guard *g, struct gw_lockout *out, size_t max, size_t *out_total);
/* NULL: whatever it is. Gives how many windows that were, locked or not. */
size_t gw_login_guard_clear(struct gw_login_guard *g, const struct gw_ip *address, const struct gw_uuid *user_id);
/* How often a window found no room since this was asked last. */
uint64_t gw_login_guard_take_overflows(struct gw_login_guard *g);
/* The same since it was last recorded in the trail; 0 also for an hour after that, so that an attack is a row an hour. */
uint64_t gw_login_guard_unrecorded(struct gw_login_guard *g);
void gw_login_guard_recorded(struct gw_login_guard *g, uint64_t count);

unsigned gw_login_guard_waiting(struct gw_login_guard *g);
struct gw_login_guard_fill {
    size_t live, slots; /* windows, but for those of whole networks */
};
/* Looks at all windows: not for each request. */
void gw_login_guard_fill(struct gw_login_guard *g, struct gw_login_guard_fill *out);
