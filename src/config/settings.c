/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of gateway.yaml, and the checks that look at more than one row or into a value's form. */
#include "config/settings.h"

#include "base/origin.h"

#include <inttypes.h>
#include <string.h>

static const char *const environments[] = {"development", "production", NULL};
static const char *const proxy_headers[] = {"X-Forwarded-For", "Forwarded", NULL};
static const char *const token_algorithms[] = {"HS256", "EdDSA", NULL};
static const char *const session_limits[] = {"deny", "evict-oldest", NULL};
static const char *const kernel_drops[] = {"off", "nftables", NULL};
static const char *const client_certificates[] = {"off", "optional", "required", "auto", NULL};
static const char *const password_profiles[] = {"guide", "nist", NULL};

#define AT(member) offsetof(struct gw_settings, member)
#define SECONDS(n) ((n)*INT64_C(1000))
#define DAYS(n) SECONDS((n)*INT64_C(86400))
#define MIB(n) ((n)*INT64_C(1048576))
#define FILE_NAME 1, 1000

/* clang-format off */
const struct gw_option gw_settings_options[] = {
    {"environment", GW_OPT_ENUM, AT(environment), "development", 0, 0, environments, "NODE_ENV",
     "`production` refuses what is fit for development only, such as the certificate that `aaiti init` makes."},
    {"listen", GW_OPT_STRING, AT(listen), "127.0.0.1:8443", 0, 0, NULL, NULL,
     "Address and port to listen on; an IPv6 address in brackets."},
    {"listen_plain", GW_OPT_STRING, AT(listen_plain), "", 0, 0, NULL, NULL,
     "Address and port to listen on without TLS, such as 0.0.0.0:80; empty: none. Browsers are sent to the https address of `tls.names`, all else is refused (docs/tls.md). "
     "A change takes a SIGHUP of `aaiti serve`."},
    {"workers", GW_OPT_INT, AT(workers), "0", 0, 256, NULL, NULL,
     "Worker processes of nginx; 0 is one a core."},
    {"policy", GW_OPT_STRING, AT(policy), "policy.yaml", FILE_NAME, NULL, NULL,
     "File of the policy (docs/policy.md)."},
    {"run_dir", GW_OPT_STRING, AT(run_dir), "", 0, 100, NULL, NULL,
     "Directory on tmpfs for what lives as long as the gateway runs; empty: chosen by user and home directory."},
    {"trusted_proxies", GW_OPT_CIDRS, AT(trusted_proxies), "", 0, 0, NULL, NULL,
     "Networks whose forwarding headers are believed when the client's address is looked for."},
    {"verify_proxies", GW_OPT_CIDRS, AT(verify_proxies), "", 0, 0, NULL, NULL,
     "Of `trusted_proxies`, those that ask `/aaiti/verify` (docs/forward-auth.md), whose answer has the backend's credential. They let no client ask it through them."},
    {"allow", GW_OPT_CIDRS, AT(allow), "", 0, 0, NULL, NULL,
     "Networks that no block, no limit by address and no lock of an address touches; limits by user and key hold for them too."},
    {"cors.origins", GW_OPT_ORIGINS, AT(cors_origins), "", 0, 0, NULL, "ALLOWED_ORIGINS",
     "Origins whose pages may use the API, with the user's cookies too (docs/cors.md); exact: `https://app.example.com`, a port where it is not the scheme's. "
     "In production only https, and http on this machine."},
    {"cors.production", GW_OPT_ORIGINS, AT(cors_production), "", 0, 0, NULL, "PRODUCTION_DOMAIN",
     "Further such origins where `environment` is production."},
    {"cors.staging", GW_OPT_ORIGINS, AT(cors_staging), "", 0, 0, NULL, "STAGING_DOMAIN",
     "The same."},
    {"proxy_header", GW_OPT_ENUM, AT(proxy_header), "X-Forwarded-For", 0, 0, proxy_headers, NULL,
     "The header in which `trusted_proxies` say who asked them; the other one, which they may pass on as a client made it up, is not looked at. "
     "Neither reaches the backend."},
    {"listen_proxy_protocol", GW_OPT_BOOL, AT(listen_proxy_protocol), "false", 0, 0, NULL, NULL,
     "Whether every connection begins with a header of the PROXY protocol, version 1 or 2. Of `trusted_proxies` it is believed, of others taken off. "
     "A change of either then takes a SIGHUP of `aaiti serve`."},
    {"connections.per_address", GW_OPT_INT, AT(connections_per_address), "100", 0, 1000000, NULL, NULL,
     "Connections that one address (an IPv6 /64) may have open at each worker, counted from when they are accepted; what comes beyond is closed. "
     "`trusted_proxies` and `allow` may have any number; 0: so may everybody."},
    {"websocket.per_user", GW_OPT_INT, AT(websocket_per_user), "20", 0, 10000, NULL, NULL,
     "WebSockets that one user may have open, at all workers together; 0: any number."},
    {"websocket.per_address", GW_OPT_INT, AT(websocket_per_address), "50", 0, 10000, NULL, NULL,
     "The same of one address (an IPv6 /64). `trusted_proxies` and `allow` may have any number."},
    {"websocket.idle", GW_OPT_DURATION, AT(websocket_idle_ms), "120s", 0, DAYS(1), NULL, NULL,
     "A WebSocket of which nothing was heard for so long, not even a pong, is closed; 0: never."},
    {"websocket.max_age", GW_OPT_DURATION, AT(websocket_max_age_ms), "24h", 0, DAYS(365), NULL, NULL,
     "A WebSocket is closed when it has been open for so long; its client may open another; 0: never."},
    {"connections.per_worker", GW_OPT_INT, AT(connections_per_worker), "4096", 512, 200000, NULL, NULL,
     "Connections that each worker has room for, of clients and to the backend: a WebSocket takes two. About half a KiB each, taken at the start. Read at start."},
    {"user.control", GW_OPT_STRING, AT(user_control), "aaiti", 1, 32, NULL, NULL,
     "System user of the control plane when started as root."},
    {"user.web", GW_OPT_STRING, AT(user_web), "aaiti-web", 1, 32, NULL, NULL,
     "System user of the nginx workers when started as root."},

    {"upstream.url", GW_OPT_STRING, AT(upstream_url), "", 0, 300, NULL, NULL,
     "Backend in place of the policy's own; empty: the policy's."},
    {"upstream.key_file", GW_OPT_STRING, AT(upstream_key_file), "", 0, 1000, NULL, NULL,
     "File of the backend's secret in place of the policy's own; empty: the policy's."},

    {"tls.certificate", GW_OPT_STRING, AT(tls_certificate), "tls/cert.pem", FILE_NAME, NULL, "SSL_CERT_PATH",
     "Certificate chain, PEM, the gateway's own first. A changed file is taken up within a minute, or by `aaiti cert reload` (docs/tls.md)."},
    {"tls.key", GW_OPT_STRING, AT(tls_key), "tls/key.pem", FILE_NAME, NULL, "SSL_KEY_PATH",
     "Private key of the certificate, PEM, without a passphrase."},
    {"tls.second_certificate", GW_OPT_STRING, AT(tls_second_certificate), "", 0, 1000, NULL, NULL,
     "A second chain, for a key of the other kind, RSA beside ECDSA: each client is shown what it can check. Empty: none."},
    {"tls.second_key", GW_OPT_STRING, AT(tls_second_key), "", 0, 1000, NULL, NULL,
     "Private key of the second certificate, PEM."},
    {"tls.names", GW_OPT_STRINGS, AT(tls_names), "", 0, 0, NULL, NULL,
     "Host names by which clients reach the gateway, in lower case, with `:PORT` where that is not 443. `aaiti cert check` wants each in the certificate."},
    {"tls.acme_dir", GW_OPT_STRING, AT(tls_acme_dir), "", 0, 1000, NULL, NULL,
     "Directory of which `listen_plain` serves `.well-known/acme-challenge/`, for an ACME client's webroot; empty: none."},
    {"tls.client_certificates", GW_OPT_ENUM, AT(tls_client_certificates), "auto", 0, 0, client_certificates, NULL,
     "Whether clients are asked for certificates (docs/tls.md): `required`: who has no good one is told nothing else; `optional`: who shows one has to show a good one; "
     "`auto`: `optional` where `tls.client_ca` is set, else `off`."},
    {"tls.client_ca", GW_OPT_STRING, AT(tls_client_ca), "", 0, 1000, NULL, "SSL_CA_PATH",
     "Certificates of the authorities that sign clients' certificates, PEM. A changed file is taken up as `tls.certificate` is."},
    {"tls.client_crl", GW_OPT_STRING, AT(tls_client_crl), "", 0, 1000, NULL, NULL,
     "Which of them are revoked, PEM: a list of every authority of `tls.client_ca`, in force; where one is missing or over, nobody's certificate is good. Empty: none is looked at."},
    {"tls.client_depth", GW_OPT_INT, AT(tls_client_depth), "1", 0, 8, NULL, NULL,
     "Authorities that may stand between a client's certificate and one of `tls.client_ca`."},
    {"tls.stapling", GW_OPT_BOOL, AT(tls_stapling), "true", 0, 0, NULL, NULL,
     "Whether the workers ask the OCSP responder that a certificate names, and show its answer with it. Where none is named, nobody is asked."},

    {"token.algorithm", GW_OPT_ENUM, AT(token_algorithm), "HS256", 0, 0, token_algorithms, NULL,
     "How access tokens are signed: `HS256` by a secret, or `EdDSA` by an Ed25519 key whose public part is shown at "
     "`/aaiti/jwks.json`. Changing it takes a restart and ends all tokens."},
    {"token.key_file", GW_OPT_STRING, AT(token_key_file), "", 0, 1000, NULL, "JWT_SECRET_FILE",
     "File of the key that signs access tokens; empty: `keys/token.key`, with EdDSA `keys/token-ed25519.key`. "
     "`aaiti key rotate` exchanges one that is named relative to the home directory."},
    {"token.issuer", GW_OPT_STRING, AT(token_issuer), "aaiti-api", 1, 128, NULL, NULL,
     "Claim `iss` of access tokens."},
    {"token.audience", GW_OPT_STRING, AT(token_audience), "aaiti-client", 1, 128, NULL, NULL,
     "Claim `aud` of access tokens."},
    {"token.ttl", GW_OPT_DURATION, AT(token_ttl_ms), "24h", SECONDS(60), DAYS(30), NULL, "JWT_EXPIRES_IN",
     "How long an access token is good; at most `session.absolute`."},
    {"token.leeway", GW_OPT_DURATION, AT(token_leeway_ms), "0s", 0, SECONDS(60), NULL, NULL,
     "Difference of clocks allowed for when a token's times are checked."},

    {"encryption.key_file", GW_OPT_STRING, AT(encryption_key_file), "keys/encryption.key", FILE_NAME, NULL, "ENCRYPTION_KEY_FILE",
     "File of the key that wraps the keys by which stored secrets are encrypted: 32 bytes, as 64 hex digits or as base64."},

    {"request_id.key_file", GW_OPT_STRING, AT(request_id_key_file), "keys/request-id.key", FILE_NAME, NULL, NULL,
     "File of the key that seals into the id of a refused request why it was refused; `aaiti explain ID` tells."},

    {"session.idle", GW_OPT_DURATION, AT(session_idle_ms), "24h", SECONDS(60), DAYS(365), NULL, NULL,
     "A session unused for so long has ended; at most `session.absolute`."},
    {"session.absolute", GW_OPT_DURATION, AT(session_absolute_ms), "7d", SECONDS(60), DAYS(365), NULL, NULL,
     "A session ends after this, used or not."},
    {"session.per_user", GW_OPT_INT, AT(session_per_user), "5", 1, 1000, NULL, NULL,
     "Live sessions that one user may have."},
    {"session.at_limit", GW_OPT_ENUM, AT(session_at_limit), "evict-oldest", 0, 0, session_limits, NULL,
     "What a sign-in beyond `session.per_user` does: is refused, or ends the oldest session."},
    {"session.capacity", GW_OPT_INT, AT(session_capacity), "65536", 64, 4194304, NULL, NULL,
     "Live sessions of all users that the gateway has room for."},
    {"session.user_capacity", GW_OPT_INT, AT(user_capacity), "16384", 64, 4194304, NULL, NULL,
     "Users that the gateway has room for."},
    {"session.revocation_capacity", GW_OPT_INT, AT(revocation_capacity), "65536", 64, 4194304, NULL, NULL,
     "Revoked tokens, not yet expired, that the gateway has room for."},

    {"block.capacity", GW_OPT_INT, AT(block_capacity), "16384", 64, 1048576, NULL, NULL,
     "Blocked and suspicious networks that the gateway has room for. Takes a restart."},
    {"block.kernel", GW_OPT_ENUM, AT(block_kernel), "off", 0, 0, kernel_drops, NULL,
     "`nftables`: the kernel drops, too, what comes from blocked networks to the listener's port. Control then has CAP_NET_ADMIN. Takes a restart."},
    {"limit.capacity", GW_OPT_INT, AT(limit_capacity), "262144", 1024, 4194304, NULL, NULL,
     "Addresses' counters that the gateway has room for, two or three for each address; who finds none is counted with his network. Takes a restart."},
    {"limit.delayed", GW_OPT_INT, AT(limit_delayed), "256", 0, 100000, NULL, NULL,
     "Requests that a worker may hold back at a time, for `slow_down`; beyond it the answer is 429."},

    {"api_key.capacity", GW_OPT_INT, AT(api_key_capacity), "4096", 64, 1048576, NULL, NULL,
     "API keys of all users that the gateway has room for. A larger one takes a restart."},
    {"api_key.clock_window", GW_OPT_DURATION, AT(api_key_clock_window_ms), "30s", SECONDS(1), SECONDS(300), NULL, NULL,
     "How old the timestamp of a signed request may be; so long its nonce is remembered. Ahead of the gateway's clock it may be by 5 s. Takes a restart."},
    {"api_key.per_user", GW_OPT_INT, AT(api_key_per_user), "16", 1, 4096, NULL, NULL,
     "API keys that one user may have, those whose time has ended less than a day ago among them."},

    {"password.profile", GW_OPT_ENUM, AT(password_profile), "guide", 0, 0, password_profiles, NULL,
     "`guide`: 8 characters with upper and lower case, digit and special; `nist`: 15 characters of any kind."},
    {"password.blocklist", GW_OPT_STRING, AT(password_blocklist), "", 0, 1000, NULL, NULL,
     "File of refused passwords, one a line; empty: the list that comes with the gateway."},
    {"password.argon2_memory", GW_OPT_BYTES, AT(argon2_memory_bytes), "19MiB", MIB(19), MIB(1024), NULL, NULL,
     "Memory of one Argon2id hash (RFC 9106)."},
    {"password.argon2_passes", GW_OPT_INT, AT(argon2_passes), "2", 2, 64, NULL, NULL,
     "Passes of one Argon2id hash."},

    {"login.floor", GW_OPT_DURATION, AT(login_floor_ms), "400ms", 0, SECONDS(10), NULL, NULL,
     "No answer to a sign-in leaves sooner, so that time does not tell whether a user exists."},
    {"login.hash_threads", GW_OPT_INT, AT(login_hash_threads), "1", 1, 64, NULL, NULL,
     "Threads that hash passwords, at low priority."},
    {"login.queue", GW_OPT_INT, AT(login_queue), "64", 1, 10000, NULL, NULL,
     "Sign-ins that may wait for hashing, a quarter of them by known devices alone; beyond it the answer is 503."},
    {"login.queue_per_address", GW_OPT_INT, AT(login_queue_per_address), "8", 1, 10000, NULL, NULL,
     "Sign-ins of one address that may wait for hashing; at most `login.queue`."},
    {"login.attempts", GW_OPT_INT, AT(login_attempts), "5", 1, 10, NULL, NULL,
     "Failed sign-ins, by one address or by one address for one account, that lock further ones out (docs/sign-in.md)."},
    {"login.window", GW_OPT_DURATION, AT(login_window_ms), "15m", SECONDS(1), DAYS(1), NULL, NULL,
     "How long a failed sign-in counts."},
    {"login.lock", GW_OPT_DURATION, AT(login_lock_ms), "15m", SECONDS(1), DAYS(1), NULL, NULL,
     "How long a lock lasts, at least `login.window`; attempts meanwhile do not extend it."},
    {"login.delay", GW_OPT_DURATION, AT(login_delay_ms), "500ms", 0, SECONDS(10), NULL, NULL,
     "How long the attempt after a failed one is held back; twice as long after each further failure."},
    {"login.delay_max", GW_OPT_DURATION, AT(login_delay_max_ms), "8s", 0, SECONDS(15), NULL, NULL,
     "The longest such delay; an unknown device waits for it where the account has had `login.attempts` failures, from wherever."},
    {"login.waiting", GW_OPT_INT, AT(login_waiting), "64", 1, 128, NULL, NULL,
     "Sign-ins that may be held back at once, a quarter of them by known devices alone; beyond it the answer is 429."},
    {"login.waiting_per_address", GW_OPT_INT, AT(login_waiting_per_address), "8", 1, 128, NULL, NULL,
     "Sign-ins of one address that may be held back at once; at most `login.waiting`."},
    {"login.device_ttl", GW_OPT_DURATION, AT(login_device_ttl_ms), "90d", DAYS(30), DAYS(365), NULL, NULL,
     "How long a device counts as known after its last sign-in, by its cookie."},
    {"login.capacity", GW_OPT_INT, AT(login_capacity), "65536", 64, 4194304, NULL, NULL,
     "Addresses, accounts and pairs of both whose failures are counted at once; some 150 bytes each. Beyond it whole networks are "
     "counted as one. Takes a restart."},
    {"login.spraying", GW_OPT_INT, AT(login_spraying), "20", 2, 64, NULL, NULL,
     "Accounts that one address or network tries in vain within `login.window`, or addresses that try one account, that are recorded as "
     "`login_spraying`."},

    {"register.enabled", GW_OPT_BOOL, AT(register_enabled), "false", 0, 0, NULL, NULL,
     "Whether strangers may register."},
    {"register.role", GW_OPT_STRING, AT(register_role), "trader", 1, 32, NULL, NULL,
     "Role of who registers; a role of the policy."},
    {"refresh.bearer", GW_OPT_BOOL, AT(refresh_bearer), "false", 0, 0, NULL, NULL,
     "Whether an access token that is still good may be exchanged for a fresh one, as the backend does it: on the refresh path, without a body. "
     "Whoever steals one then keeps it until `session.absolute`."},
    {"reset.code_ttl", GW_OPT_DURATION, AT(reset_code_ttl_ms), "1h", SECONDS(60), DAYS(7), NULL, NULL,
     "How long a one-time code for a new password is good."},

    {"journal.file_size", GW_OPT_BYTES, AT(journal_file_bytes), "4MiB", 64 * 1024, MIB(64), NULL, NULL,
     "Size of a journal file; each worker holds four, made in advance. Takes a restart."},
    {"journal.files", GW_OPT_INT, AT(journal_files), "64", 4, 4096, NULL, NULL,
     "Files that may wait for the control plane, of changes and of refusals each, and four for each worker and four more at least; beyond it changes are refused. Takes a restart."},
    {"audit.retention", GW_OPT_DURATION, AT(audit_retention_ms), "400d", DAYS(1), DAYS(3650), NULL, NULL,
     "How long a row of the audit trail is kept, to the hour. Each deletion is a row, too."},

    {"log.requests", GW_OPT_BOOL, AT(log_requests), "false", 0, 0, NULL, NULL,
     "Whether each request is a line of JSON on standard error: never with its query, headers or body, but with its path. "
     "A change takes a SIGHUP of `aaiti serve`."},
    {"self_test.path", GW_OPT_STRING, AT(self_test_path), "", 0, 1000, NULL, NULL,
     "Path of the backend that is fetched at start with a minted credential; empty: no test."},
    {"body.time", GW_OPT_DURATION, AT(body_time_ms), "60s", SECONDS(1), SECONDS(3600), NULL, NULL,
     "How long a request may take to arrive, and a second more for each 8 KiB of it. A change takes a SIGHUP of `aaiti serve`."},
    {"body.max", GW_OPT_BYTES, AT(body_max_bytes), "1MiB", 1024, MIB(1024), NULL, NULL,
     "Largest body of a request to the backend."},
};
/* clang-format on */
const size_t gw_settings_option_count = sizeof(gw_settings_options) / sizeof(gw_settings_options[0]);

/* ---- checks beyond one row ---- */

struct check {
    const struct gw_yaml *root;
    const char *file;
    const struct gw_settings *s;
    struct gw_faults *faults;
};

static unsigned line_of(const struct check *c, const char *key)
{
    return c->root != NULL ? gw_option_line(c->root, gw_str(key)) : 0;
}

static void check_at_most(const struct check *c, const char *small_key, int64_t small, const char *large_key,
                          int64_t large)
{
    if (small > large)
        gw_faults_add(c->faults, c->file, line_of(c, small_key), "%s: expected at most %s", small_key, large_key);
}

static bool is_port(struct gw_str text)
{
    int64_t port;
    return gw_str_to_i64(text, &port) && port >= 1 && port <= 65535;
}

/* ADDR:PORT or [ADDR]:PORT, addresses only: a name could move the listener to another network. */
static bool is_listen_address(struct gw_str s)
{
    bool in_brackets = s.len > 0 && s.ptr[0] == '[';
    size_t end = gw_str_find(s, in_brackets ? ']' : ':');
    struct gw_str address = in_brackets ? gw_str_sub(s, 1, end - 1) : gw_str_sub(s, 0, end);
    struct gw_str rest = gw_str_sub(s, in_brackets ? end + 1 : end, s.len);
    struct gw_ip ip;
    if (gw_ip_parse(address, &ip) != GW_OK || (memchr(address.ptr, ':', address.len) != NULL) != in_brackets)
        return false;
    return rest.len > 0 && rest.ptr[0] == ':' && is_port(gw_str_sub(rest, 1, rest.len));
}

#define HOST_MAX 253 /* RFC 1035 */

/* A DNS name in lower case: it becomes part of nginx.conf and of redirects. */
static bool is_host(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        bool is_letter = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
        if (!is_letter && ((ch != '.' && ch != '-') || i == 0 || i + 1 == s.len))
            return false;
    }
    return s.len > 0 && s.len <= HOST_MAX;
}

static void check_client_certificates(const struct check *c)
{
    const struct gw_settings *s = c->s;
    if (s->tls_client_ca.len > 0)
        return;
    if (s->tls_client_certificates != GW_CLIENT_CERTIFICATES_OFF)
        gw_faults_add(c->faults, c->file, line_of(c, "tls.client_certificates"),
                      "tls.client_certificates: needs tls.client_ca, whose authorities alone are believed");
    if (s->tls_client_crl.len > 0)
        gw_faults_add(c->faults, c->file, line_of(c, "tls.client_crl"),
                      "tls.client_crl: needs tls.client_ca, whose authorities revoke");
}

static void check_tls(const struct check *c)
{
    const struct gw_settings *s = c->s;
    if ((s->tls_second_certificate.len > 0) != (s->tls_second_key.len > 0))
        gw_faults_add(c->faults, c->file, line_of(c, "tls.second_certificate"),
                      "tls.second_certificate: goes with tls.second_key, and not without");
    if (s->listen_plain.len > 0 && !is_listen_address(s->listen_plain))
        gw_faults_add(c->faults, c->file, line_of(c, "listen_plain"),
                      "listen_plain: expected ADDRESS:PORT such as 0.0.0.0:80 or [::]:80, not \"%.*s\"",
                      GW_STR_ARG(s->listen_plain));
    if (s->listen_plain.len > 0 && s->tls_names.count == 0)
        gw_faults_add(c->faults, c->file, line_of(c, "listen_plain"),
                      "listen_plain: needs tls.names, to one of which alone browsers are sent");
    if (s->tls_acme_dir.len > 0 && s->listen_plain.len == 0)
        gw_faults_add(c->faults, c->file, line_of(c, "tls.acme_dir"),
                      "tls.acme_dir: needs listen_plain, where authorities ask for what is in it");
    check_client_certificates(c);
    for (size_t i = 0; i < s->tls_names.count; i++) {
        struct gw_str name = s->tls_names.item[i];
        size_t colon = gw_str_find(name, ':');
        if (!is_host(gw_str_sub(name, 0, colon)) ||
            (colon < name.len && !is_port(gw_str_sub(name, colon + 1, name.len))))
            gw_faults_add(c->faults, c->file, line_of(c, "tls.names"),
                          "tls.names: expected a host name in lower case, or HOST:PORT, not \"%.*s\"",
                          GW_STR_ARG(name));
    }
}

static void check_forms(const struct check *c)
{
    const struct gw_settings *s = c->s;
    if (!is_listen_address(s->listen))
        gw_faults_add(c->faults, c->file, line_of(c, "listen"),
                      "listen: expected ADDRESS:PORT such as 127.0.0.1:8443 or [::1]:8443, not \"%.*s\"",
                      GW_STR_ARG(s->listen));
    if (s->listen_proxy_protocol && s->trusted_proxies.count == 0)
        gw_faults_add(c->faults, c->file, line_of(c, "listen_proxy_protocol"),
                      "listen_proxy_protocol: needs trusted_proxies, of which alone the header is believed");
    if (s->verify_proxies.count > 0 && s->trusted_proxies.count == 0)
        gw_faults_add(c->faults, c->file, line_of(c, "verify_proxies"),
                      "verify_proxies: needs trusted_proxies, of which alone it is believed who asked them");
    if (s->self_test_path.len > 0 && s->self_test_path.ptr[0] != '/')
        gw_faults_add(c->faults, c->file, line_of(c, "self_test.path"),
                      "self_test.path: expected a path that begins with /");
    if (s->run_dir.len > 0 && s->run_dir.ptr[0] != '/')
        gw_faults_add(c->faults, c->file, line_of(c, "run_dir"), "run_dir: expected an absolute path");
}

/* Whoever is on the way to such a page writes it, and would ask as its user. */
static void check_exposed(const struct check *c, const char *key, const struct gw_option_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (gw_origin_is_exposed(list->item[i]))
            gw_faults_add(c->faults, c->file, line_of(c, key), "%s: expected https in production, not \"%.*s\"", key,
                          GW_STR_ARG(list->item[i]));
}

static void check_origins(const struct check *c)
{
    const struct gw_settings *s = c->s;
    const struct {
        const char *key;
        const struct gw_option_strings *list;
    } lists[] = {{"cors.origins", &s->cors_origins},
                 {"cors.production", &s->cors_production},
                 {"cors.staging", &s->cors_staging}};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (lists[i].list->count > GW_ORIGINS_MAX)
            gw_faults_add(c->faults, c->file, line_of(c, lists[i].key), "%s: expected at most %d origins", lists[i].key,
                          GW_ORIGINS_MAX);
        if (s->environment == GW_ENV_PRODUCTION)
            check_exposed(c, lists[i].key, lists[i].list);
    }
}

size_t gw_settings_origins(const struct gw_settings *s, struct gw_option_strings out[GW_ORIGIN_LISTS])
{
    out[0] = s->cors_origins;
    out[1] = s->cors_production;
    out[2] = s->cors_staging;
    return s->environment == GW_ENV_PRODUCTION ? GW_ORIGIN_LISTS : 1;
}

static void check_together(const struct check *c)
{
    const struct gw_settings *s = c->s;
    check_at_most(c, "session.idle", s->session_idle_ms, "session.absolute", s->session_absolute_ms);
    check_at_most(c, "token.ttl", s->token_ttl_ms, "session.absolute", s->session_absolute_ms);
    check_at_most(c, "login.queue_per_address", s->login_queue_per_address, "login.queue", s->login_queue);
    check_at_most(c, "login.window", s->login_window_ms, "login.lock", s->login_lock_ms);
    check_at_most(c, "login.delay", s->login_delay_ms, "login.delay_max", s->login_delay_max_ms);
    check_at_most(c, "login.waiting_per_address", s->login_waiting_per_address, "login.waiting", s->login_waiting);
    check_forms(c);
    check_tls(c);
    check_origins(c);
}

void gw_settings_load(const char *file, gw_getenv_fn getenv_fn, struct gw_arena *a, struct gw_settings *out,
                      struct gw_faults *f)
{
    size_t before = gw_faults_count(f);
    const struct gw_yaml *root = file != NULL ? gw_yaml_load(a, file, f) : NULL;
    if (file != NULL && root == NULL)
        return;
    const char *name = file != NULL ? file : "settings";
    memset(out, 0, sizeof(*out));
    gw_options_apply(gw_settings_options, gw_settings_option_count, root, name, getenv_fn, a, out, f);
    /* A value that could not be read would be blamed twice. */
    if (gw_faults_count(f) > before)
        return;
    if (out->token_key_file.len == 0)
        out->token_key_file = out->token_algorithm == GW_TOKEN_SETTING_EDDSA ? GW_STR("keys/token-ed25519.key")
                                                                             : GW_STR("keys/token.key");
    if (out->tls_client_certificates == GW_CLIENT_CERTIFICATES_AUTO)
        out->tls_client_certificates =
            out->tls_client_ca.len > 0 ? GW_CLIENT_CERTIFICATES_OPTIONAL : GW_CLIENT_CERTIFICATES_OFF;
    check_together(&(struct check){root, name, out, f});
}

const char *gw_settings_path(struct gw_arena *a, const char *home, struct gw_str name)
{
    bool is_absolute = name.len > 0 && name.ptr[0] == '/';
    size_t home_len = is_absolute ? 0 : strlen(home) + 1;
    char *path = gw_arena_alloc(a, home_len + name.len + 1);
    if (path == NULL)
        return NULL;
    if (!is_absolute) {
        memcpy(path, home, home_len - 1);
        path[home_len - 1] = '/';
    }
    if (name.len > 0)
        memcpy(path + home_len, name.ptr, name.len);
    path[home_len + name.len] = '\0';
    return path;
}
