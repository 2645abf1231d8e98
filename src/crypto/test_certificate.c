/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NOW_MS 1764000000000

static char dir[64], certificate_path[96], key_path[96];
static struct gw_fake_clock fake_clock;
static struct gw_fake_random fake_random;

static int setup(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/gw-test-certificate-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(certificate_path, sizeof(certificate_path), "%s/cert.pem", dir);
    snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
    gw_fake_clock_init(&fake_clock, NOW_MS);
    gw_fake_random_init(&fake_random, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(certificate_path);
    unlink(key_path);
    return rmdir(dir);
}

static enum gw_code create(void)
{
    return gw_certificate_create(certificate_path, key_path, GW_STR_NULL, &fake_clock.clock, &fake_random.random, NULL);
}

static X509 *read_certificate(void)
{
    FILE *f = fopen(certificate_path, "r");
    assert_non_null(f);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    assert_non_null(x);
    return x;
}

static void a_client_finds_its_host_in_it(void **state)
{
    (void)state;
    assert_int_equal(create(), GW_OK);
    X509 *x = read_certificate();
    assert_int_equal(X509_check_host(x, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(x, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "::1", 0), 1);
    assert_int_equal(X509_check_host(x, "example.com", 0, 0, NULL), 0);
    assert_int_equal(X509_check_ca(x), 0);
    X509_free(x);
}

static void it_is_in_force_now_and_for_a_year(void **state)
{
    (void)state;
    assert_int_equal(create(), GW_OK);
    X509 *x = read_certificate();
    time_t now = NOW_MS / 1000, year = now + 365 * 24 * 3600, two_years = now + 2 * 365 * 24 * 3600;
    assert_true(X509_cmp_time(X509_get0_notBefore(x), &now) < 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(x), &year) > 0);
    assert_true(X509_cmp_time(X509_get0_notAfter(x), &two_years) < 0);
    X509_free(x);
}

static void the_key_is_its_own_and_private(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(create(), GW_OK);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    FILE *f = fopen(key_path, "r");
    assert_non_null(f);
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    X509 *x = read_certificate();
    assert_int_equal(X509_check_private_key(x, key), 1);
    assert_int_equal(X509_verify(x, key), 1);
    EVP_PKEY_free(key);
    X509_free(x);
}

static void a_file_in_the_way_keeps_both_as_they_are(void **state)
{
    (void)state;
    const char *const in_the_way[] = {certificate_path, key_path};
    for (size_t i = 0; i < 2; i++) {
        FILE *f = fopen(in_the_way[i], "w");
        assert_non_null(f);
        fclose(f);
        assert_int_equal(create(), GW_ECONFLICT);
        assert_int_not_equal(access(in_the_way[1 - i], F_OK), 0);
        unlink(in_the_way[i]);
    }
}

static void a_directory_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(gw_certificate_create("/nonexistent/c", "/nonexistent/k", GW_STR_NULL, &fake_clock.clock,
                                           &fake_random.random, NULL),
                     GW_EBACKEND);
    /* The key alone is taken back. */
    assert_int_equal(
        gw_certificate_create("/nonexistent/c", key_path, GW_STR_NULL, &fake_clock.clock, &fake_random.random, NULL),
        GW_EBACKEND);
    assert_int_not_equal(access(key_path, F_OK), 0);
}

static void further_names_stand_beside_the_usual_ones(void **state)
{
    static const char *const bad[] = {"a b", "-a", ".", "x,", "a,email:b", "a/b", "a\nb", "*", "a:443", "dirName:x"};
    (void)state;
    assert_int_equal(gw_certificate_create(certificate_path, key_path,
                                           GW_STR("gw.example.com, *.example.net,192.0.2.7,2001:db8::1"),
                                           &fake_clock.clock, &fake_random.random, NULL),
                     GW_OK);
    X509 *x = read_certificate();
    assert_int_equal(X509_check_host(x, "gw.example.com", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x, "a.example.net", 0, 0, NULL), 1);
    assert_int_equal(X509_check_host(x, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(x, "192.0.2.7", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "2001:db8::1", 0), 1);
    X509_free(x);
    unlink(certificate_path);
    unlink(key_path);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(gw_certificate_create(certificate_path, key_path, gw_str(bad[i]), &fake_clock.clock,
                                               &fake_random.random, NULL),
                         GW_EINVAL);
        assert_int_not_equal(access(key_path, F_OK), 0);
    }
}

/* As nginx has it checked, with lists of what is revoked for every certificate. */
static void what_our_own_calls_show_is_good_where_it_is_known(void **state)
{
    gw_auto(gw_buf) struct gw_buf own = {0};
    (void)state;
    gw_buf_init(&own, 65536);
    assert_int_equal(gw_certificate_make_own(&own, &fake_clock.clock, &fake_random.random, NULL), GW_OK);
    BIO *bio = BIO_new_mem_buf(own.ptr, (int)own.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    X509_CRL *crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
    assert_true(key != NULL && x != NULL && crl != NULL);
    assert_int_equal(X509_check_private_key(x, key), 1);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, x), 1);
    assert_int_equal(X509_STORE_add_crl(store, crl), 1);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, x, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_default(ctx, "ssl_client"), 1);
    X509_STORE_CTX_set_time(ctx, 0, NOW_MS / 1000 + 9 * 365 * INT64_C(86400));
    assert_int_equal(X509_verify_cert(ctx), 1);
    assert_int_equal(X509_check_purpose(x, X509_PURPOSE_SSL_SERVER, 0), 0);
    assert_int_equal(X509_check_ca(x), 0);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    X509_CRL_free(crl);
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_finds_its_host_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(it_is_in_force_now_and_for_a_year, setup, teardown),
        cmocka_unit_test_setup_teardown(the_key_is_its_own_and_private, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_in_the_way_keeps_both_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(further_names_stand_beside_the_usual_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(what_our_own_calls_show_is_good_where_it_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(a_directory_that_is_not_there_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
