/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks by an API key: what is refused, what scopes leave, and what changes while the key is good. */
#include "pipeline/test_cast.h"

#include <string.h>

static void put(const struct gw_live_key *k)
{
    assert_int_equal(gw_shared_put_key(rig.writer, k, NULL), GW_OK);
}

static void put_key(uint32_t user)
{
    struct gw_live_key k = key_of(user);
    put(&k);
}

static void add_scope(struct gw_live_key *k, const char *right)
{
    k->scopes[k->scope_count++] = gw_key_scope(gw_str(right));
}

static const char *api_key(void)
{
    return "x-api-key: " API_KEY;
}

static const char *bearer_key(void)
{
    return "authorization: Bearer " API_KEY;
}

static void assert_fault(const struct gw_decision *d, enum gw_detail detail)
{
    assert_refused(d, GW_REASON_KEY_REFUSED);
    if (d->detail == NULL || strcmp(d->detail, gw_detail_text(detail)) != 0)
        fail_msg("%s, expected %s", d->detail != NULL ? d->detail : "", gw_detail_text(detail));
}

static void test_a_key_signs_in_by_either_header_and_stays_here(void **state)
{
    (void)state;
    put_key(TRADER);
    const char *const lines[] = {api_key(), bearer_key()};
    for (size_t i = 0; i < 2; i++) {
        const struct gw_decision *d = ASK("POST", "/api/bots", lines[i]);
        assert_passed(d);
        assert_true(gw_rig_dropped(&rig, "x-api-key"));
        assert_true(d->credential.len > 0);
        assert_true(gw_str_eq(d->user, GW_STR("user2")));
        struct gw_uuid id = gw_rig_uuid(API_KEY_ID);
        assert_true(gw_uuid_eq(&rig.request->session_id, &id)); /* what the journal gets */
    }
    assert_passed(ASK("POST", "/api/bots", api_key(), bearer_key()));
    assert_passed(ASK("POST", "/api/bots", api_key(), "sec-fetch-site: cross-site")); /* no cookie, no proof */
    assert_passed(ASK("POST", "/api/bots", api_key(), cookie(VIEWER)));
    assert_true(gw_str_eq(rig.decision.user, GW_STR("user2")));
}

static void test_two_credentials_are_none(void **state)
{
    (void)state;
    put_key(TRADER);
    assert_refused(ASK("GET", "/api/bots", api_key(), bearer(TRADER)), GW_REASON_BAD_HEADERS);
    assert_refused(ASK("GET", "/api/bots", api_key(), api_key()), GW_REASON_BAD_HEADERS);
    assert_refused(ASK("GET", "/api/bots", api_key(), "authorization: Bearer aak_abcdef27"), GW_REASON_BAD_HEADERS);
    assert_refused(ASK("GET", "/api/open", api_key(), bearer(TRADER)), GW_REASON_BAD_HEADERS);
    assert_refused(ASK("GET", "/api/bots", "x-api-key:"), GW_REASON_ANONYMOUS);
}

static void test_keys_that_are_none(void **state)
{
    (void)state;
    put_key(TRADER);
    static const struct {
        const char *line;
        enum gw_detail detail;
    } rows[] = {
        {"x-api-key: x", GW_DETAIL_KEY_MALFORMED},
        {"x-api-key: aak_abcdef27", GW_DETAIL_KEY_UNKNOWN},
        {"x-api-key: aak_abcdef27_", GW_DETAIL_KEY_MALFORMED},
        {"authorization: Bearer aak_", GW_DETAIL_KEY_MALFORMED},
        {"x-api-key: aak_abcdef27_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHi8", GW_DETAIL_KEY_UNKNOWN},
        {"x-api-key: aak_abcdef26_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", GW_DETAIL_KEY_UNKNOWN},
        {"x-api-key: aak_abcdef27_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 ,x", GW_DETAIL_KEY_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_fault(ASK("GET", "/api/bots", rows[i].line), rows[i].detail);
        assert_passed(ASK("GET", "/api/open", rows[i].line)); /* as good as none where anybody may come */
        assert_int_equal(rig.decision.credential.len, 0);
    }
}

static void test_half_a_hash_proves_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        struct gw_live_key k = key_of(TRADER);
        k.proof[i] ^= 1;
        put(&k);
        assert_fault(ASK("GET", "/api/bots", api_key()), GW_DETAIL_KEY_UNKNOWN);
    }
    put_key(TRADER);
    assert_passed(ASK("GET", "/api/bots", api_key()));
}

static void test_time_place_and_kind(void **state)
{
    (void)state;
    struct gw_live_key k = key_of(TRADER);
    k.expires_s = GW_RIG_NOW_S + 1;
    put(&k);
    assert_passed(ASK("GET", "/api/bots", api_key()));
    k.expires_s = GW_RIG_NOW_S;
    put(&k);
    assert_fault(ASK("GET", "/api/bots", api_key()), GW_DETAIL_KEY_EXPIRED);
    k.expires_s = 0;
    k.network_count = 1;
    assert_int_equal(gw_cidr_parse(GW_STR("192.0.2.0/30"), &k.networks[0]), GW_OK); /* the rig asks from 192.0.2.1 */
    put(&k);
    assert_passed(ASK("GET", "/api/bots", api_key()));
    assert_int_equal(gw_cidr_parse(GW_STR("192.0.2.4/30"), &k.networks[0]), GW_OK);
    put(&k);
    assert_fault(ASK("GET", "/api/bots", api_key()), GW_DETAIL_KEY_ADDRESS);
    assert_fault(ASK("GET", "/api/bots", api_key(), "x-forwarded-for: 192.0.2.5"), GW_DETAIL_KEY_ADDRESS);
    k = key_of(TRADER);
    k.is_signed = 1; /* one that signs is found by its id alone */
    put(&k);
    assert_fault(ASK("GET", "/api/bots", api_key()), GW_DETAIL_KEY_UNKNOWN);
}

/* ---- scopes ---- */

static void test_scopes_narrow_and_never_widen(void **state)
{
    (void)state;
    static const struct {
        uint32_t user;
        const char *scope; /* NULL: none */
        const char *method, *target;
        enum gw_reason reason;
    } rows[] = {
        {TRADER, NULL, "POST", "/api/bots", GW_REASON_NONE},
        {TRADER, NULL, "GET", "/api/me", GW_REASON_NONE},
        {VIEWER, NULL, "POST", "/api/bots", GW_REASON_NO_PERMISSION},
        {ADMIN, NULL, "DELETE", "/api/bots/7", GW_REASON_NONE},
        {TRADER, "bots:read", "GET", "/api/bots", GW_REASON_NONE},
        {TRADER, "bots:read", "HEAD", "/api/bots/7", GW_REASON_NONE},
        {TRADER, "bots:read", "POST", "/api/bots", GW_REASON_NO_PERMISSION},
        {TRADER, "bots:read", "GET", "/api/me", GW_REASON_NO_PERMISSION},
        {TRADER, "signed-in", "GET", "/api/me", GW_REASON_NONE},
        {TRADER, "signed-in", "GET", "/api/bots", GW_REASON_NO_PERMISSION},
        {TRADER, "bots:read", "GET", "/api/open", GW_REASON_NONE},
        {VIEWER, "bots:write", "POST", "/api/bots", GW_REASON_NO_PERMISSION}, /* the owner's role lacks it */
        {ADMIN, "bots:write", "DELETE", "/api/bots/7", GW_REASON_NO_PERMISSION},
        {ADMIN, "admin", "DELETE", "/api/bots/7", GW_REASON_NO_PERMISSION}, /* a scope is no role */
        {ADMIN, "*", "GET", "/api/bots", GW_REASON_NO_PERMISSION},          /* nor a wildcard */
        {STRANGER, "bots:read", "GET", "/api/bots", GW_REASON_NO_PERMISSION},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_live_key k = key_of(rows[i].user);
        if (rows[i].scope != NULL)
            add_scope(&k, rows[i].scope);
        put(&k);
        const struct gw_decision *d = ASK(rows[i].method, rows[i].target, api_key());
        if (rows[i].reason != d->reason)
            fail_msg("row %zu: %s", i, gw_reason_name(d->reason));
    }
}

static void test_an_administrators_scoped_key_is_none_in_mode_stopped(void **state)
{
    (void)state;
    struct gw_live_key k = key_of(ADMIN);
    gw_rig_set_mode(&rig, GW_MODE_GLOBAL, 0, "", GW_MODE_STOPPED);
    put(&k);
    assert_passed(ASK("GET", "/api/bots", api_key()));
    add_scope(&k, "bots:read");
    put(&k);
    assert_refused(ASK("GET", "/api/bots", api_key()), GW_REASON_STOPPED);
    add_scope(&k, "system:write");
    put(&k);
    assert_passed(ASK("GET", "/api/bots", api_key()));
}

static void test_a_users_mode_counts_for_the_users_keys(void **state)
{
    (void)state;
    put_key(TRADER);
    gw_rig_set_mode(&rig, GW_MODE_USER, TRADER, "user2", GW_MODE_READ_ONLY);
    assert_passed(ASK("GET", "/api/bots", api_key()));
    assert_refused(ASK("POST", "/api/bots", api_key()), GW_REASON_READ_ONLY);
}

/* ---- what changes ---- */

static void change_nothing(void) {}
static void revoke(void)
{
    struct gw_live_key k = key_of(TRADER);
    gw_shared_drop_key(rig.writer, &k.hash);
}
static void expire(void)
{
    struct gw_live_key k = key_of(TRADER);
    k.expires_s = GW_RIG_NOW_S;
    put(&k);
}
static void pin(void)
{
    struct gw_live_key k = key_of(TRADER);
    k.network_count = 1;
    assert_int_equal(gw_cidr_parse(GW_STR("2001:db8::/32"), &k.networks[0]), GW_OK);
    put(&k);
}
static void put_another(void)
{
    struct gw_live_key k = key_of(TRADER);
    k.id = gw_rig_uuid(API_KEY_ID + 1);
    put(&k);
}
static void disable_owner(void)
{
    change_user(TRADER, "trader", 0);
}
static void delete_owner(void)
{
    struct gw_uuid id = gw_rig_uuid(TRADER);
    gw_shared_drop_user(rig.writer, &id);
}
static void demote_owner(void)
{
    change_user(TRADER, "viewer", 1);
}

static const struct {
    void (*change)(void);
    enum gw_reason next, during; /* of the next request; of one whose body is on its way */
} changes[] = {
    {change_nothing, GW_REASON_NONE, GW_REASON_NONE},
    {revoke, GW_REASON_KEY_REFUSED, GW_REASON_KEY_REFUSED},
    {expire, GW_REASON_KEY_REFUSED, GW_REASON_KEY_REFUSED},
    {pin, GW_REASON_KEY_REFUSED, GW_REASON_KEY_REFUSED},
    {put_another, GW_REASON_NONE, GW_REASON_KEY_REFUSED},
    {disable_owner, GW_REASON_USER_INACTIVE, GW_REASON_USER_INACTIVE},
    {delete_owner, GW_REASON_USER_INACTIVE, GW_REASON_USER_INACTIVE},
    {demote_owner, GW_REASON_NO_PERMISSION, GW_REASON_NO_PERMISSION},
};

static void test_a_change_bites_on_the_next_request_and_during_the_body(void **state)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        put_key(TRADER);
        assert_passed(ASK("POST", "/api/bots", api_key()));
        changes[i].change();
        bool goes_on = gw_request_hand_over(rig.gate, rig.request, &rig.decision) == GW_HANDOVER_GO;
        assert_int_equal(goes_on, changes[i].during == GW_REASON_NONE);
        if (!goes_on)
            assert_refused(&rig.decision, changes[i].during);
        assert_int_equal(ASK("POST", "/api/bots", api_key())->reason, changes[i].next);
        tear_down(state);
        set_up(state);
    }
}

static void test_a_change_bites_until_a_connection_takes_the_request(void **state)
{
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        put_key(TRADER);
        assert_passed(ASK("POST", "/api/bots", api_key()));
        assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
        changes[i].change();
        bool leaves = gw_request_may_still_leave(rig.gate, rig.request, &rig.decision);
        assert_int_equal(leaves, changes[i].during == GW_REASON_NONE);
        if (!leaves)
            assert_refused(&rig.decision, changes[i].during);
        tear_down(state);
        set_up(state);
    }
}

static void test_a_use_is_noted(void **state)
{
    (void)state;
    struct gw_live_key k = key_of(TRADER);
    put(&k);
    assert_int_equal(gw_shared_key_last_used(rig.writer, &k), 0);
    assert_passed(ASK("GET", "/api/bots", api_key()));
    assert_int_equal(gw_shared_key_last_used(rig.writer, &k), GW_RIG_NOW_S);
    revoke();
    gw_fake_clock_advance(&rig.clock, 5000);
    assert_refused(ASK("GET", "/api/bots", api_key()), GW_REASON_KEY_REFUSED);
    assert_int_equal(gw_shared_key_last_used(rig.writer, &k), GW_RIG_NOW_S);
}

static void test_what_the_segment_cannot_tell_is_503(void **state)
{
    (void)state;
    put_key(TRADER);
    gw_shared_close(rig.writer);
    const struct gw_shared_sizes sizes = {.sessions = 8, .users = 8, .revocations = 8, .api_keys = 8};
    assert_int_equal(gw_shared_open(rig.dir, GW_SHARED_WRITER, &sizes, &rig.writer, NULL), GW_OK);
    gw_gate_poll(rig.gate);
    assert_refused(ASK("GET", "/api/bots", api_key()), GW_REASON_NOT_READY);
}

static void test_control_gets_the_key_itself(void **state)
{
    (void)state;
    put_key(TRADER);
    const struct gw_decision *d = ASK("GET", "/aaiti/v1/users", api_key());
    assert_int_equal(d->action, GW_CONTROL);
    assert_false(gw_rig_dropped(&rig, "x-api-key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_key_signs_in_by_either_header_and_stays_here),
        CASE(test_two_credentials_are_none),
        CASE(test_keys_that_are_none),
        CASE(test_half_a_hash_proves_nothing),
        CASE(test_time_place_and_kind),
        CASE(test_scopes_narrow_and_never_widen),
        CASE(test_an_administrators_scoped_key_is_none_in_mode_stopped),
        CASE(test_a_users_mode_counts_for_the_users_keys),
        CASE(test_a_change_bites_on_the_next_request_and_during_the_body),
        CASE(test_a_change_bites_until_a_connection_takes_the_request),
        CASE(test_a_use_is_noted),
        CASE(test_what_the_segment_cannot_tell_is_503),
        CASE(test_control_gets_the_key_itself),
    };
    return cmocka_run_group_tests_name("pipeline/api_key", tests, NULL, NULL);
}
