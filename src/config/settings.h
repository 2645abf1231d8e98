/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * gateway.yaml: the gateway's own settings, one option table for all of them (settings.c), checked as a whole. Both planes
 * and the command line read the same struct. Relative file names are relative to the home directory.
 */
#include "config/option.h"

enum gw_environment { GW_ENV_DEVELOPMENT, GW_ENV_PRODUCTION };
enum gw_token_setting { GW_TOKEN_SETTING_HS256, GW_TOKEN_SETTING_EDDSA };
enum gw_proxy_header { GW_PROXY_X_FORWARDED_FOR, GW_PROXY_FORWARDED };
enum gw_session_limit { GW_SESSION_DENY, GW_SESSION_EVICT_OLDEST };
enum gw_kernel_drop_setting { GW_KERNEL_DROP_OFF, GW_KERNEL_DROP_NFTABLES };
enum gw_client_certificates {
    GW_CLIENT_CERTIFICATES_OFF,
    GW_CLIENT_CERTIFICATES_OPTIONAL,
    GW_CLIENT_CERTIFICATES_REQUIRED,
    GW_CLIENT_CERTIFICATES_AUTO, /* never once loaded */
};
enum gw_password_profile { GW_PASSWORD_GUIDE, GW_PASSWORD_NIST };

/* Origins that a setting may list; each request of a page is compared with all of them. */
#define GW_ORIGINS_MAX 64

struct gw_settings {
    /* top */
    int environment;       /* enum gw_environment; NODE_ENV */
    int token_algorithm;   /* token.algorithm: enum gw_token_setting */
    struct gw_str listen;  /* "127.0.0.1:8443" */
    int64_t workers;       /* nginx worker processes; 0: one a core */
    struct gw_str policy;  /* file of the policy */
    struct gw_str run_dir; /* empty: chosen by gw_run_dir */
    struct gw_option_cidrs trusted_proxies;
    struct gw_option_cidrs verify_proxies; /* of those, who asks /aaiti/verify */
    struct gw_option_cidrs allow;
    /* cors.*; gw_settings_origins has those in force */
    struct gw_option_strings cors_origins;                  /* ALLOWED_ORIGINS */
    struct gw_option_strings cors_production, cors_staging; /* PRODUCTION_DOMAIN, STAGING_DOMAIN */
    struct gw_str listen_plain;                             /* empty: nobody listens without TLS */
    int proxy_header;                                       /* enum gw_proxy_header */
    bool listen_proxy_protocol;                             /* the listener expects the PROXY protocol */
    bool tls_stapling;                                      /* tls.stapling; here it costs no padding */
    int64_t connections_per_address;                        /* connections.per_address: of a worker; 0: any number */
    struct gw_str user_control, user_web; /* user.control, user.web: system users when started as root */
    /* upstream.*: set over the policy's own (make run UPSTREAM=…) */
    struct gw_str upstream_url, upstream_key_file;
    /* tls.* */
    struct gw_str tls_certificate, tls_key;               /* SSL_CERT_PATH, SSL_KEY_PATH */
    struct gw_str tls_second_certificate, tls_second_key; /* both or neither */
    struct gw_str tls_acme_dir;                           /* empty: none */
    struct gw_option_strings tls_names;                   /* host or host:port, lower case */
    struct gw_str tls_client_ca, tls_client_crl;          /* SSL_CA_PATH; empty: none */
    int64_t tls_client_depth;
    /* token.* */
    struct gw_str
        token_key_file; /* JWT_SECRET_FILE; JWT_SECRET itself is read by gw_keys_load; never empty once loaded */
    struct gw_str token_issuer, token_audience;
    int64_t token_ttl_ms;    /* JWT_EXPIRES_IN */
    int64_t token_leeway_ms; /* <= 60 s */
    /* encryption.* */
    struct gw_str
        encryption_key_file; /* ENCRYPTION_KEY_FILE; ENCRYPTION_KEY itself is read by gw_keys_load_encryption */
    struct gw_str request_id_key_file; /* request_id.key_file */
    /* session.* */
    int64_t session_idle_ms, session_absolute_ms;
    int64_t session_per_user;
    int64_t connections_per_worker;
    int64_t websocket_per_user, websocket_per_address;
    int64_t websocket_idle_ms, websocket_max_age_ms;
    int block_kernel;     /* enum gw_kernel_drop_setting; here it costs no padding */
    int session_at_limit; /* enum gw_session_limit */
    int64_t session_capacity, user_capacity, revocation_capacity; /* slots of the authority segment */
    /* block.* */
    int64_t block_capacity;
    /* limit.* */
    int64_t limit_capacity, limit_delayed;
    /* api_key.* */
    int64_t api_key_capacity, api_key_per_user;
    int64_t api_key_clock_window_ms; /* how old a signed request may be */
    /* password.* */
    int password_profile;             /* enum gw_password_profile */
    int tls_client_certificates;      /* enum gw_client_certificates; here it costs no padding */
    struct gw_str password_blocklist; /* file, one password a line; empty: the shipped list */
    int64_t argon2_memory_bytes, argon2_passes;
    /* login.* */
    int64_t login_floor_ms; /* no login answer leaves sooner */
    int64_t login_hash_threads, login_queue, login_queue_per_address;
    int64_t login_attempts, login_window_ms, login_lock_ms; /* failures that lock, within so long, for so long */
    int64_t login_delay_ms, login_delay_max_ms;
    int64_t login_waiting, login_waiting_per_address;
    int64_t login_device_ttl_ms, login_capacity, login_spraying;
    /* log.* */
    bool log_requests;
    /* refresh.* */
    bool refresh_bearer;
    /* register.* */
    bool register_enabled;
    struct gw_str register_role;
    /* reset.* */
    int64_t reset_code_ttl_ms;
    /* self_test.* */
    struct gw_str self_test_path; /* GET this on the upstream at start; empty: no test */
    /* journal.* */
    int64_t journal_file_bytes, journal_files; /* of each series, of all writers together */
    int64_t audit_retention_ms;
    int64_t body_time_ms;   /* body.time */
    int64_t body_max_bytes; /* of requests to the backend (nginx client_max_body_size) */
};

extern const struct gw_option gw_settings_options[];
extern const size_t gw_settings_option_count;

/* Loads and checks file (NULL: defaults only), including what no single row can tell (idle <= absolute, forms of
 * addresses and paths). Faults are added; on any fault the result must not be used. */
void gw_settings_load(const char *file, gw_getenv_fn getenv_fn, struct gw_arena *a, struct gw_settings *out,
                      struct gw_faults *f);
/* The lists of origins whose pages may use the API. */
#define GW_ORIGIN_LISTS 3
size_t gw_settings_origins(const struct gw_settings *s, struct gw_option_strings out[GW_ORIGIN_LISTS]);
/* home + "/" + name, or name when it is absolute; in the arena; NULL without memory. */
const char *gw_settings_path(struct gw_arena *a, const char *home, struct gw_str name);
