/* SPDX-License-Identifier: Apache-2.0 */
#include "nginx_conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct gw_settings settings = {.body_max_bytes = 1048576, .journal_file_bytes = 4 << 20, .journal_files = 64};
static struct gw_upstream upstream = {.port = 5000};

static struct gw_nginx_conf sample(void)
{
    settings.listen = GW_STR("127.0.0.1:8443");
    settings.workers = 2;
    upstream.url = GW_STR("http://127.0.0.1:5000");
    upstream.host = GW_STR("127.0.0.1");
    return (struct gw_nginx_conf){
        .settings = &settings,
        .upstream = &upstream,
        .journal_dir = "/home/x y/journal",
        .mode_dir = "/home/x y/mode",
        .run_dir = "/run/aaiti",
        .nginx_dir = "/run/aaiti.nginx",
        .module = "/usr/lib/nginx/modules/ngx_http_gw_module.so",
        .token_files = {.path = "/home/x y/keys/token.key"},
        .request_id_key = "/h/keys/request-id.key",
        .pairs = {"/run/aaiti.nginx/tls-1.pem"},
    };
}

static void has(const struct gw_nginx_conf *c, const char *wanted, bool there)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    struct gw_error err = {0};
    gw_buf_init(&out, 65536);
    assert_int_equal(gw_nginx_conf_print(c, &out, &err), GW_OK);
    if ((strstr(out.ptr, wanted) != NULL) != there)
        fail_msg("%s `%s` in:\n%s", there ? "no" : "there is", wanted, out.ptr);
}

static void test_each_worker_has_its_journal_files(void **state)
{
    (void)state;
    struct gw_nginx_conf c = sample();
    settings.workers = 40;
    has(&c, "gw_mode \"/home/x y/mode\";", true);
    has(&c, "gw_journal \"/home/x y/journal\" 4194304 164;", true);
}

static void test_says_what_it_is_given(void **state)
{
    static const char *const wanted[] = {
        "worker_processes 2;\n",
        "gw_run_dir \"/run/aaiti\";",
        "gw_journal \"/home/x y/journal\" 4194304 64;",
        "gw_token_key \"/home/x y/keys/token.key\";",
        "gw_request_id_key \"/h/keys/request-id.key\";",
        "client_max_body_size 1048576;",
        "server \"127.0.0.1:5000\" max_fails=0;",
        "proxy_set_header Host \"127.0.0.1:5000\";",
        "server \"unix:/run/aaiti/web.sock\"",
        "listen \"127.0.0.1:8443\" ssl http2;",
        "proxy_temp_path \"/run/aaiti.nginx/proxy\";",
        "proxy_redirect \"~*^(?:http:)?//127.0.0.1:5000(?![0-9])[/\\x5c\\s]*(.*)$\" \"/$1\";",
        "X-Accel-Redirect",
        "        keepalive_timeout 4s;\n        gw_changes_once;\n    }\n", /* after keepalive, which it wraps */
        "error_page 419 = @gw_retry;",
        "location @gw_retry {\n            gw_retry;\n",
    };
    (void)state;
    struct gw_nginx_conf c = sample();
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        has(&c, wanted[i], true);
    has(&c, "error_log stderr notice;\n", true); /* at `info` nginx prints what clients sent */
    has(&c, "access_log off;", true);
    has(&c, "gw_log_requests", false);
    has(&c, "\nuser ", false);
    has(&c, "gw_upstream_key", false);
    has(&c, "gw_token_public_key", false);
    c.token_files.algorithm = GW_TOKEN_EDDSA;
    has(&c, "gw_token_public_key \"/home/x y/keys/token.key\";", true);
    has(&c, "gw_token_key", false);
}

static void test_names_user_key_and_ipv6_where_given(void **state)
{
    (void)state;
    struct gw_nginx_conf c = sample();
    c.user = "aaiti-web";
    c.group = "aaiti-web";
    c.upstream_key = "/k/upstream.key";
    settings.workers = 0;
    settings.log_requests = true;
    upstream.host = GW_STR("::1");
    has(&c, "user \"aaiti-web\" \"aaiti-web\";\n", true);
    has(&c, "gw_upstream_key \"/k/upstream.key\";", true);
    has(&c, "server \"[::1]:5000\"", true);
    has(&c, "worker_processes auto;\n", true);
    has(&c, "    gw_log_requests;\n", true);
    settings.log_requests = false;
}

static void test_with_proxy_protocol_trusted_proxies_are_believed(void **state)
{
    (void)state;
    struct gw_cidr networks[3];
    static const char *const texts[] = {"10.0.0.0/8", "2001:db8::/32", "192.0.2.7"};
    struct gw_nginx_conf c = sample();
    has(&c, "proxy_protocol", false);
    has(&c, "set_real_ip_from", false);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gw_cidr_parse(gw_str(texts[i]), &networks[i]), GW_OK);
    settings.listen_proxy_protocol = true;
    settings.trusted_proxies = (struct gw_option_cidrs){networks, 3};
    has(&c, "listen \"127.0.0.1:8443\" ssl http2 proxy_protocol;", true);
    has(&c,
        "real_ip_header proxy_protocol;\n        set_real_ip_from 10.0.0.0/8;\n"
        "        set_real_ip_from 2001:db8::/32;\n        set_real_ip_from 192.0.2.7/32;\n",
        true);
    settings.listen_proxy_protocol = false;
    settings.trusted_proxies.count = 0;
}

static void test_refuses_what_would_break_out_of_its_quotes(void **state)
{
    static const char *const bad[] = {"/a\"b", "/a$b", "/a\\b", "/a\nb", "/a'b", "/a\x7f", ""};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (int field = 0; field < 4; field++) {
            gw_auto(gw_buf) struct gw_buf out = {0};
            struct gw_error err = {0};
            struct gw_nginx_conf c = sample();
            const char **const fields[] = {&c.run_dir, &c.nginx_dir, &c.module, &c.pairs[0]};
            *fields[field] = bad[i];
            gw_buf_init(&out, 65536);
            assert_int_equal(gw_nginx_conf_print(&c, &out, &err), GW_EINVAL);
        }
    }
    struct gw_nginx_conf c = sample();
    gw_auto(gw_buf) struct gw_buf out = {0};
    struct gw_error err = {0};
    gw_buf_init(&out, 65536);
    settings.listen = GW_STR("127.0.0.1:1\" default_server; #");
    assert_int_equal(gw_nginx_conf_print(&c, &out, &err), GW_EINVAL);
    c = sample();
    upstream.host = GW_STR("a\"; evil");
    assert_int_equal(gw_nginx_conf_print(&c, &out, &err), GW_EINVAL);
    c = sample();
    upstream.url = GW_STR("https://127.0.0.1");
    assert_int_equal(gw_nginx_conf_print(&c, &out, &err), GW_EINVAL);
}

static void test_shows_one_certificate_or_two(void **state)
{
    (void)state;
    struct gw_nginx_conf c = sample();
    has(&c,
        "ssl_certificate \"/run/aaiti.nginx/tls-1.pem\";\n        ssl_certificate_key \"/run/aaiti.nginx/tls-1.pem\";",
        true);
    has(&c, "tls-2.pem", false);
    has(&c, "ssl_stapling", false);
    has(&c, "ssl_protocols TLSv1.2 TLSv1.3;", true);
    has(&c, "ssl_session_tickets off;", true);
    has(&c, "CBC", false);
    c.pairs[1] = "/run/aaiti.nginx/tls-2.pem";
    c.staples = true;
    has(&c,
        "ssl_certificate \"/run/aaiti.nginx/tls-2.pem\";\n        ssl_certificate_key \"/run/aaiti.nginx/tls-2.pem\";",
        true);
    has(&c, "        ssl_stapling on;\n", true);
}

static void test_clients_are_asked_for_certificates_as_the_settings_say(void **state)
{
    (void)state;
    struct gw_nginx_conf c = sample();
    has(&c, "ssl_session_cache shared:tls:4m;", true);
    has(&c, "ssl_verify", false);
    c.client_ca = "/run/aaiti.nginx/client-ca.pem";
    c.own = "/run/aaiti.nginx/own.pem";
    c.trust_id = "0123456789abcdef";
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OPTIONAL;
    settings.tls_client_depth = 2;
    has(&c, "ssl_session_cache shared:tls_0123456789abcdef:4m;", true); /* no session of another set is resumed */
    has(&c, "ssl_verify_client optional;\n        ssl_verify_depth 2;\n", true);
    has(&c, "ssl_client_certificate \"/run/aaiti.nginx/client-ca.pem\";", true);
    has(&c, "own.pem", false);
    has(&c, "ssl_crl", false);
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_REQUIRED;
    c.client_crl = "/run/aaiti.nginx/client-crl.pem";
    has(&c, "ssl_verify_client on;", true);
    has(&c, "ssl_crl \"/run/aaiti.nginx/client-crl.pem\";", true);
    has(&c, "ssl_trusted_certificate \"/run/aaiti.nginx/own.pem\";", true);
    settings.tls_client_certificates = GW_CLIENT_CERTIFICATES_OFF;
}

static void test_without_tls_nobody_is_served(void **state)
{
    (void)state;
    static const struct gw_str names[] = {GW_STR("gw.example.com"), GW_STR("other.example.com:8443")};
    struct gw_nginx_conf c = sample();
    has(&c, "gw_plain", false);
    settings.listen_plain = GW_STR("127.0.0.1:8080");
    settings.tls_names = (struct gw_option_strings){names, 2};
    has(&c, "listen \"127.0.0.1:8080\" default_server;\n        keepalive", true);
    has(&c, "            gw_plain;\n", true);
    has(&c, "server_name \"gw.example.com\";", true);
    has(&c, "gw_plain \"https://gw.example.com\";", true);
    has(&c, "server_name \"other.example.com\";", true);
    has(&c, "gw_plain \"https://other.example.com:8443\";", true);
    has(&c, "acme-challenge", false);
    has(&c, "$host", false); /* what a request names is never sent back */
    c.acme_dir = "/var/acme";
    has(&c,
        "location ~ \"^/\\.well-known/acme-challenge/[A-Za-z0-9_-]+\\z\" {\n            root \"/var/acme\";\n            "
        "log_not_found off;\n            disable_symlinks on",
        true);
    settings.listen_plain = GW_STR_NULL;
    settings.tls_names.count = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_it_is_given),
        cmocka_unit_test(test_each_worker_has_its_journal_files),
        cmocka_unit_test(test_names_user_key_and_ipv6_where_given),
        cmocka_unit_test(test_with_proxy_protocol_trusted_proxies_are_believed),
        cmocka_unit_test(test_shows_one_certificate_or_two),
        cmocka_unit_test(test_clients_are_asked_for_certificates_as_the_settings_say),
        cmocka_unit_test(test_without_tls_nobody_is_served),
        cmocka_unit_test(test_refuses_what_would_break_out_of_its_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
