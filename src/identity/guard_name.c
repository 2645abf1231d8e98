/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A print is hashed as it lies in memory, so it is zero where nothing was put. Scope and call are part of it: what one call counts is
 * not what another does.
 */
#include "identity/guard_name.h"

#include <string.h>

const char *gw_guarded_text(enum gw_guarded call)
{
    static const char *const texts[] = {
#define GW_GUARDED(name, text) [GW_GUARDED_##name] = (text),
#include "identity/guarded.def"
#undef GW_GUARDED
    };
    return texts[call];
}

const char *gw_guard_scope_text(enum gw_guard_scope scope)
{
    static const char *const texts[GW_GUARD_SCOPES] = {"address", "pair", "account", "device"};
    return texts[scope];
}

static void put_account(struct gw_guard_print *f, struct gw_str account)
{
    size_t len = account.len < GW_GUARD_ACCOUNT_MAX ? account.len : GW_GUARD_ACCOUNT_MAX;
    for (size_t i = 0; i < len; i++) {
        char c = account.ptr[i];
        f->account[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    f->account_len[0] = (uint8_t)(len >> 8);
    f->account_len[1] = (uint8_t)len;
}

uint64_t gw_guard_print_hash(const struct gw_hash_key *key, const struct gw_guard_print *p)
{
    return gw_hash(key, p, sizeof(*p));
}

#define V4_AT 96 /* in the 16-byte form of an address */

static struct gw_cidr network_of(const struct gw_ip *address, unsigned v4_bits, unsigned v6_bits)
{
    return gw_cidr_around(address, gw_ip_is_v4(address) ? V4_AT + v4_bits : v6_bits);
}

struct gw_cidr gw_login_guard_sprayer(const struct gw_ip *address, enum gw_spraying_cause cause)
{
    return cause == GW_SPRAYING_NETWORK ? network_of(address, 24, 48) : network_of(address, 32, 64);
}

struct gw_guard_print gw_guard_print(const struct gw_attempt_by *by, enum gw_guard_scope scope)
{
    struct gw_guard_print f = {.call = (uint8_t)by->call, .scope = (uint8_t)scope};
    if (scope == GW_GUARD_ADDRESS || scope == GW_GUARD_PAIR)
        f.address = gw_ip_limit_key(&by->address);
    if (scope == GW_GUARD_PAIR || scope == GW_GUARD_ACCOUNT)
        put_account(&f, by->account);
    if (scope == GW_GUARD_DEVICE)
        memcpy(f.cookie, by->cookie, sizeof(f.cookie));
    return f;
}

struct gw_window_name gw_guard_name(const struct gw_hash_key keys[2], const struct gw_attempt_by *by,
                                    enum gw_guard_scope scope)
{
    struct gw_guard_print f = gw_guard_print(by, scope);
    bool is_known = by->device == GW_DEVICE_KNOWN && scope != GW_GUARD_ADDRESS;
    bool locks = scope == GW_GUARD_ADDRESS || scope == GW_GUARD_PAIR ||
                 (scope == GW_GUARD_ACCOUNT && by->call == GW_GUARDED_PASSWORD);
    return (struct gw_window_name){
        .tag = {gw_guard_print_hash(&keys[0], &f), gw_guard_print_hash(&keys[1], &f)},
        .kind = (uint8_t)(by->call * GW_GUARD_SCOPES + scope),
        .effect = locks ? GW_WINDOW_LOCKS : GW_WINDOW_SLOWS,
        .share = is_known ? GW_WINDOW_KNOWN : GW_WINDOW_STRANGERS,
        .address = f.address,
        .network = network_of(&by->address, 24, 32).net, /* who fills the table has at least as much */
    };
}

/* A password change is by somebody signed in, and counts by him alone; the calls that name no account, by address alone. */
bool gw_guard_counts_by(const struct gw_attempt_by *by, enum gw_guard_scope scope)
{
    bool is_login = by->call == GW_GUARDED_LOGIN;
    switch (scope) {
    case GW_GUARD_ADDRESS:
        return by->call != GW_GUARDED_PASSWORD && !by->is_allowed;
    case GW_GUARD_PAIR:
        return is_login;
    case GW_GUARD_ACCOUNT:
        return by->call == GW_GUARDED_PASSWORD || (is_login && by->device != GW_DEVICE_KNOWN);
    case GW_GUARD_DEVICE:
        return is_login && by->cookie != NULL;
    case GW_GUARD_SCOPES:
        break;
    }
    return false;
}
