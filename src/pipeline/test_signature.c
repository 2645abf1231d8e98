/* SPDX-License-Identifier: Apache-2.0 */
/* Requests signed by an API key: what is let through once, and everything else. */
#include "pipeline/signature.h"

#include "crypto/mac.h"
#include "pipeline/test_cast.h"

#include <stdio.h>
#include <string.h>

#define KEY_ID 500
#define PUBLIC "aak_abcdef27"
#define KEY PUBLIC "_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define PLAIN_KEY "aak_plain227_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define NOW GW_RIG_NOW_S
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum { ID, TIMESTAMP, NONCE, CONTENT, SIGNATURE, FIELDS };

/* Header lines of a request; NULL: that one is left off. */
struct signed_lines {
    char text[FIELDS][256];
    const char *lines[FIELDS + 4];
};

static struct gw_live_key signed_key(void)
{
    struct gw_live_key k = {.id = gw_rig_uuid(KEY_ID), .user_id = gw_rig_uuid(TRADER), .is_signed = 1};
    uint8_t hash[GW_MAC_BYTES];
    assert_int_equal(gw_sha256(GW_STR(PUBLIC), hash, NULL), GW_OK);
    memcpy(k.hash.b, hash, sizeof(k.hash.b));
    assert_int_equal(gw_sha256(GW_STR(KEY), k.proof, NULL), GW_OK);
    return k;
}

static struct gw_live_key plain_key(void)
{
    struct gw_live_key k = {.id = gw_rig_uuid(KEY_ID + 1), .user_id = gw_rig_uuid(TRADER)};
    uint8_t hash[GW_MAC_BYTES];
    assert_int_equal(gw_sha256(GW_STR(PLAIN_KEY), hash, NULL), GW_OK);
    memcpy(k.hash.b, hash, 16);
    memcpy(k.proof, hash + 16, 16);
    return k;
}

static void put(const struct gw_live_key *k)
{
    assert_int_equal(gw_shared_put_key(rig.writer, k, NULL), GW_OK);
}

static int with_keys(void **state)
{
    set_up(state);
    struct gw_live_key a = signed_key(), b = plain_key();
    put(&a);
    put(&b);
    return 0;
}

static void hex(const uint8_t bytes[GW_MAC_BYTES], char out[2 * GW_MAC_BYTES + 1])
{
    gw_hex_encode(bytes, GW_MAC_BYTES, out);
    out[2 * GW_MAC_BYTES] = '\0';
}

static void hex_digest(const char *text, char out[2 * GW_MAC_BYTES + 1])
{
    uint8_t digest[GW_MAC_BYTES];
    assert_int_equal(gw_sha256(gw_str(text), digest, NULL), GW_OK);
    hex(digest, out);
}

/* As a client does it, of the values as given. */
static void sign_values(struct signed_lines *l, const char *method, const char *target, const char *stamp,
                        const char *nonce, const char *content)
{
    char text[1024], tag[2 * GW_MAC_BYTES + 1];
    uint8_t key[GW_MAC_BYTES], mac[GW_MAC_BYTES];
    gw_auto(gw_secret) struct gw_secret *secret = NULL;
    gw_auto(gw_mac) struct gw_mac *m = NULL;
    memset(l, 0, sizeof(*l));
    snprintf(text, sizeof(text), "%s\n%s\n%s\n%s\n%s", method, target, stamp, nonce, content);
    assert_int_equal(gw_sha256(GW_STR(KEY), key, NULL), GW_OK);
    assert_int_equal(gw_secret_new((struct gw_str){(const char *)key, sizeof(key)}, &secret, NULL), GW_OK);
    assert_int_equal(gw_mac_new(secret, &m, NULL), GW_OK);
    assert_int_equal(gw_mac_sign(m, gw_str(text), mac), GW_OK);
    hex(mac, tag);
    snprintf(l->text[ID], sizeof(l->text[0]), "x-api-key: " PUBLIC);
    snprintf(l->text[TIMESTAMP], sizeof(l->text[0]), "x-api-timestamp: %s", stamp);
    snprintf(l->text[NONCE], sizeof(l->text[0]), "x-api-nonce: %s", nonce);
    snprintf(l->text[CONTENT], sizeof(l->text[0]), "x-api-content-sha256: %s", content);
    snprintf(l->text[SIGNATURE], sizeof(l->text[0]), "x-api-signature: %s", tag);
    for (size_t i = 0; i < FIELDS; i++)
        l->lines[i] = l->text[i];
}

/* Each with a nonce of its own. */
static void sign(struct signed_lines *l, const char *method, const char *target, int64_t stamp_s, const char *body)
{
    static unsigned next;
    char stamp[24], nonce[24], content[2 * GW_MAC_BYTES + 1];
    snprintf(stamp, sizeof(stamp), "%lld", (long long)stamp_s);
    snprintf(nonce, sizeof(nonce), "nonce-number-%05u", next++);
    hex_digest(body, content);
    sign_values(l, method, target, stamp, nonce, content);
}

static const struct gw_decision *ask(const struct signed_lines *l, const char *method, const char *target)
{
    return gw_rig_ask(&rig, method, target, l->lines);
}

static void assert_fault(const struct gw_decision *d, enum gw_detail detail)
{
    assert_refused(d, GW_REASON_KEY_REFUSED);
    if (d->detail == NULL || strcmp(d->detail, gw_detail_text(detail)) != 0)
        fail_msg("%s, expected %s", d->detail != NULL ? d->detail : "", gw_detail_text(detail));
}

static enum gw_handover show_and_hand_over(const char *body)
{
    size_t len = strlen(body), half = len / 2;
    const struct gw_str pieces[] = {{body, half}, {body + half, len - half}};
    gw_request_show_body(rig.request, pieces, len > 0 ? 2 : 0);
    return gw_request_hand_over(rig.gate, rig.request, &rig.decision);
}

/* ---- what is let through ---- */

static void test_a_signed_request_is_let_through_once(void **state)
{
    (void)state;
    struct signed_lines l;
    sign(&l, "POST", "/api/bots?x=1", NOW, "{\"a\":1}");
    const struct gw_decision *d = ask(&l, "POST", "/api/bots?x=1");
    assert_passed(d);
    assert_true(gw_str_eq(d->user, GW_STR("user2")));
    assert_true(d->credential.len > 0);
    assert_true(gw_request_signs_body(rig.request));
    static const char *const names[FIELDS] = {"x-api-key", "x-api-timestamp", "x-api-nonce", "x-api-content-sha256",
                                              "x-api-signature"};
    for (size_t i = 0; i < FIELDS; i++)
        assert_true(gw_rig_dropped(&rig, names[i]));
    static const uint8_t none[sizeof(rig.request->key.proof)];
    assert_memory_equal(rig.request->key.proof, none, sizeof(none)); /* not kept for as long as the request lasts */
    assert_int_equal(show_and_hand_over("{\"a\":1}"), GW_HANDOVER_GO);
    assert_fault(ask(&l, "POST", "/api/bots?x=1"), GW_DETAIL_KEY_SIGNATURE_REPLAYED);
    gw_fake_clock_advance(&rig.clock, 30000);
    assert_fault(ask(&l, "POST", "/api/bots?x=1"), GW_DETAIL_KEY_SIGNATURE_REPLAYED);
    gw_fake_clock_advance(&rig.clock, 1000);
    assert_fault(ask(&l, "POST", "/api/bots?x=1"), GW_DETAIL_KEY_SIGNATURE_STALE);
}

static void test_without_a_body_the_digest_is_that_of_nothing(void **state)
{
    (void)state;
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    assert_non_null(strstr(l.text[CONTENT], NOTHING));
    assert_passed(ask(&l, "GET", "/api/bots"));
    assert_int_equal(show_and_hand_over(""), GW_HANDOVER_GO);
    sign(&l, "GET", "/api/bots", NOW, "x");
    assert_passed(ask(&l, "GET", "/api/bots"));
    assert_int_equal(show_and_hand_over(""), GW_HANDOVER_REFUSE);
    assert_fault(&rig.decision, GW_DETAIL_KEY_OTHER_BODY);
}

static void test_upper_case_digits_are_as_good(void **state)
{
    (void)state;
    struct signed_lines l;
    char content[2 * GW_MAC_BYTES + 1], stamp[24];
    snprintf(stamp, sizeof(stamp), "%lld", (long long)NOW);
    hex_digest("", content);
    for (char *c = content; *c != '\0'; c++)
        *c = (char)(*c >= 'a' ? *c - 32 : *c);
    sign_values(&l, "GET", "/api/bots", stamp, "0123456789ABCDEF", content);
    assert_passed(ask(&l, "GET", "/api/bots"));
    assert_int_equal(show_and_hand_over(""), GW_HANDOVER_GO);
}

/* ---- the body ---- */

static void test_another_body_is_not_handed_over(void **state)
{
    (void)state;
    static const struct {
        const char *was_signed, *came;
        bool goes_on;
    } rows[] = {
        {"{\"a\":1}", "{\"a\":1}", true}, {"{\"a\":1}", "{\"a\":2}", false}, {"{\"a\":1}", "{\"a\":1} ", false},
        {"{\"a\":1}", "", false},         {"", "{\"a\":1}", false},          {"", "", true},
        {"{\"a\":1}", "{\"a\":1", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signed_lines l;
        sign(&l, "POST", "/api/bots", NOW, rows[i].was_signed);
        assert_passed(ask(&l, "POST", "/api/bots"));
        if ((show_and_hand_over(rows[i].came) == GW_HANDOVER_GO) != rows[i].goes_on)
            fail_msg("row %zu", i);
        if (!rows[i].goes_on)
            assert_fault(&rig.decision, GW_DETAIL_KEY_OTHER_BODY);
    }
}

static void test_a_body_that_nobody_looked_at_is_not_handed_over(void **state)
{
    (void)state;
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    assert_passed(ask(&l, "GET", "/api/bots"));
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_REFUSE);
    assert_fault(&rig.decision, GW_DETAIL_KEY_OTHER_BODY);
    assert_passed(ASK("GET", "/api/bots", "x-api-key: " PLAIN_KEY));
    assert_false(gw_request_signs_body(rig.request));
    assert_int_equal(gw_request_hand_over(rig.gate, rig.request, &rig.decision), GW_HANDOVER_GO);
}

/* ---- what is refused ---- */

static void test_each_header_is_needed_and_stands_once(void **state)
{
    (void)state;
    for (size_t i = TIMESTAMP; i < FIELDS; i++) {
        struct signed_lines l;
        sign(&l, "GET", "/api/bots", NOW, "");
        const char *line_ = l.lines[i];
        l.lines[i] = "accept: */*";
        assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_WANTS_SIGNATURE);
        l.lines[i] = line_;
        l.lines[FIELDS] = line_;
        assert_refused(ask(&l, "GET", "/api/bots"), GW_REASON_BAD_HEADERS);
        assert_refused(ask(&l, "GET", "/api/open"), GW_REASON_BAD_HEADERS);
        l.lines[FIELDS] = NULL;
        assert_passed(ask(&l, "GET", "/api/bots")); /* none of them took its nonce */
    }
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    l.lines[ID] = "accept: */*";
    assert_refused(ask(&l, "GET", "/api/bots"), GW_REASON_ANONYMOUS);
}

static void test_headers_that_are_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *stamp, *nonce, *content;
    } rows[] = {
        {"", "0123456789abcdef", NOTHING},
        {"180000000", "0123456789abcdef", NOTHING},
        {"01800000000", "0123456789abcdef", NOTHING},
        {"0800000000", "0123456789abcdef", NOTHING},
        {"+180000000", "0123456789abcdef", NOTHING},
        {"-180000000", "0123456789abcdef", NOTHING},
        {"1800000000.0", "0123456789abcdef", NOTHING},
        {"1800000000000", "0123456789abcdef", NOTHING},
        {"0x80000000", "0123456789abcdef", NOTHING},
        {"1800000000", "", NOTHING},
        {"1800000000", "0123456789abcde", NOTHING},
        {"1800000000", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", NOTHING},
        {"1800000000", "0123456789abcde=", NOTHING},
        {"1800000000", "01234567 9abcdef", NOTHING},
        {"1800000000", "0123456789abcd\xc3\xa4", NOTHING},
        {"1800000000", "0123456789abcdef", ""},
        {"1800000000", "0123456789abcdef", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85"},
        {"1800000000", "0123456789abcdef", NOTHING "0"},
        {"1800000000", "0123456789abcdef", "g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"1800000000", "0123456789abcdef", "UNSIGNED-PAYLOAD"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signed_lines l;
        sign_values(&l, "GET", "/api/bots", rows[i].stamp, rows[i].nonce, rows[i].content);
        assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_MALFORMED);
    }
    static const char too_long[] = "x-api-signature: " NOTHING "00", labelled[] = "x-api-signature: hmac " NOTHING;
    static const char *const signatures[] = {"x-api-signature:", "x-api-signature: 00", too_long, labelled};
    for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
        struct signed_lines l;
        sign(&l, "GET", "/api/bots", NOW, "");
        l.lines[SIGNATURE] = signatures[i];
        assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_MALFORMED);
    }
}

static void test_what_was_signed_is_what_is_sent(void **state)
{
    (void)state;
    struct signed_lines l, other;
    sign(&l, "GET", "/api/bots?a=1", NOW, "");
    sign(&other, "GET", "/api/bots?a=1", NOW + 1, "x");
    static const char *const targets[] = {"/api/bots",       "/api/bots?a=2",  "/api/bots?a=1&b",
                                          "/api/bots/7?a=1", "/api//bots?a=1", "/api/%62ots?a=1"};
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_int_not_equal(ask(&l, "GET", targets[i])->action, GW_PASS);
    assert_fault(ask(&l, "GET", "/api/bots?a=2"), GW_DETAIL_KEY_SIGNATURE_WRONG);
    assert_fault(ask(&l, "HEAD", "/api/bots?a=1"), GW_DETAIL_KEY_SIGNATURE_WRONG);
    assert_fault(ask(&l, "POST", "/api/bots?a=1"), GW_DETAIL_KEY_SIGNATURE_WRONG);
    for (size_t i = TIMESTAMP; i < FIELDS; i++) {
        const char *own = l.lines[i];
        l.lines[i] = other.text[i];
        assert_fault(ask(&l, "GET", "/api/bots?a=1"), GW_DETAIL_KEY_SIGNATURE_WRONG);
        l.lines[i] = own;
    }
    assert_passed(ask(&l, "GET", "/api/bots?a=1")); /* none of them took its nonce */
}

static void test_one_bit_of_the_signature_matters(void **state)
{
    (void)state;
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    char *tag = l.text[SIGNATURE] + strlen("x-api-signature: ");
    for (size_t i = 0; i < 2 * GW_MAC_BYTES; i++) {
        char digit = tag[i];
        tag[i] = digit == '0' ? '1' : '0';
        assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_WRONG);
        tag[i] = digit;
    }
    assert_passed(ask(&l, "GET", "/api/bots"));
}

static void test_timestamps(void **state)
{
    (void)state;
    static const struct {
        int64_t age_s;
        enum gw_detail detail; /* GW_DETAIL_NONE: it passes */
    } rows[] = {
        {31, GW_DETAIL_KEY_SIGNATURE_STALE}, {30, GW_DETAIL_NONE}, {0, GW_DETAIL_NONE}, {-5, GW_DETAIL_NONE},
        {-6, GW_DETAIL_KEY_SIGNATURE_EARLY},
    };
    gw_fake_clock_advance(&rig.clock, 100000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct signed_lines l;
        sign(&l, "GET", "/api/bots", NOW + 100 - rows[i].age_s, "");
        const struct gw_decision *d = ask(&l, "GET", "/api/bots");
        if (rows[i].detail == GW_DETAIL_NONE)
            assert_passed(d);
        else
            assert_fault(d, rows[i].detail);
    }
}

static void test_a_new_segment_takes_nothing_from_before_it(void **state)
{
    (void)state;
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW - 95, "");
    gw_fake_clock_advance(&rig.clock, -95000); /* the rig's segment is from 100 s before NOW */
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_FORGOTTEN);
    sign(&l, "GET", "/api/bots", NOW - 94, "");
    assert_passed(ask(&l, "GET", "/api/bots"));
}

static void test_a_nonce_without_room_is_refused(void **state)
{
    (void)state;
    unsigned taken = 0;
    for (int i = 0; i < 16384; i++) { /* into 1024 words */
        char text[24];
        enum gw_nonce_fault fault;
        snprintf(text, sizeof(text), "somebody-else-%05d", i);
        const struct gw_nonce n = {.key_id = gw_rig_uuid(1), .text = gw_str(text), .stamp_s = NOW};
        assert_int_equal(gw_shared_take_nonce(rig.gate->shared, &n, NOW, &fault), GW_OK);
        taken += fault == GW_NONCE_OK ? 1 : 0;
    }
    assert_int_equal(taken, 1024);
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_CROWDED);
    gw_fake_clock_advance(&rig.clock, 31000);
    sign(&l, "GET", "/api/bots", NOW + 31, "");
    assert_passed(ask(&l, "GET", "/api/bots"));
}

static void test_a_stranger_takes_no_room(void **state)
{
    (void)state;
    struct signed_lines l;
    for (int i = 0; i < 3000; i++) {
        sign(&l, "GET", "/api/bots", NOW, "");
        assert_fault(ask(&l, "HEAD", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_WRONG);
    }
    for (int i = 0; i < 100; i++) {
        sign(&l, "GET", "/api/bots", NOW, "");
        assert_passed(ask(&l, "GET", "/api/bots"));
    }
}

/* ---- kinds of keys ---- */

static void test_a_secret_of_a_signed_key_is_none_and_the_reverse(void **state)
{
    (void)state;
    assert_fault(ASK("GET", "/api/bots", "x-api-key: " KEY), GW_DETAIL_KEY_SECRET_SENT);
    assert_fault(ASK("GET", "/api/bots", "authorization: Bearer " KEY), GW_DETAIL_KEY_SECRET_SENT);
    assert_fault(ASK("GET", "/api/bots", "authorization: Bearer " PUBLIC), GW_DETAIL_KEY_WANTS_SIGNATURE);
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    l.lines[ID] = "x-api-key: " KEY;
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SECRET_SENT);
    l.lines[ID] = "x-api-key: aak_plain227";
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_UNKNOWN);
    l.lines[ID] = "x-api-key: " PLAIN_KEY;
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_UNASKED);
    assert_passed(ASK("GET", "/api/bots", "x-api-key: " PLAIN_KEY));
    l.lines[ID] = "authorization: Bearer " PUBLIC; /* either header, as with any key */
    assert_passed(ask(&l, "GET", "/api/bots"));
}

static void test_another_keys_signature_is_none(void **state)
{
    (void)state;
    struct gw_live_key k = signed_key();
    k.proof[0] ^= 1;
    put(&k);
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_SIGNATURE_WRONG);
}

static void test_time_and_place_of_the_key_count_too(void **state)
{
    (void)state;
    struct gw_live_key k = signed_key();
    struct signed_lines l;
    sign(&l, "GET", "/api/bots", NOW, "");
    k.expires_s = NOW;
    put(&k);
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_EXPIRED);
    k.expires_s = 0;
    k.network_count = 1;
    assert_int_equal(gw_cidr_parse(GW_STR("192.0.2.4/30"), &k.networks[0]), GW_OK);
    put(&k);
    assert_fault(ask(&l, "GET", "/api/bots"), GW_DETAIL_KEY_ADDRESS);
    k = signed_key();
    put(&k);
    assert_passed(ask(&l, "GET", "/api/bots"));
    gw_shared_drop_key(rig.writer, &k.hash);
    assert_int_equal(show_and_hand_over(""), GW_HANDOVER_REFUSE);
    assert_fault(&rig.decision, GW_DETAIL_KEY_UNKNOWN);
}

/* It sees the id alone, which proves nothing. */
static void test_control_gets_no_signature(void **state)
{
    (void)state;
    struct signed_lines l;
    struct gw_live_key key;
    enum gw_key_fault fault = GW_KEY_OK;
    sign(&l, "GET", "/aaiti/v1/users", NOW, "");
    assert_int_equal(ask(&l, "GET", "/aaiti/v1/users")->action, GW_CONTROL);
    assert_false(gw_rig_dropped(&rig, "x-api-key"));
    assert_true(gw_rig_dropped(&rig, "x-api-signature"));
    assert_int_equal(gw_key_judge(rig.writer, GW_STR(PUBLIC), &rig.peer, NOW, &key, &fault), GW_OK);
    assert_int_equal(fault, GW_KEY_WANTS_SIGNATURE);
}

static void test_where_anybody_may_come_a_bad_signature_is_as_good_as_none(void **state)
{
    (void)state;
    struct signed_lines l;
    sign(&l, "POST", "/api/open", NOW, "x");
    assert_passed(ask(&l, "POST", "/api/open"));
    assert_true(rig.decision.credential.len > 0);
    assert_int_equal(show_and_hand_over("y"), GW_HANDOVER_REFUSE); /* it said who it is: the body is to be that one's */
    assert_passed(ask(&l, "POST", "/api/open"));                   /* replayed: nobody's */
    assert_int_equal(rig.decision.credential.len, 0);
    assert_false(gw_request_signs_body(rig.request));
}

#define SIGNED_CASE(test) cmocka_unit_test_setup_teardown(test, with_keys, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIGNED_CASE(test_a_signed_request_is_let_through_once),
        SIGNED_CASE(test_without_a_body_the_digest_is_that_of_nothing),
        SIGNED_CASE(test_upper_case_digits_are_as_good),
        SIGNED_CASE(test_another_body_is_not_handed_over),
        SIGNED_CASE(test_a_body_that_nobody_looked_at_is_not_handed_over),
        SIGNED_CASE(test_each_header_is_needed_and_stands_once),
        SIGNED_CASE(test_headers_that_are_malformed),
        SIGNED_CASE(test_what_was_signed_is_what_is_sent),
        SIGNED_CASE(test_one_bit_of_the_signature_matters),
        SIGNED_CASE(test_timestamps),
        SIGNED_CASE(test_a_new_segment_takes_nothing_from_before_it),
        SIGNED_CASE(test_a_nonce_without_room_is_refused),
        SIGNED_CASE(test_a_stranger_takes_no_room),
        SIGNED_CASE(test_a_secret_of_a_signed_key_is_none_and_the_reverse),
        SIGNED_CASE(test_another_keys_signature_is_none),
        SIGNED_CASE(test_time_and_place_of_the_key_count_too),
        SIGNED_CASE(test_control_gets_no_signature),
        SIGNED_CASE(test_where_anybody_may_come_a_bad_signature_is_as_good_as_none),
    };
    return cmocka_run_group_tests_name("pipeline/signature", tests, NULL, NULL);
}
