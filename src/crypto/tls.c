/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* Of two pairs a client is shown either, as its taste is. */
static enum gw_code check_peer(const struct gw_tls *t, const char *certificates, struct gw_error *err)
{
    FILE *file = fopen(certificates, "re");
    if (file == NULL)
        return gw_fail(err, GW_ENOTFOUND, "cannot open the certificate %s", certificates);
    X509 *ours, *theirs = SSL_get1_peer_certificate(t->ssl);
    bool same = false;
    while (theirs != NULL && !same && (ours = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        same = X509_cmp(ours, theirs) == 0;
        X509_free(ours);
    }
    (void)fclose(file);
    X509_free(theirs);
    ERR_clear_error();
    return same ? GW_OK
                : gw_fail(err, GW_EDENIED, "TLS: the other end shows another certificate than %s", certificates);
}

/* PROXY protocol, section 2.1: "UNKNOWN" leaves the connection's own address in force. */
static enum gw_code say_preamble(int fd, enum gw_tls_preamble preamble, struct gw_error *err)
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    if (preamble == GW_TLS_PLAIN)
        return GW_OK;
    ssize_t sent = send(fd, unknown, sizeof(unknown) - 1, MSG_NOSIGNAL);
    return sent == (ssize_t)sizeof(unknown) - 1 ? GW_OK
                                                : gw_fail(err, GW_EBACKEND, "cannot begin: %s", strerror(errno));
}

static enum gw_code use_own(SSL_CTX *ctx, const char *file, struct gw_error *err)
{
    if (file == NULL || access(file, F_OK) != 0)
        return GW_OK;
    return SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_PEM) == 1 &&
                   SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) == 1
               ? GW_OK
               : fail_tls(err, "use our own certificate");
}

enum gw_code gw_tls_connect(int fd, const struct gw_tls_terms *terms, struct gw_tls **out, struct gw_error *err)
{
    GW_TRY(say_preamble(fd, terms->preamble, err));
    gw_auto(gw_tls) struct gw_tls *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a TLS connection");
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (t->ctx != NULL)
        GW_TRY(use_own(t->ctx, terms->own, err));
    t->ssl = t->ctx != NULL ? SSL_new(t->ctx) : NULL;
    if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1)
        return fail_tls(err, "prepare a connection");
    if (SSL_connect(t->ssl) != 1)
        return fail_tls(err, "shake hands");
    if (terms->certificates != NULL)
        GW_TRY(check_peer(t, terms->certificates, err));
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
