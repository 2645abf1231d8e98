/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the tests of this room stand on: services over a real store and real segments in a directory of their own, with a clock
 * and randomness of ours, cheap hashes, and no waiting. The policy is a fake of three roles.
 */
#include "identity/identity.h"
#include "policy/policy.h"

#define WORLD_START_S 1000000
#define WORLD_IDLE_S 3600
#define WORLD_ABSOLUTE_S 86400
#define WORLD_TOKEN_S 7200
#define WORLD_FLOOR_MS 400
#define GOOD_PASSWORD "Str0ng!Pass"
#define OTHER_PASSWORD "0ther!Secret"

struct world {
    char dir[32];
    struct gw_fake_clock clock;
    struct gw_fake_random random;
    struct gw_settings settings;
    struct gw_store *store;
    struct gw_shared *shared;
    struct gw_secret *kek;
    struct gw_sealed *sealed;
    struct gw_password_rules *rules;
    struct gw_hasher *hasher;
    struct gw_login_guard *guard; /* without delays, and with the limits of settings as of the last world_renew */
    struct gw_mac *device_key;
    struct gw_token_ring ring;
    struct gw_recorder *recorder;
    struct gw_identity *identity;
    int64_t waited_ms; /* by the last sign-in; -1: not at all */
    struct gw_error err;
};

/* cmocka's setup and teardown; *state becomes the world. */
int world_set_up(void **state);
int world_tear_down(void **state);
/* Closes the services and the segments and opens them again, as a restart of control does; the segment files stay. */
void world_restart(struct world *w);
/* Makes the services again after a change of settings. */
void world_renew(struct world *w);
/* The one token key from the next world_renew on. */
void world_token_key(struct world *w, const char *secret);
/* A pool of other size. */
void world_hasher(struct world *w, unsigned threads, unsigned queue_max);
void world_advance(struct world *w, int64_t s);

extern const struct gw_policy *const world_policy;

/* Who makes changes in these tests: a user that there is none of. */
extern const struct gw_actor world_actor;

/* Password empty: none. */
struct gw_user_row world_add(struct world *w, const char *name, const char *role, const char *password);
struct gw_user_row world_get(struct world *w, const char *name);
enum gw_code world_login(struct world *w, const char *name, const char *password, struct gw_signed_in *out);
/* Signs in, which must succeed. Caller gw_buf_dones the token. */
struct gw_signed_in world_sign_in(struct world *w, const char *name);
/* Who the token speaks for: the code. */
enum gw_code world_identify(struct world *w, const struct gw_signed_in *s);
size_t world_session_count(struct world *w, const struct gw_uuid *user_id);
bool world_has_live_session(struct world *w, const struct gw_uuid *id);
