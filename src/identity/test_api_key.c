/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: made, listed, turned over, ended; what the database and the segment know of them; and service users. */
#include "crypto/mac.h"
#include "identity/sealed.h"
#include "identity/test_world.h"

#include <gw/gate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

static struct gw_api_key_new plain(const struct gw_user_row *owner)
{
    return (struct gw_api_key_new){.user_id = &owner->id, .name = GW_STR("bot")};
}

static enum gw_code make(struct world *w, const struct gw_api_key_new *n, struct gw_api_key_made *out)
{
    return gw_api_key_add(w->identity, &world_actor, world_policy, n, out, &w->err);
}

static struct gw_api_key_made must_make(struct world *w, const struct gw_api_key_new *n)
{
    struct gw_api_key_made made;
    if (make(w, n, &made) != GW_OK)
        fail_msg("%s", w->err.msg);
    return made;
}

/* As a worker would find what is presented. */
static enum gw_code find_live(struct world *w, const char *presented, struct gw_live_key *out)
{
    uint8_t hash[GW_MAC_BYTES];
    struct gw_uuid half;
    assert_int_equal(gw_sha256(gw_str(presented), hash, NULL), GW_OK);
    memcpy(half.b, hash, sizeof(half.b));
    enum gw_code code = gw_shared_get_key(w->shared, &half, out);
    if (code == GW_OK && !out->is_signed)
        assert_memory_equal(out->proof, hash + 16, 16);
    return code;
}

static enum gw_code remember(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)err;
    *(struct gw_audit_row *)ctx = *r;
    return GW_OK;
}

static void assert_last_action(struct world *w, const char *action)
{
    int64_t newest = 0;
    struct gw_audit_row row = {.action = ""};
    assert_int_equal(gw_store_audit_newest(w->store, &newest, &w->err), GW_OK);
    assert_int_equal(gw_store_audit_each_after(w->store, newest - 1, 1, remember, &row, &w->err), GW_OK);
    assert_string_equal(row.action, action);
}

static void test_a_new_key_is_live_at_once_and_after_a_restart_and_known_by_its_hash(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", GOOD_PASSWORD);
    struct gw_api_key_new n = plain(&owner);
    n.scopes = GW_STR("bots:read, users:write");
    n.networks = GW_STR("192.0.2.0/24,2001:db8::/32");
    n.ttl_s = 100;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    assert_last_action(w, "api_key_made");
    assert_string_equal(made.row.scopes, "bots:read users:write");
    assert_string_equal(made.row.networks, "192.0.2.0/24 2001:db8::/32");
    assert_int_equal(made.row.expires_s, WORLD_START_S + 100);
    for (int restarted = 0; restarted < 2; restarted++) {
        struct gw_live_key live;
        assert_int_equal(find_live(w, made.text, &live), GW_OK);
        assert_true(gw_uuid_eq(&live.user_id, &owner.id) && gw_uuid_eq(&live.id, &made.row.id));
        assert_int_equal(live.expires_s, made.row.expires_s);
        assert_int_equal(live.scope_count, 2);
        assert_int_equal(live.network_count, 2);
        assert_true(gw_live_key_leaves(&live, GW_STR("users:write")));
        assert_false(gw_live_key_leaves(&live, GW_STR("bots:write")));
        world_restart(w);
        assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    }
}

static void test_a_wildcard_is_written_out_when_the_key_is_made(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    struct gw_api_key_new n = plain(&owner);
    n.scopes = GW_STR("bots:*,bots:read,signed-in");
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    assert_string_equal(made.row.scopes, "bots:read bots:write signed-in");
}

static void test_fields_that_break_their_rule(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    static const struct {
        struct gw_str name, scopes, networks;
        const char *says;
    } rows[] = {
        {GW_STR("a\nb"), GW_STR(""), GW_STR(""), "/name"},
        {GW_STR("a\"b"), GW_STR(""), GW_STR(""), "/name"},
        {GW_STR("0123456789012345678901234567890123456789012345678901234567890123x"), GW_STR(""), GW_STR(""), "/name"},
        {GW_STR(""), GW_STR("bots"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR("*"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR(":*"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR("robots:*"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR("bots:read,"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR("bots:read bots:write"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR("admin"), GW_STR(""), "/scopes"},
        {GW_STR(""), GW_STR(""), GW_STR("192.0.2.1/24"), "/networks"}, /* host bits */
        {GW_STR(""), GW_STR(""), GW_STR("localhost"), "/networks"},
        {GW_STR(""), GW_STR(""), GW_STR("192.0.2.1,"), "/networks"},
        {GW_STR(""), GW_STR(""), GW_STR("192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5"), "/networks"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_api_key_new n = {
            .user_id = &owner.id, .name = rows[i].name, .scopes = rows[i].scopes, .networks = rows[i].networks};
        struct gw_api_key_made made;
        if (make(w, &n, &made) != GW_EINVAL || strncmp(w->err.msg, rows[i].says, strlen(rows[i].says)) != 0)
            fail_msg("row %zu: %s", i, w->err.msg);
    }
    struct gw_uuid nobody = {{9}};
    struct gw_api_key_new n = {.user_id = &nobody};
    struct gw_api_key_made made;
    assert_int_equal(make(w, &n, &made), GW_ENOTFOUND);
}

static void test_there_is_room_for_so_many(void **state)
{
    struct world *w = *state;
    struct gw_user_row users[3] = {world_add(w, "alice", "trader", ""), world_add(w, "bob", "trader", ""),
                                   world_add(w, "carol", "trader", "")};
    unsigned made_count = 0;
    for (size_t u = 0; u < 3; u++) {
        for (int k = 0; k < 4; k++) {
            struct gw_api_key_new n = plain(&users[u]);
            struct gw_api_key_made made;
            made_count += make(w, &n, &made) == GW_OK ? 1 : 0;
            assert_true(k < 3 || w->err.code == GW_ECONFLICT);
        }
    }
    assert_int_equal(made_count, 8); /* 3 a user, 8 in all */
    assert_non_null(strstr(w->err.msg, "api_key.capacity"));
}

/* ---- ends ---- */

static void test_a_revoked_key_is_gone_at_once_with_its_secret(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    struct gw_api_key_new n = plain(&owner);
    struct gw_api_key_row found;
    struct gw_live_key live;
    int64_t secrets = 0;
    n.is_signed = true;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    char public_part[16];
    (void)snprintf(public_part, sizeof(public_part), "aak_%s", made.row.public_id);
    assert_int_equal(find_live(w, public_part, &live), GW_OK);
    assert_int_equal(live.is_signed, 1);
    assert_int_equal(find_live(w, made.text, &live), GW_ENOTFOUND); /* its secret is no key */
    assert_int_equal(gw_store_sealed_count(w->store, 0, &secrets, &w->err), GW_OK);
    assert_int_equal(secrets, 1);
    const struct gw_str names[] = {gw_str(made.row.public_id), gw_str(public_part)};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(gw_api_key_find(w->identity, names[i], &found, &w->err), GW_OK);
    assert_int_equal(gw_api_key_revoke(w->identity, &world_actor, &found.id, &w->err), GW_OK);
    assert_last_action(w, "api_key_revoked");
    assert_int_equal(find_live(w, public_part, &live), GW_ENOTFOUND);
    assert_int_equal(gw_store_sealed_count(w->store, 0, &secrets, &w->err), GW_OK);
    assert_int_equal(secrets, 0);
    assert_int_equal(gw_api_key_revoke(w->identity, &world_actor, &found.id, &w->err), GW_ENOTFOUND);
    assert_int_equal(gw_api_key_find(w->identity, names[0], &found, &w->err), GW_ENOTFOUND);
}

static void test_a_certificate_stands_for_one_user_as_long_as_it_lasts(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", ""), other = world_add(w, "bob", "trader", "");
    struct gw_client_certificate c = {.fingerprint = {7, [31] = 9}};
    struct gw_api_key_new n = plain(&owner), again = plain(&other);
    struct gw_api_key_turn turn = {.overlap_s = 60};
    struct gw_api_key_made ignored;
    struct gw_live_key live;
    struct gw_uuid half = {{7}};
    n.certificate = again.certificate = &c;
    c.not_after_s = gw_clock_real_s(&w->clock.clock);
    assert_int_equal(make(w, &n, &ignored), GW_EINVAL);
    assert_string_equal(w->err.msg, "/certificate: its time is over");
    c.not_after_s += 3600;
    n.is_signed = true;
    assert_int_equal(make(w, &n, &ignored), GW_EINVAL);
    n.is_signed = false;
    n.ttl_s = 7200;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    assert_string_equal(made.text, "");
    assert_int_equal(made.row.expires_s, c.not_after_s);
    assert_last_action(w, "api_key_made");
    assert_int_equal(make(w, &again, &ignored), GW_ECONFLICT);
    assert_string_equal(w->err.msg, "the certificate stands for a user already; revoke that first");
    turn.id = &made.row.id;
    assert_int_equal(gw_api_key_rotate(w->identity, &world_actor, &turn, &ignored, &w->err), GW_ECONFLICT);
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_shared_get_key(w->shared, &half, &live), GW_OK);
    assert_true(live.is_certificate && gw_uuid_eq(&live.user_id, &owner.id) && live.proof[15] == 9);
    assert_int_equal(gw_api_key_revoke(w->identity, &world_actor, &made.row.id, &w->err), GW_OK);
    assert_int_equal(gw_shared_get_key(w->shared, &half, &live), GW_ENOTFOUND);
    gw_auto(gw_api_key_made) struct gw_api_key_made next = must_make(w, &again);
    assert_string_equal(next.text, "");
}

static void test_a_signed_key_survives_a_restart(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    struct gw_api_key_new n = plain(&owner);
    struct gw_live_key before, after;
    n.is_signed = true;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    char public_part[16];
    uint8_t mac_key[GW_MAC_BYTES];
    (void)snprintf(public_part, sizeof(public_part), "aak_%s", made.row.public_id);
    assert_int_equal(find_live(w, public_part, &before), GW_OK);
    assert_int_equal(gw_sha256(gw_str(made.text), mac_key, NULL), GW_OK);
    assert_memory_equal(before.proof, mac_key, sizeof(mac_key));
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(find_live(w, public_part, &after), GW_OK);
    assert_memory_equal(after.proof, before.proof, sizeof(before.proof));
}

static void test_a_users_keys_go_with_the_user(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", ""), other = world_add(w, "bob", "trader", "");
    struct gw_api_key_new mine = plain(&owner), theirs = plain(&other), secret = plain(&owner);
    struct gw_live_key live;
    int64_t count = -1;
    secret.is_signed = true;
    gw_auto(gw_api_key_made) struct gw_api_key_made a = must_make(w, &mine), b = must_make(w, &theirs),
                                                    c = must_make(w, &secret);
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &owner.id, &w->err), GW_OK);
    assert_int_equal(find_live(w, a.text, &live), GW_ENOTFOUND);
    assert_int_equal(find_live(w, b.text, &live), GW_OK);
    assert_int_equal(gw_store_api_key_count(w->store, &count, &w->err), GW_OK);
    assert_int_equal(count, 1);
    assert_int_equal(gw_store_sealed_count(w->store, 0, &count, &w->err), GW_OK);
    assert_int_equal(count, 0);
    (void)c;
}

static void test_a_new_password_ends_keys_where_that_is_asked_for(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", GOOD_PASSWORD),
                       other = world_add(w, "bob", "trader", "");
    struct gw_api_key_new mine = plain(&owner), theirs = plain(&other), brief = plain(&owner);
    struct gw_keys_settled keys = {.fate = GW_KEYS_STAY};
    struct gw_live_key live;
    char code[GW_RESET_CODE_LEN + 1];
    brief.ttl_s = 10;
    gw_auto(gw_api_key_made) struct gw_api_key_made a = must_make(w, &mine), b = must_make(w, &theirs),
                                                    c = must_make(w, &brief);
    world_advance(w, 10);
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &owner.id, GW_STR(OTHER_PASSWORD), &keys, &w->err),
                     GW_OK);
    assert_true(keys.revoked == 0 && keys.left == 1); /* one is over */
    assert_int_equal(find_live(w, a.text, &live), GW_OK);
    keys.fate = GW_KEYS_REVOKED;
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &owner.id, GW_STR("weak"), &keys, &w->err),
                     GW_EINVAL);
    assert_int_equal(find_live(w, a.text, &live), GW_OK);
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &owner.id, GW_STR(GOOD_PASSWORD), &keys, &w->err),
                     GW_OK);
    assert_true(keys.revoked == 1 && keys.left == 0);
    assert_int_equal(find_live(w, a.text, &live), GW_ENOTFOUND);
    assert_int_equal(find_live(w, b.text, &live), GW_OK);
    gw_auto(gw_api_key_made) struct gw_api_key_made d = must_make(w, &mine);
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &owner.id, NULL, &keys, code, &w->err), GW_OK);
    assert_int_equal(keys.revoked, 1);
    assert_int_equal(find_live(w, d.text, &live), GW_ENOTFOUND);
    (void)c;
}

/* What was proved while the password was another proves nothing: else a key could slip in behind its change. */
static void test_a_proof_is_of_the_password_that_there_is(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", GOOD_PASSWORD);
    const struct gw_actor by = {.user_id = owner.id};
    struct gw_api_key_new n = plain(&owner);
    struct gw_api_key_made made, other;
    struct gw_proof proof;
    assert_int_equal(gw_user_prove(w->identity, &by, GW_STR(OTHER_PASSWORD), &proof, &w->err), GW_EDENIED);
    assert_int_equal(gw_user_prove(w->identity, &by, GW_STR(""), &proof, &w->err), GW_EDENIED);
    assert_int_equal(gw_user_prove(w->identity, &by, GW_STR(GOOD_PASSWORD), &proof, &w->err), GW_OK);
    n.proof = &proof;
    assert_int_equal(make(w, &n, &made), GW_OK);
    const struct gw_api_key_turn turn = {.id = &made.row.id, .overlap_s = 10, .proof = &proof};
    assert_int_equal(gw_api_key_rotate(w->identity, &by, &turn, &other, &w->err), GW_OK);
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &owner.id, GW_STR(OTHER_PASSWORD), NULL, &w->err),
                     GW_OK);
    assert_int_equal(make(w, &n, &other), GW_EDENIED);
    assert_int_equal(gw_api_key_rotate(w->identity, &by, &turn, &other, &w->err), GW_EDENIED);
}

static void test_turning_over_leaves_an_overlap_and_never_puts_an_end_off(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    static const struct {
        int64_t ttl_s, overlap_s, old_end_s, new_end_s; /* ends after the rotation, 50 s on; 0: never */
    } rows[] = {
        {0, 100, 100, 0}, /* endless stays so, the old one ends */
        {1000, 100, 100, 1000},
        {120, 100, 70, 120}, /* its own end comes sooner */
        {1000, 0, 0, 1000},  /* at once */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_api_key_new n = plain(&owner);
        struct gw_api_key_row old;
        struct gw_live_key live;
        gw_auto(gw_api_key_made) struct gw_api_key_made next = {.text = ""};
        n.ttl_s = rows[i].ttl_s;
        n.scopes = GW_STR("bots:read");
        gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
        world_advance(w, 50);
        int64_t now_s = gw_clock_real_s(&w->clock.clock);
        const struct gw_api_key_turn turn = {.id = &made.row.id, .overlap_s = rows[i].overlap_s};
        assert_int_equal(gw_api_key_rotate(w->identity, &world_actor, &turn, &next, &w->err), GW_OK);
        assert_last_action(w, "api_key_rotated");
        assert_string_not_equal(next.text, made.text);
        assert_string_equal(next.row.scopes, "bots:read");
        assert_string_equal(next.row.name, "bot");
        assert_int_equal(next.row.expires_s, rows[i].new_end_s == 0 ? 0 : now_s + rows[i].new_end_s);
        assert_int_equal(gw_store_api_key_get(w->store, &made.row.id, &old, &w->err), GW_OK);
        assert_int_equal(old.expires_s, now_s + rows[i].old_end_s);
        assert_int_equal(find_live(w, made.text, &live), GW_OK);
        assert_int_equal(live.expires_s, old.expires_s);
        assert_int_equal(find_live(w, next.text, &live), GW_OK);
        assert_true(gw_live_key_leaves(&live, GW_STR("bots:read")));
        assert_false(gw_live_key_leaves(&live, GW_STR("bots:write")));
        const struct gw_uuid *both[] = {&made.row.id, &next.row.id};
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(gw_api_key_revoke(w->identity, &world_actor, both[k], &w->err), GW_OK);
    }
}

static void test_what_is_over_is_shown_for_a_day_and_not_published(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    struct gw_api_key_new n = plain(&owner);
    struct gw_live_key live;
    struct gw_api_key_row row;
    n.ttl_s = 10;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    world_advance(w, 10);
    world_restart(w);
    assert_int_equal(gw_identity_publish(w->identity, &w->err), GW_OK);
    assert_int_equal(find_live(w, made.text, &live), GW_ENOTFOUND);
    assert_int_equal(gw_identity_clean_up(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_store_api_key_get(w->store, &made.row.id, &row, &w->err), GW_OK);
    world_advance(w, 86400);
    assert_int_equal(gw_identity_clean_up(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_store_api_key_get(w->store, &made.row.id, &row, &w->err), GW_ENOTFOUND);
}

/* ---- use ---- */

static enum gw_code take_last_use(void *ctx, const struct gw_api_key_row *r, struct gw_error *err)
{
    (void)err;
    *(int64_t *)ctx = r->last_used_s;
    return GW_OK;
}

static void test_the_last_use_is_shown_and_written_back(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    struct gw_api_key_new n = plain(&owner);
    struct gw_live_key live;
    struct gw_api_key_row row;
    int64_t last_s = -1;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    gw_shared_touch(w->shared, &made.row.id, WORLD_START_S + 7);
    assert_int_equal(gw_api_key_each(w->identity, &owner.id, take_last_use, &last_s, &w->err), GW_OK);
    assert_int_equal(last_s, WORLD_START_S + 7);
    assert_int_equal(gw_store_api_key_get(w->store, &made.row.id, &row, &w->err), GW_OK);
    assert_int_equal(row.last_used_s, 0);
    assert_int_equal(gw_identity_save_last_seen(w->identity, &w->err), GW_OK);
    assert_int_equal(gw_store_api_key_get(w->store, &made.row.id, &row, &w->err), GW_OK);
    assert_int_equal(row.last_used_s, WORLD_START_S + 7);
    assert_int_equal(find_live(w, made.text, &live), GW_OK);
    assert_int_equal(live.last_used_s, WORLD_START_S + 7);
}

static void test_a_key_speaks_for_its_owner_as_of_now(void **state)
{
    struct world *w = *state;
    struct gw_user_row owner = world_add(w, "alice", "trader", "");
    struct gw_api_key_new n = plain(&owner);
    struct gw_live_key live;
    struct gw_caller caller;
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &n);
    assert_int_equal(find_live(w, made.text, &live), GW_OK);
    assert_int_equal(gw_identify_key(w->identity, &live, &caller, &w->err), GW_OK);
    assert_true(caller.by_key && gw_uuid_eq(&caller.session_id, &made.row.id));
    assert_string_equal(caller.user.username, "alice");
    const struct gw_user_change off = {.set = GW_USER_SET_ACTIVE, .active = false};
    assert_int_equal(gw_user_change(w->identity, &world_actor, world_policy, &owner.id, &off, &owner, &w->err), GW_OK);
    assert_int_equal(gw_identify_key(w->identity, &live, &caller, &w->err), GW_EDENIED);
}

/* ---- service users ---- */

static void test_a_service_user_never_has_a_password(void **state)
{
    struct world *w = *state;
    const struct gw_user_new n = {.username = GW_STR("robot"), .role = GW_STR("trader"), .service = true};
    struct gw_user_new bad = n;
    struct gw_user_row u, robot;
    struct gw_signed_in s;
    char code[GW_RESET_CODE_LEN + 1];
    bad.password = GW_STR(GOOD_PASSWORD);
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &bad, &u, &w->err), GW_EINVAL);
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &n, &robot, &w->err), GW_OK);
    assert_true(world_get(w, "robot").service);
    assert_int_equal(gw_user_set_password(w->identity, &world_actor, &robot.id, GW_STR(GOOD_PASSWORD), NULL, &w->err),
                     GW_ECONFLICT);
    assert_int_equal(gw_user_reset_begin(w->identity, &world_actor, &robot.id, NULL, NULL, code, &w->err),
                     GW_ECONFLICT);
    assert_int_equal(world_login(w, "robot", GOOD_PASSWORD, &s), GW_EDENIED);
    assert_int_equal(w->waited_ms, WORLD_FLOOR_MS); /* as a wrong password */
    struct gw_api_key_new key = plain(&robot);
    gw_auto(gw_api_key_made) struct gw_api_key_made made = must_make(w, &key);
}

static void test_a_service_admin_is_no_admin_who_could_let_anybody_in(void **state)
{
    struct world *w = *state;
    struct gw_user_row root = world_add(w, "root", "admin", GOOD_PASSWORD), robot;
    const struct gw_user_new n = {.username = GW_STR("robot"), .role = GW_STR("admin"), .service = true};
    assert_int_equal(gw_user_add(w->identity, &world_actor, world_policy, &n, &robot, &w->err), GW_OK);
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &root.id, &w->err), GW_ECONFLICT);
    assert_int_equal(gw_user_delete(w->identity, &world_actor, &robot.id, &w->err), GW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_new_key_is_live_at_once_and_after_a_restart_and_known_by_its_hash),
        CASE(test_a_wildcard_is_written_out_when_the_key_is_made),
        CASE(test_fields_that_break_their_rule),
        CASE(test_there_is_room_for_so_many),
        CASE(test_a_revoked_key_is_gone_at_once_with_its_secret),
        CASE(test_a_certificate_stands_for_one_user_as_long_as_it_lasts),
        CASE(test_a_signed_key_survives_a_restart),
        CASE(test_a_users_keys_go_with_the_user),
        CASE(test_a_new_password_ends_keys_where_that_is_asked_for),
        CASE(test_a_proof_is_of_the_password_that_there_is),
        CASE(test_turning_over_leaves_an_overlap_and_never_puts_an_end_off),
        CASE(test_what_is_over_is_shown_for_a_day_and_not_published),
        CASE(test_the_last_use_is_shown_and_written_back),
        CASE(test_a_key_speaks_for_its_owner_as_of_now),
        CASE(test_a_service_user_never_has_a_password),
        CASE(test_a_service_admin_is_no_admin_who_could_let_anybody_in),
    };
    return cmocka_run_group_tests_name("identity/api_key", tests, NULL, NULL);
}
