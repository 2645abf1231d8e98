/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "control/expiry.h"
#include "control/run_dir.h"
#include "control/test_home.h"
#include "crypto/certificate.h"
#include "shared/shared.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY_S INT64_C(86400)
#define END_S (INT64_C(1764000000) + 90 * DAY_S)

/* What is told when so much is left, one after the other. */
struct step {
    int64_t left_s;
    int told;
};

static void walk(const struct step *steps, size_t count)
{
    struct gw_expiry e = {0};
    for (size_t i = 0; i < count; i++)
        assert_int_equal(gw_expiry_step(&e, END_S, END_S - steps[i].left_s), steps[i].told);
}
#define WALK(...) \
    walk((const struct step[]){__VA_ARGS__}, sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void each_warning_is_given_once(void **state)
{
    (void)state;
    WALK({90 * DAY_S, -1}, {30 * DAY_S + 1, -1}, {30 * DAY_S, 30}, {30 * DAY_S - 60, -1}, {14 * DAY_S, 14},
         {8 * DAY_S, -1}, {7 * DAY_S, 7}, {DAY_S + 1, -1}, {DAY_S, 1}, {1, -1}, {0, 0}, {-DAY_S, -1});
}

static void of_several_the_last_is_given(void **state)
{
    (void)state;
    WALK({10 * DAY_S, 14}, {10 * DAY_S, -1}, {-1, 0}, {-2, -1});
}

static void a_clock_that_goes_back_repeats_nothing(void **state)
{
    (void)state;
    WALK({7 * DAY_S, 7}, {20 * DAY_S, -1}, {7 * DAY_S, -1});
}

static void a_new_certificate_begins_anew(void **state)
{
    (void)state;
    struct gw_expiry e = {0};
    assert_int_equal(gw_expiry_step(&e, END_S, END_S - DAY_S), 1);
    assert_int_equal(gw_expiry_step(&e, END_S + 90 * DAY_S, END_S - DAY_S), -1);
    assert_int_equal(gw_expiry_step(&e, END_S + 90 * DAY_S, END_S + 61 * DAY_S), 30);
}

/* ---- of a whole application ---- */

#define TRUST "tls: {client_certificates: optional, client_ca: tls/ca.pem, client_crl: tls/crl.pem}\n"
#define OWN_DAYS 3650 /* what gw_certificate_make_own is good for, and its list */

static struct gw_test_home home;

/* What calls of our own show is a certificate and a list that are good for ten years: here the authority's. */
static void put_trust(const char *ca, const char *crl)
{
    gw_auto(gw_buf) struct gw_buf own = {0};
    gw_buf_init(&own, 65536);
    assert_int_equal(gw_certificate_make_own(&own, &home.clock.clock, gw_system_random(), NULL), GW_OK);
    gw_test_home_put(&home, ca, own.ptr);
    gw_test_home_put(&home, crl, strstr(own.ptr, "-----BEGIN X509 CRL"));
}

static struct gw_app *open_with(const char *settings)
{
    gw_test_home_settings(&home, settings);
    return gw_test_home_open(&home);
}

static int64_t left_s(struct gw_app *a, enum gw_gauge gauge)
{
    return gw_shared_gauge(gw_app_shared(a), gauge);
}

static int make_home(void **state)
{
    char dir[96];
    (void)state;
    gw_test_home_make(&home);
    (void)snprintf(dir, sizeof(dir), "%s/tls", home.path);
    (void)mkdir(dir, 0700);
    gw_auto(gw_buf) struct gw_buf own = {0};
    gw_buf_init(&own, 65536);
    assert_int_equal(gw_certificate_make_own(&own, &home.clock.clock, gw_system_random(), NULL), GW_OK);
    gw_test_home_put(&home, "tls/cert.pem", own.ptr);
    put_trust("tls/ca.pem", "tls/crl.pem");
    return 0;
}

static int remove_home(void **state)
{
    (void)state;
    gw_test_home_remove(&home);
    return 0;
}

static void what_clients_are_known_by_is_looked_at_too(void **state)
{
    (void)state;
    struct gw_app *app = open_with(TRUST);
    assert_int_equal(gw_expiry_look(app, NULL), GW_OK);
    int64_t began_s = left_s(app, GW_GAUGE_CLIENT_CA_LEFT);
    assert_in_range(began_s, (OWN_DAYS - 2) * DAY_S, OWN_DAYS * DAY_S);
    assert_int_equal(left_s(app, GW_GAUGE_CLIENT_CRL_LEFT), began_s);
    for (int i = 0; i < GW_EXPIRING_COUNT; i++)
        assert_int_equal(gw_app_expiries(app)[i].told, 0);
    gw_fake_clock_advance(&home.clock, (began_s - 7 * DAY_S) * 1000);
    assert_int_equal(gw_expiry_look(app, NULL), GW_OK);
    assert_int_equal(left_s(app, GW_GAUGE_CLIENT_CRL_LEFT), 7 * DAY_S);
    for (int i = 0; i < GW_EXPIRING_COUNT; i++)
        assert_int_equal(gw_app_expiries(app)[i].told, 3);
    put_trust("unused", "tls/crl.pem"); /* a new list: the authority's end is still the one that was told of */
    assert_int_equal(gw_expiry_look(app, NULL), GW_OK);
    assert_int_equal(gw_app_expiries(app)[GW_EXPIRING_CLIENT_CRL].told, 0);
    assert_int_equal(gw_app_expiries(app)[GW_EXPIRING_CLIENT_CA].told, 3);
    gw_app_close(app);
}

static void without_them_nothing_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *settings;
        bool has_ca;
    } rows[] = {{"", false}, {"tls: {client_ca: tls/ca.pem}\n", true}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gw_app *app = open_with(rows[i].settings);
        assert_int_equal(gw_expiry_look(app, NULL), GW_OK);
        assert_true(left_s(app, GW_GAUGE_CERTIFICATE_LEFT) > 0);
        assert_int_equal(left_s(app, GW_GAUGE_CLIENT_CA_LEFT) != GW_GAUGE_NOTHING, rows[i].has_ca);
        assert_int_equal(left_s(app, GW_GAUGE_CLIENT_CRL_LEFT), GW_GAUGE_NOTHING);
        gw_app_close(app);
    }
}

static void what_cannot_be_read_keeps_none_of_the_others_from_it(void **state)
{
    (void)state;
    struct gw_error err = {0};
    struct gw_app *app = open_with(TRUST);
    gw_test_home_put(&home, "tls/ca.pem", "nonsense");
    assert_int_equal(gw_expiry_look(app, &err), GW_EPARSE);
    assert_non_null(strstr(err.msg, "tls/ca.pem"));
    assert_true(left_s(app, GW_GAUGE_CLIENT_CRL_LEFT) > 0);
    gw_test_home_put(&home, "tls/crl.pem", "nonsense");
    assert_int_equal(gw_expiry_look(app, &err), GW_EPARSE);
    assert_non_null(strstr(err.msg, "tls/ca.pem")); /* the first of them is told */
    gw_app_close(app);
}

/* What nginx goes by counts, whatever has become of the file since. */
static void the_copies_of_nginx_are_looked_at(void **state)
{
    char dir[sizeof(home.run_dir) + 8], path[sizeof(dir) + 16];
    (void)state;
    struct gw_app *app = open_with(TRUST);
    (void)snprintf(dir, sizeof(dir), "%s" GW_RUN_NGINX_SUFFIX, gw_app_run_dir(app));
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_CLIENT_CRL, dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(gw_file_replace(path, 0640, GW_STR("nonsense"), NULL), GW_OK);
    assert_int_equal(gw_expiry_look(app, NULL), GW_EPARSE);
    unlink(path);
    rmdir(dir);
    assert_int_equal(gw_expiry_look(app, NULL), GW_OK);
    gw_app_close(app);
}
#define AT_HOME(test) cmocka_unit_test_setup_teardown(test, make_home, remove_home)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_HOME(what_clients_are_known_by_is_looked_at_too),
        AT_HOME(without_them_nothing_is_told),
        AT_HOME(what_cannot_be_read_keeps_none_of_the_others_from_it),
        AT_HOME(the_copies_of_nginx_are_looked_at),
        cmocka_unit_test(each_warning_is_given_once),
        cmocka_unit_test(of_several_the_last_is_given),
        cmocka_unit_test(a_clock_that_goes_back_repeats_nothing),
        cmocka_unit_test(a_new_certificate_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
