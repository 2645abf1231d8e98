/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "crypto/certificate.h"
#include "pairs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct gw_settings settings;

static const char *in_dir(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static void make(const char *certificate, const char *key)
{
    struct gw_fake_random random;
    gw_fake_random_init(&random, 1);
    assert_int_equal(
        gw_certificate_create(in_dir(certificate), in_dir(key), GW_STR_NULL, gw_system_clock(), &random.random, NULL),
        GW_OK);
}

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gw-test-pairs-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    settings = (struct gw_settings){.tls_certificate = GW_STR("a.pem"), .tls_key = GW_STR("a.key")};
    make("a.pem", "a.key");
    make("b.pem", "b.key");
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"a.pem",          "a.key",           "b.pem",   "b.key",
                                        "tls-1.pem",      "certificate.pem", "own.pem", "client-ca.pem",
                                        "client-crl.pem", "crl.pem",         "pairs"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in_dir(names[i]));
    return rmdir(dir);
}

static void reads(enum gw_code wanted, const char *says)
{
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0};
    struct gw_error err = {0};
    enum gw_code code = gw_pairs_read(&settings, dir, &p, &err);
    if (code != wanted || strstr(err.msg, says) == NULL)
        fail_msg("%d: %s", code, err.msg);
}

static void what_is_read_can_be_shown(void **state)
{
    struct stat st;
    (void)state;
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0};
    gw_auto(gw_buf) struct gw_buf shown = {0}, told = {0}, key = {0};
    gw_auto(gw_chain) struct gw_chain *c = NULL;
    gw_buf_init(&shown, 65536);
    gw_buf_init(&told, 65536);
    gw_buf_init(&key, 65536);
    assert_int_equal(gw_pairs_read(&settings, dir, &p, NULL), GW_OK);
    assert_int_equal(p.count, 1);
    assert_false(p.names_responder);
    assert_int_equal(gw_pairs_write(&p, &settings, dir, NULL), GW_OK);
    assert_int_equal(stat(in_dir("tls-1.pem"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(gw_file_read(in_dir("tls-1.pem"), &shown, NULL), GW_OK);
    assert_int_equal(gw_file_read(in_dir("certificate.pem"), &told, NULL), GW_OK);
    assert_int_equal(gw_file_read(in_dir("a.key"), &key, NULL), GW_OK);
    assert_int_equal(gw_chain_parse(gw_buf_str(&shown), &c, NULL), GW_OK);
    assert_int_equal(gw_chain_check_key(c, gw_buf_str(&shown), NULL), GW_OK);
    assert_non_null(strstr(shown.ptr, key.ptr));
    assert_null(strstr(told.ptr, "PRIVATE"));
}

static void a_change_is_seen(void **state)
{
    (void)state;
    gw_auto(gw_pairs) struct gw_pairs a = {.count = 0}, again = {.count = 0}, b = {.count = 0};
    assert_int_equal(gw_pairs_read(&settings, dir, &a, NULL), GW_OK);
    assert_int_equal(gw_pairs_read(&settings, dir, &again, NULL), GW_OK);
    settings.tls_certificate = GW_STR("b.pem");
    settings.tls_key = GW_STR("b.key");
    assert_int_equal(gw_pairs_read(&settings, dir, &b, NULL), GW_OK);
    assert_memory_equal(a.digest, again.digest, sizeof(a.digest));
    assert_memory_not_equal(a.digest, b.digest, sizeof(a.digest));
}

static void is_in_use(const struct gw_pairs *p, enum gw_code wanted, bool in_use, const char *says)
{
    struct gw_error err = {0};
    bool found = !in_use;
    enum gw_code code = gw_pairs_in_use(p, &settings, dir, &found, &err);
    if (code != wanted || (code == GW_OK && found != in_use) || strcmp(err.msg, says) != 0)
        fail_msg("%d %d: %s", code, found, err.msg);
}

static void what_is_in_use_is_told(void **state)
{
    (void)state;
    gw_auto(gw_pairs) struct gw_pairs a = {.count = 0}, b = {.count = 0}, known = {.count = 0};
    assert_int_equal(gw_pairs_read(&settings, dir, &a, NULL), GW_OK);
    assert_int_equal(gw_pairs_in_use(&a, &settings, dir, &(bool){false}, NULL), GW_ENOTFOUND);
    assert_int_equal(gw_pairs_write(&a, &settings, dir, NULL), GW_OK);
    is_in_use(&a, GW_OK, true, "");
    /* Other files of the same names. */
    unlink(in_dir("a.pem"));
    unlink(in_dir("a.key"));
    make("a.pem", "a.key");
    assert_int_equal(gw_pairs_read(&settings, dir, &b, NULL), GW_OK);
    is_in_use(&b, GW_OK, false, "");
    /* Other names, and another use of the same files. */
    settings.tls_key = GW_STR("b.key");
    is_in_use(&a, GW_ECONFLICT, false,
              "the settings here say `tls.key: \"b.key\"`, and the running gateway goes by `tls.key: \"a.key\"`");
    settings.tls_key = GW_STR("a.key");
    settings.tls_client_ca = GW_STR("b.pem");
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OPTIONAL;
    assert_int_equal(gw_pairs_read(&settings, dir, &known, NULL), GW_OK);
    assert_int_equal(gw_pairs_write(&known, &settings, dir, NULL), GW_OK);
    is_in_use(&known, GW_OK, true, "");
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_REQUIRED;
    is_in_use(&known, GW_ECONFLICT, false,
              "the settings here say `tls.client_certificates: required`, and the running gateway goes by "
              "`tls.client_certificates: optional`");
}

static void what_cannot_be_shown_is_refused(void **state)
{
    (void)state;
    settings.tls_key = GW_STR("b.key");
    reads(GW_EDENIED, "the private key is not the certificate's");
    settings.tls_key = GW_STR("a.pem");
    reads(GW_EPARSE, "expected a private key");
    settings.tls_key = GW_STR("none.key");
    reads(GW_ENOTFOUND, "none.key");
    settings.tls_key = GW_STR("a.key");
    settings.tls_certificate = GW_STR("a.key");
    reads(GW_EPARSE, "certificates in PEM");
    settings.tls_certificate = GW_STR("none.pem");
    reads(GW_ENOTFOUND, "aaiti init --home");
    settings.tls_certificate = GW_STR("a.pem");
    reads(GW_OK, "");
    settings.tls_second_certificate = GW_STR("b.pem");
    settings.tls_second_key = GW_STR("b.key");
    reads(GW_EINVAL, "keys of the same kind");
    settings.tls_second_key = GW_STR("a.key");
    reads(GW_EDENIED, "b.pem");
}

static void nothing_that_is_wrong_hides_the_rest(void **state)
{
    (void)state;
    gw_auto(gw_faults) struct gw_faults *faults = NULL;
    assert_int_equal(gw_faults_new(&faults, NULL), GW_OK);
    gw_pairs_check(&settings, dir, faults);
    assert_int_equal(gw_faults_count(faults), 0);
    settings.tls_key = GW_STR("b.key");
    settings.tls_second_certificate = GW_STR("b.pem");
    settings.tls_second_key = GW_STR("none.key");
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OPTIONAL;
    settings.tls_client_ca = GW_STR("a.key");
    gw_pairs_check(&settings, dir, faults);
    assert_int_equal(gw_faults_count(faults), 3);
    assert_non_null(strstr(gw_faults_get(faults, 0)->message, "not the certificate's"));
    assert_non_null(strstr(gw_faults_get(faults, 1)->message, "none.key"));
    assert_non_null(strstr(gw_faults_get(faults, 2)->message, "certificates in PEM"));
    settings.tls_key = GW_STR("a.key");
    settings.tls_second_key = GW_STR("b.key");
    gw_pairs_check(&settings, dir, faults);
    assert_non_null(strstr(gw_faults_get(faults, 3)->message, "keys of the same kind"));
}

static void production_refuses_the_development_certificate(void **state)
{
    (void)state;
    settings.environment = GW_ENV_PRODUCTION;
    reads(GW_EINVAL, "development certificate");
}

static void write_revoked(const char *name)
{
    gw_auto(gw_buf) struct gw_buf own = {0};
    gw_buf_init(&own, 65536);
    assert_int_equal(gw_certificate_make_own(&own, gw_system_clock(), gw_system_random(), NULL), GW_OK);
    const char *list = strstr(own.ptr, "-----BEGIN X509 CRL");
    assert_non_null(list);
    assert_int_equal(gw_file_replace(in_dir(name), 0600, gw_str(list), NULL), GW_OK);
}

static void by_whom_clients_are_known_is_read_and_copied_too(void **state)
{
    static const char *const written[] = {"client-ca.pem", "client-crl.pem", "own.pem"};
    struct stat st;
    char before[sizeof(((struct gw_pairs *)NULL)->trust_id)];
    (void)state;
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0}, changed = {.count = 0}, off = {.count = 0};
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OPTIONAL;
    settings.tls_client_ca = GW_STR("b.pem");
    settings.tls_client_crl = GW_STR("crl.pem");
    reads(GW_ENOTFOUND, "crl.pem, of clients' certificates");
    write_revoked("crl.pem");
    assert_int_equal(gw_pairs_read(&settings, dir, &p, NULL), GW_OK);
    assert_false(p.wants_own);
    memcpy(before, p.trust_id, sizeof(before));
    assert_int_equal(strlen(before), GW_PAIRS_TRUST_ID_LEN);
    write_revoked("crl.pem"); /* another list */
    assert_int_equal(gw_pairs_read(&settings, dir, &changed, NULL), GW_OK);
    assert_string_not_equal(changed.trust_id, before);
    assert_memory_not_equal(changed.digest, p.digest, sizeof(p.digest));
    gw_pairs_done(&changed);
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_REQUIRED;
    assert_int_equal(gw_pairs_read(&settings, dir, &changed, NULL), GW_OK);
    assert_true(changed.wants_own);
    assert_string_not_equal(changed.trust_id, before);
    assert_int_equal(gw_pairs_write(&changed, &settings, dir, NULL), GW_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stat(in_dir(written[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0640); /* control looks at them */
    }
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OFF;
    assert_int_equal(gw_pairs_read(&settings, dir, &off, NULL), GW_OK);
    assert_int_equal(off.authorities.len, 0);
    assert_memory_not_equal(off.digest, p.digest, sizeof(p.digest));
}

static void what_our_own_calls_show_stays(void **state)
{
    (void)state;
    gw_auto(gw_pairs) struct gw_pairs p = {.count = 0};
    gw_auto(gw_buf) struct gw_buf first = {0}, second = {0};
    gw_buf_init(&first, 65536);
    gw_buf_init(&second, 65536);
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_REQUIRED;
    settings.tls_client_ca = GW_STR("b.pem");
    assert_int_equal(gw_pairs_read(&settings, dir, &p, NULL), GW_OK);
    assert_int_equal(gw_pairs_write(&p, &settings, dir, NULL), GW_OK);
    assert_int_equal(gw_file_read(in_dir("own.pem"), &first, NULL), GW_OK);
    assert_int_equal(gw_pairs_write(&p, &settings, dir, NULL), GW_OK);
    assert_int_equal(gw_file_read(in_dir("own.pem"), &second, NULL), GW_OK);
    assert_string_equal(first.ptr, second.ptr);
}

static void what_knows_no_client_is_refused(void **state)
{
    static const struct {
        const char *ca, *crl, *says;
        enum gw_code code;
    } cases[] = {
        {"none.pem", "", "none.pem, of clients' certificates", GW_ENOTFOUND},
        {"b.key", "", "b.key: expected from 1 to 15 certificates in PEM", GW_EPARSE},
        {"crl.pem", "", "certificates in PEM", GW_EPARSE},
        {"b.pem", "b.pem", "b.pem: expected lists of revoked certificates in PEM", GW_EPARSE},
        {"b.pem", "cut.pem", "expected lists of revoked", GW_EPARSE},
    };
    gw_auto(gw_buf) struct gw_buf list = {0};
    (void)state;
    write_revoked("crl.pem");
    gw_buf_init(&list, 65536);
    assert_int_equal(gw_file_read(in_dir("crl.pem"), &list, NULL), GW_OK);
    assert_int_equal(gw_file_replace(in_dir("cut.pem"), 0600, gw_str_sub(gw_buf_str(&list), 0, 100), NULL), GW_OK);
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OPTIONAL;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        settings.tls_client_ca = gw_str(cases[i].ca);
        settings.tls_client_crl = gw_str(cases[i].crl);
        reads(cases[i].code, cases[i].says);
    }
    unlink(in_dir("cut.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_read_can_be_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_use_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_shown_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_that_is_wrong_hides_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(by_whom_clients_are_known_is_read_and_copied_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_our_own_calls_show_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(what_knows_no_client_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(production_refuses_the_development_certificate, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
