/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text is a list of parts, each either fixed or with one value in quotes. nginx has no escape that holds in all its
 * directives ($ starts a variable in some, a backslash means different things), so a value with such a character is refused
 * rather than escaped.
 */
#include "nginx_conf.h"
#include "control/run_dir.h"
#include <unistd.h>

/* nginx's own statuses (errors of the request line, of TLS, of the upstream …) as problem+json. Of a client's certificate: nginx would make both 400. */
#define PROBLEM_PAGES                                                                              \
    "    error_page 400 401 402 403 404 405 406 408 409 410 411 412 413 414 415 416 421 429 497\n" \
    "               500 501 502 503 504 505 507 /aaiti/problem;\n"                                 \
    "    error_page 494 =431 /aaiti/problem;\n"                                                    \
    "    error_page 495 =495 /aaiti/problem;\n"                                                    \
    "    error_page 496 =496 /aaiti/problem;\n"
#define ERROR_PAGES PROBLEM_PAGES "    error_page 419 = @gw_retry;\n"

/* AEAD with forward secrecy only, the cheapest first; TLS 1.3 has its own list. */
#define CIPHERS                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:" \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* nginx takes its workers' environment away; what test builds are told by it is to stay. */
#ifdef GW_TEST_HOOKS
#define KEEP_TEST_VARIABLES "env AAITI_TEST_CLOCK_OFFSET_S;\nenv AAITI_TEST_DISK_HANGS;\n"
#else
#define KEEP_TEST_VARIABLES ""
#endif

static const char head_text[] =
    /* Never `info`: there nginx prints the header lines of clients as they came, Authorization among them. */
    KEEP_TEST_VARIABLES "error_log stderr notice;\n"
                        "pcre_jit on;\n"
                        /* Old workers hold connections of theirs no longer than a stop may take. */
                        "worker_shutdown_timeout 8s;\n"
                        "thread_pool gw threads=2 max_queue=16;\n";

static const char http_text[] =
    "    access_log off;\n"
    "    server_tokens off;\n"
    "    merge_slashes off;\n"
    "    absolute_redirect off;\n"
    "    default_type application/octet-stream;\n"
    "    client_header_buffer_size 4k;\n"
    "    large_client_header_buffers 4 16k;\n"
    "    client_body_buffer_size 64k;\n"
    "    client_header_timeout 15s;\n"
    "    client_body_timeout 15s;\n"
    "    send_timeout 30s;\n"
    "    keepalive_timeout 65s;\n"
    /* Of HTTP/2 streams, too: what a client piles up on one connection ends with it. */
    "    keepalive_requests 10000;\n"
    "    keepalive_time 1h;\n"
    "    http2_max_concurrent_streams 100;\n"
    "    lingering_time 10s;\n"
    "    lingering_timeout 2s;\n"
    "    reset_timedout_connection on;\n"
    "    request_pool_size 8k;\n"
    "    tcp_nodelay on;\n" ERROR_PAGES "    proxy_http_version 1.1;\n"
    "    proxy_connect_timeout 5s;\n"
    "    proxy_send_timeout 30s;\n"
    "    proxy_read_timeout 60s;\n"
    /* An answer larger than the buffers is passed on as the client takes it: the run directory is memory. */
    "    proxy_max_temp_file_size 0;\n"
    /* A backend must not steer nginx: an internal redirect of its choice would be a request that nobody judged. */
    "    proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset X-Accel-Expires;\n"
    /* Only an error before an answer; of changes see gw_changes_once. */
    "    proxy_next_upstream error;\n"
    "    ssl_protocols TLSv1.2 TLSv1.3;\n"
    "    ssl_ciphers " CIPHERS ";\n"
    "    ssl_conf_command Ciphersuites " SUITES_1_3 ";\n"
    /* The order is ours, but who names ChaCha20 first has no AES in hardware. */
    "    ssl_prefer_server_ciphers on;\n"
    "    ssl_conf_command Options PrioritizeChaCha;\n"
    "    ssl_ecdh_curve X25519:prime256v1:secp384r1;\n"
    /* Sessions are in memory that the workers share, and no key lies about that opens all of them (docs/tls.md). */
    "    ssl_session_tickets off;\n";

static const char location_text[] = "        location / {\n"
                                    "            gw on;\n"
                                    "            proxy_pass http://gw_backend;\n"
                                    "            proxy_set_header Connection \"\";\n";

/* The module gives 419 where the other upstream key is to be tried. */
static const char retry_text[] = "        location @gw_retry {\n"
                                 "            gw_retry;\n"
                                 "            proxy_pass http://gw_backend;\n"
                                 "            proxy_set_header Connection \"\";\n";

/* The gate ends what is idle, or has lasted too long (websocket.idle, websocket.max_age). An open one keeps two buffers for as long as it is. */
#define SOCKET_PASS                                      \
    "            proxy_pass http://gw_backend;\n"        \
    "            proxy_set_header Upgrade websocket;\n"  \
    "            proxy_set_header Connection upgrade;\n" \
    "            proxy_read_timeout 8760h;\n"            \
    "            proxy_buffer_size 2k;\n"
static const char socket_text[] =
    "        location @gw_socket {\n" PROBLEM_PAGES "            error_page 419 = @gw_socket_retry;\n" SOCKET_PASS;
static const char socket_retry_text[] = "        location @gw_socket_retry {\n"
                                        "            gw_retry;\n" SOCKET_PASS;

static const char control_text[] = "        location = /aaiti/problem {\n"
                                   "            gw on;\n"
                                   "            gw_problem;\n"
                                   "        }\n"
                                   "        location @gw_control {\n"
                                   "            gw_read_body;\n"
                                   "            proxy_pass http://gw_control;\n"
                                   "            proxy_redirect off;\n"
                                   "            client_max_body_size 64k;\n"
                                   "            proxy_read_timeout 30s;\n"
                                   "            proxy_set_header Host aaiti;\n"
                                   "            proxy_set_header Connection close;\n"
                                   "            proxy_set_header X-AAITI-Client-Address $gw_client_address;\n"
                                   "            proxy_set_header X-AAITI-Request-Id $gw_request_id;\n"
                                   "        }\n"
                                   "    }\n";

#define OTHER_FILES 8192

static bool can_hold(struct gw_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < ' ' || c == 0x7f || c == '"' || c == '\\' || c == '$' || c == '\'')
            return false;
    }
    return value.len > 0;
}

/* A directive whose format holds one %s between double quotes. */
static enum gw_code add_value(struct gw_buf *out, const char *before, struct gw_str value, const char *after,
                              struct gw_error *err)
{
    if (!can_hold(value))
        return gw_fail(err, GW_EINVAL,
                       "nginx.conf cannot hold the value `%.*s`: it is empty or has a quote, $, \\ or a "
                       "control character in it",
                       GW_STR_ARG(value));
    gw_buf_add(out, gw_str(before));
    gw_buf_add(out, value);
    gw_buf_add(out, gw_str(after));
    return GW_OK;
}

static enum gw_code add_main(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    gw_buf_add(out, GW_STR("# Written by `aaiti serve`; changes are lost.\ndaemon off;\n"));
    GW_TRY(add_value(out, "load_module \"", gw_str(c->module), "\";\n", err));
    GW_TRY(add_value(out, "pid \"", gw_str(c->nginx_dir), "/" GW_RUN_NGINX_PID "\";\n", err));
    if (c->user != NULL) {
        GW_TRY(add_value(out, "user \"", gw_str(c->user), "\"", err));
        GW_TRY(add_value(out, " \"", gw_str(c->group), "\";\n", err));
    }
    if (c->settings->workers > 0)
        gw_buf_addf(out, "worker_processes %jd;\n", (intmax_t)c->settings->workers);
    else
        gw_buf_add(out, GW_STR("worker_processes auto;\n"));
    gw_buf_add(out, gw_str(head_text));
    /* A descriptor each, and as many again for files and what is being closed. */
    gw_buf_addf(out, "worker_rlimit_nofile %jd;\nevents { worker_connections %jd; }\n",
                (intmax_t)(c->settings->connections_per_worker * 2 + OTHER_FILES),
                (intmax_t)c->settings->connections_per_worker);
    return GW_OK;
}

/* Each worker holds two files of a series, those of a reload that ends as many, and some may wait for control. */
static int64_t journal_files(const struct gw_settings *s)
{
    int64_t workers = s->workers > 0 ? s->workers : sysconf(_SC_NPROCESSORS_ONLN);
    int64_t least = 4 * workers + 4;
    return s->journal_files > least ? s->journal_files : least;
}

static enum gw_code add_http(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    static const char *const temporary[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
    gw_buf_add(out, GW_STR("http {\n"));
    for (size_t i = 0; i < sizeof(temporary) / sizeof(temporary[0]); i++) {
        gw_buf_addf(out, "    %s_temp_path", temporary[i]);
        GW_TRY(add_value(out, " \"", gw_str(c->nginx_dir), "/", err));
        gw_buf_addf(out, "%s\";\n", temporary[i]);
    }
    GW_TRY(add_value(out, "    gw_run_dir \"", gw_str(c->run_dir), "\";\n", err));
    const char *directive =
        c->token_files.algorithm == GW_TOKEN_EDDSA ? "    gw_token_public_key \"" : "    gw_token_key \"";
    GW_TRY(add_value(out, directive, gw_str(c->token_files.path), "\";\n", err));
    GW_TRY(add_value(out, "    gw_journal \"", gw_str(c->journal_dir), "\"", err));
    gw_buf_addf(out, " %jd %jd;\n", (intmax_t)c->settings->journal_file_bytes, (intmax_t)journal_files(c->settings));
    GW_TRY(add_value(out, "    gw_mode \"", gw_str(c->mode_dir), "\";\n", err));
    if (c->upstream_key != NULL)
        GW_TRY(add_value(out, "    gw_upstream_key \"", gw_str(c->upstream_key), "\";\n", err));
    GW_TRY(add_value(out, "    gw_request_id_key \"", gw_str(c->request_id_key), "\";\n", err));
    gw_buf_addf(out, "    gw_body_time %jdms;\n", (intmax_t)c->settings->body_time_ms);
    if (c->settings->log_requests)
        gw_buf_add(out, GW_STR("    gw_log_requests;\n"));
    gw_buf_addf(out, "    client_max_body_size %jd;\n", (intmax_t)c->settings->body_max_bytes);
    gw_buf_add(out, gw_str(http_text));
    return GW_OK;
}

/* host:port of the backend; an IPv6 address in brackets. */
static enum gw_code add_backend(const struct gw_upstream *u, const char *before, const char *after, struct gw_buf *out,
                                struct gw_error *err)
{
    bool v6 = gw_str_find(u->host, ':') < u->host.len && u->host.ptr[0] != '[';
    gw_buf_add(out, gw_str(before));
    GW_TRY(add_value(out, v6 ? "[" : "", u->host, v6 ? "]" : "", err));
    gw_buf_addf(out, ":%u%s", u->port, after);
    return GW_OK;
}

/* A redirect of the backend to its own address stays here, and does not tell where the backend is. Browsers read a backslash as a slash and
 * drop tabs, and would take what follows two for another host. */
static enum gw_code add_redirect(const struct gw_upstream *u, struct gw_buf *out, struct gw_error *err)
{
    bool v6 = gw_str_find(u->host, ':') < u->host.len;
    /* A host has no other letter that means something in a pattern than its dots, which may match anything. */
    gw_buf_add(out, GW_STR("            proxy_redirect \"~*^(?:http:)?//"));
    GW_TRY(add_value(out, v6 ? "[[]" : "", u->host, v6 ? "[]]" : "", err));
    gw_buf_addf(out, ":%u(?![0-9])[/\\x5c\\s]*(.*)$\" \"/$1\";\n", u->port);
    return GW_OK;
}

/* Who is believed for others; CIDRS hold IPv4 as ::ffff:a.b.c.d. */
static void add_proxies(const struct gw_option_cidrs *proxies, struct gw_buf *out)
{
    char text[GW_IP_LEN + 1];
    gw_buf_add(out, GW_STR("        real_ip_header proxy_protocol;\n"));
    for (size_t i = 0; i < proxies->count; i++) {
        const struct gw_cidr *c = &proxies->item[i];
        gw_ip_format(&c->net, text);
        gw_buf_addf(out, "        set_real_ip_from %s/%u;\n", text,
                    gw_ip_is_v4(&c->net) && c->bits >= 96 ? c->bits - 96u : c->bits);
    }
}

/* A session that is resumed carries what was found of its client's certificate when it began, and nginx keeps sessions over reloads: those of
 * another set of authorities and revocations are others. What nginx verifies of calls of our own has names that no client is told of. */
static enum gw_code add_client_certificates(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    bool are_required = c->settings->tls_client_certificates == GW_CLIENT_CERTIFICATES_REQUIRED;
    if (c->client_ca == NULL) {
        gw_buf_add(out, GW_STR("        ssl_session_cache shared:tls:4m;\n"));
        return GW_OK;
    }
    gw_buf_addf(out, "        ssl_session_cache shared:tls_%s:4m;\n        ssl_verify_client %s;\n", c->trust_id,
                are_required ? "on" : "optional");
    gw_buf_addf(out, "        ssl_verify_depth %jd;\n", (intmax_t)c->settings->tls_client_depth);
    GW_TRY(add_value(out, "        ssl_client_certificate \"", gw_str(c->client_ca), "\";\n", err));
    if (c->client_crl != NULL)
        GW_TRY(add_value(out, "        ssl_crl \"", gw_str(c->client_crl), "\";\n", err));
    return are_required ? add_value(out, "        ssl_trusted_certificate \"", gw_str(c->own), "\";\n", err) : GW_OK;
}

static enum gw_code add_tls(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    for (size_t i = 0; i < 2 && c->pairs[i] != NULL; i++) {
        GW_TRY(add_value(out, "        ssl_certificate \"", gw_str(c->pairs[i]), "\";\n", err));
        GW_TRY(add_value(out, "        ssl_certificate_key \"", gw_str(c->pairs[i]), "\";\n", err));
    }
    if (c->staples)
        gw_buf_add(out, GW_STR("        ssl_stapling on;\n"));
    return add_client_certificates(c, out, err);
}

static enum gw_code add_servers(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    GW_TRY(add_backend(c->upstream, "    upstream gw_backend {\n        server \"", "\" max_fails=0;\n", out, err));
    /* Node closes an idle connection after 5 s: be sooner, or a request meets the close. */
    gw_buf_add(out, GW_STR("        keepalive 64;\n        keepalive_timeout 4s;\n        gw_changes_once;\n    }\n"));
    GW_TRY(add_value(out, "    upstream gw_control { server \"unix:", gw_str(c->run_dir),
                     "/web.sock\" max_fails=0; }\n", err));

    bool proxied = c->settings->listen_proxy_protocol;
    GW_TRY(add_value(out, "    server {\n        listen \"", c->settings->listen,
                     proxied ? "\" ssl http2 proxy_protocol;\n" : "\" ssl http2;\n", err));
    if (proxied)
        add_proxies(&c->settings->trusted_proxies, out);
    GW_TRY(add_tls(c, out, err));
    const char *const passing[] = {location_text, retry_text, socket_text, socket_retry_text};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        gw_buf_add(out, gw_str(passing[i]));
        GW_TRY(add_backend(c->upstream, "            proxy_set_header Host \"", "\";\n", out, err));
        GW_TRY(add_redirect(c->upstream, out, err));
        gw_buf_add(out, GW_STR("        }\n"));
    }
    gw_buf_add(out, gw_str(control_text));
    return GW_OK;
}

/* ---- without TLS ---- */

static const char plain_text[] = "        keepalive_timeout 0;\n"
                                 "        location = /aaiti/problem {\n"
                                 "            internal;\n"
                                 "            gw_problem;\n"
                                 "        }\n";

/* One that the configuration names; whoever asks for another gets no further. */
static enum gw_code add_plain_server(const struct gw_nginx_conf *c, struct gw_str name, struct gw_buf *out,
                                     struct gw_error *err)
{
    gw_buf_add(out, GW_STR("    server {\n"));
    GW_TRY(add_value(out, "        listen \"", c->settings->listen_plain,
                     name.len > 0 ? "\";\n" : "\" default_server;\n", err));
    if (name.len > 0)
        GW_TRY(add_value(out, "        server_name \"", gw_str_sub(name, 0, gw_str_find(name, ':')), "\";\n", err));
    gw_buf_add(out, gw_str(plain_text));
    if (name.len > 0 && c->acme_dir != NULL) {
        /* RFC 8555 section 8.3: a token is base64url. Whatever else is asked for there is refused as all is, so that nobody fills the log by it. */
        GW_TRY(add_value(
            out, "        location ~ \"^/\\.well-known/acme-challenge/[A-Za-z0-9_-]+\\z\" {\n            root \"",
            gw_str(c->acme_dir), "\";\n            log_not_found off;\n", err));
        GW_TRY(add_value(out, "            disable_symlinks on \"from=", gw_str(c->acme_dir), "\";\n", err));
        gw_buf_add(out, GW_STR("            default_type text/plain;\n        }\n"));
    }
    gw_buf_add(out, GW_STR("        location / {\n            gw_plain"));
    if (name.len > 0)
        GW_TRY(add_value(out, " \"https://", name, "\"", err));
    gw_buf_add(out, GW_STR(";\n        }\n    }\n"));
    return GW_OK;
}

static enum gw_code add_plain(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    if (c->settings->listen_plain.len == 0)
        return GW_OK;
    GW_TRY(add_plain_server(c, GW_STR_NULL, out, err));
    for (size_t i = 0; i < c->settings->tls_names.count; i++)
        GW_TRY(add_plain_server(c, c->settings->tls_names.item[i], out, err));
    return GW_OK;
}

enum gw_code gw_nginx_conf_print(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err)
{
    if (!gw_str_starts(c->upstream->url, GW_STR("http://")))
        return gw_fail(err, GW_EINVAL, "upstream.url `%.*s`: only http:// is served so far",
                       GW_STR_ARG(c->upstream->url));
    GW_TRY(add_main(c, out, err));
    GW_TRY(add_http(c, out, err));
    GW_TRY(add_servers(c, out, err));
    GW_TRY(add_plain(c, out, err));
    gw_buf_add(out, GW_STR("}\n"));
    return gw_buf_check(out, err);
}
