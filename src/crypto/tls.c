/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tls.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct gw_tls {
    SSL_CTX *ctx;
    SSL *ssl;
};

/* The newest entry of OpenSSL's queue, which is emptied. */
static enum gw_code fail_tls(struct gw_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return gw_fail(err, GW_EBACKEND, "TLS: cannot %s: %s", what,
                   reason != NULL ? reason : "the connection ended or took too long");
}

enum gw_code gw_tls_connect(int fd, struct gw_tls **out, struct gw_error *err)
{
    gw_auto(gw_tls) struct gw_tls *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a TLS connection");
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->ssl = t->ctx != NULL ? SSL_new(t->ctx) : NULL;
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1)
        return fail_tls(err, "prepare a connection");
    if (SSL_connect(t->ssl) != 1)
        return fail_tls(err, "shake hands");
    *out = gw_take(&t);
    return GW_OK;
}

void gw_tls_free(struct gw_tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    free(t);
}

enum gw_code gw_tls_write(struct gw_tls *t, struct gw_str data, struct gw_error *err)
{
    size_t written;
    if (SSL_write_ex(t->ssl, data.ptr, data.len, &written) != 1)
        return fail_tls(err, "write");
    return GW_OK;
}

enum gw_code gw_tls_read(struct gw_tls *t, void *dst, size_t size, size_t *out_len, struct gw_error *err)
{
    size_t n = 0;
    int rc = SSL_read_ex(t->ssl, dst, size, &n);
    if (rc != 1 && SSL_get_error(t->ssl, rc) != SSL_ERROR_ZERO_RETURN)
        return fail_tls(err, "read");
    *out_len = n;
    return GW_OK;
}
