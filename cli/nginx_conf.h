/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The nginx.conf of `aaiti serve`, as text. Everything that varies is in struct gw_nginx_conf; whoever fills it has checked
 * the settings and the policy.
 */
#include "config/settings.h"
#include "policy/policy.h"
#include "token/ring.h"

struct gw_nginx_conf {
    const struct gw_settings *settings;
    const struct gw_upstream *upstream;
    const char *journal_dir, *mode_dir;
    const char *run_dir;   /* control's segments and web.sock */
    const char *nginx_dir; /* pid, temporary files */
    const char *module;    /* ngx_http_gw_module.so */
    struct gw_token_files token_files;
    const char *upstream_key; /* may be NULL */
    const char *request_id_key;
    const char *pairs[2]; /* files with a certificate chain and its key; the second may be NULL */
    const char *client_ca, *client_crl,
        *own; /* by what clients' certificates are known; NULL: they are not asked for; not revoked; not wanted */
    const char *trust_id;     /* another for each such set; with client_ca */
    const char *acme_dir;     /* NULL: none */
    bool staples;             /* a certificate names a responder that is to be asked */
    const char *user, *group; /* of the workers; NULL: those of the master */
};

/* Appends to out. GW_EINVAL names a value that nginx.conf cannot hold. */
GW_MUST_CHECK enum gw_code gw_nginx_conf_print(const struct gw_nginx_conf *c, struct gw_buf *out, struct gw_error *err);
