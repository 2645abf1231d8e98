/* SPDX-License-Identifier: Apache-2.0 */
/* tests/e2e/test_explain.py opens an id by an AES-GCM that is not ours. */
#include "pipeline/request_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOUR_MS UINT64_C(3600000)
#define NOON_MS (UINT64_C(500000) * HOUR_MS) /* the first millisecond of an hour */
#define STRING(s) ((struct gw_str){(s), GW_SEALED_ID_LEN})

static struct gw_fake_random fake;
static struct gw_secret *key, *other_key;
static struct gw_id_sealer *sealer;

static int set_up(void **state)
{
    (void)state;
    gw_fake_random_init(&fake, 7);
    if (gw_secret_new(GW_STR("kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh"), &key, NULL) != GW_OK ||
        gw_secret_new(GW_STR("kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGi"), &other_key, NULL) != GW_OK)
        return -1;
    return gw_id_sealer_new(key, &fake.random, &sealer, NULL) == GW_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    gw_id_sealer_free(sealer);
    gw_secret_free(key);
    gw_secret_free(other_key);
    return 0;
}

static struct gw_refusal refusal_at(uint64_t ms)
{
    struct gw_refusal r = {.request = {{0, 0, 0, 0, 0, 0, 0x71, 0x23, 0x81, 9, 8, 7, 6, 5, 4, 3}},
                           .generation = 12,
                           .bundle = gw_name_mark(GW_STR("a hash")),
                           .reason = gw_name_mark(GW_STR("NO_PERMISSION")),
                           .stage = gw_name_mark(GW_STR("access")),
                           .route = gw_name_mark(GW_STR("POST /api/bots")),
                           .right = gw_name_mark(GW_STR("bots:write"))};
    for (size_t i = 0; i < 6; i++)
        r.request.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    return r;
}

static void assert_same(const struct gw_refusal *a, const struct gw_refusal *b)
{
    assert_true(gw_uuid_eq(&a->request, &b->request));
    assert_true(a->generation == b->generation && a->bundle == b->bundle && a->reason == b->reason &&
                a->stage == b->stage);
    assert_true(a->detail == b->detail && a->route == b->route && a->right == b->right);
}

static void assert_opens(const char *text, const struct gw_refusal *want)
{
    struct gw_refusal found;
    struct gw_error err = {.msg = ""};
    if (gw_id_open(key, STRING(text), &found, &err) != GW_OK)
        fail_msg("%s", err.msg);
    assert_same(&found, want);
}

static void an_id_says_what_was_sealed(void **state)
{
    const struct gw_refusal plain = refusal_at(NOON_MS);
    struct gw_refusal empty = {.generation = 0}, full;
    (void)state;
    memset(&full, 0xff, sizeof(full));
    full.generation = (1u << GW_REFUSAL_GENERATION_BITS) - 1;
    const struct gw_refusal *const rows[] = {&plain, &empty, &full};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[GW_SEALED_ID_LEN];
        assert_int_equal(gw_id_seal(sealer, rows[i], text), GW_OK);
        assert_opens(text, rows[i]);
    }
}

/* Back again, too: a clock may step. */
static void ids_of_every_hour_open(void **state)
{
    const uint64_t times[] = {NOON_MS, NOON_MS + HOUR_MS - 1, NOON_MS + HOUR_MS, NOON_MS - 1, 0, NOON_MS};
    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        char text[GW_SEALED_ID_LEN];
        const struct gw_refusal r = refusal_at(times[i]);
        assert_int_equal(gw_id_seal(sealer, &r, text), GW_OK);
        assert_opens(text, &r);
    }
}

/* Nothing beyond the request's own id is alike in two ids, were they of one refusal. */
static void the_same_refusal_twice_gives_ids_that_show_nothing(void **state)
{
    enum { CLEAR = 21 }; /* whole letters of the UUID's 16 bytes */
    char texts[64][GW_SEALED_ID_LEN];
    const struct gw_refusal r = refusal_at(NOON_MS);
    (void)state;
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(gw_id_seal(sealer, &r, texts[i]), GW_OK);
        for (size_t k = 0; k < i; k++) {
            size_t same = 0;
            for (size_t at = CLEAR; at < GW_SEALED_ID_LEN; at++)
                same += texts[i][at] == texts[k][at];
            assert_memory_equal(texts[i], texts[k], CLEAR);
            assert_in_range(same, 0, 12); /* of 75, where chance makes 1 or 2 */
        }
    }
}

static void every_changed_bit_is_found(void **state)
{
    char text[GW_SEALED_ID_LEN];
    uint8_t bytes[72];
    size_t n;
    struct gw_refusal r = refusal_at(NOON_MS), untouched;
    (void)state;
    memset(&untouched, 0x5a, sizeof(untouched));
    assert_int_equal(gw_id_seal(sealer, &r, text), GW_OK);
    assert_int_equal(gw_base64url_decode(STRING(text), bytes, sizeof(bytes), &n), GW_OK);
    for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
        struct gw_refusal out = untouched;
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        gw_base64url_encode(bytes, sizeof(bytes), text);
        assert_int_equal(gw_id_open(key, STRING(text), &out, NULL), GW_EDENIED);
        assert_memory_equal(&out, &untouched, sizeof(out));
        bytes[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
    gw_base64url_encode(bytes, sizeof(bytes), text);
    assert_opens(text, &r);
}

static void what_is_no_id_of_this_gateway_is_refused(void **state)
{
    char good[GW_SEALED_ID_LEN + 2], padded[GW_SEALED_ID_LEN];
    const struct gw_refusal r = refusal_at(NOON_MS);
    struct gw_refusal out;
    (void)state;
    assert_int_equal(gw_id_seal(sealer, &r, good), GW_OK);
    memcpy(padded, good, sizeof(padded));
    padded[40] = '=';
    const struct {
        struct gw_str text;
        enum gw_code code;
    } rows[] = {
        {GW_STR_NULL, GW_EPARSE},
        {GW_STR("01900000-0000-7000-8000-000000000001"), GW_EPARSE},
        {{good, GW_SEALED_ID_LEN - 1}, GW_EPARSE},
        {{good, GW_SEALED_ID_LEN + 1}, GW_EPARSE},
        {{good + 1, GW_SEALED_ID_LEN - 1}, GW_EPARSE},
        {{padded, GW_SEALED_ID_LEN}, GW_EPARSE},
        {GW_STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
         GW_EDENIED},
    };
    good[GW_SEALED_ID_LEN] = 'A';
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(gw_id_open(key, rows[i].text, &out, NULL), rows[i].code);
    assert_int_equal(gw_id_open(other_key, STRING(good), &out, NULL), GW_EDENIED);
    assert_int_equal(gw_id_open(key, STRING(good), &out, NULL), GW_OK);
}

static void marks_tell_names_apart(void **state)
{
    static const char *const names[] = {"NO_ROUTE", "NO_ROUTF",      "no_route",          "O",
                                        "",         "GET /api/bots", "GET /api/bots/{id}"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(gw_name_mark(gw_str(names[i])) == 0, names[i][0] == '\0');
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(gw_name_mark(gw_str(names[i])), gw_name_mark(gw_str(names[k])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_id_says_what_was_sealed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ids_of_every_hour_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_refusal_twice_gives_ids_that_show_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_changed_bit_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_id_of_this_gateway_is_refused, set_up, tear_down),
        cmocka_unit_test(marks_tell_names_apart),
    };
    return cmocka_run_group_tests_name("pipeline/request_id", tests, NULL, NULL);
}
