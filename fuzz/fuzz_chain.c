/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of certificates and keys, as an ACME client or an operator leaves them, perhaps half written: what is taken for a chain can be told of and
 * shown again, what is refused says why, and no key but its own is taken for one. Whatever it names is told in characters that a terminal and a log
 * line bear. The input is the file; or, where it does not begin as one, the certificate itself, whose text would keep a fuzzer from all that is in it. It is
 * the chain, the key and the authority in one.
 */
#include "base/encode.h"
#include "crypto/chain.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES ((size_t)256 * 1024)
#define NOW_S INT64_C(1764000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_printable(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        assert((unsigned char)s.ptr[i] >= ' ' && (unsigned char)s.ptr[i] < 0x7f);
}

static void tell(const struct gw_chain *c)
{
    gw_auto(gw_arena) struct gw_arena a = {0};
    struct gw_chain_facts f;
    struct gw_error err = {.msg = ""};
    int64_t end_s = 0;
    gw_arena_init(&a, ARENA_BYTES);
    (void)gw_chain_covers(c, GW_STR("gw.example.com"));
    (void)gw_chain_covers(c, GW_STR("192.0.2.7"));
    if (gw_chain_facts(c, &a, &f, &err) != GW_OK) {
        assert(err.msg[0] != '\0');
        return;
    }
    assert(f.count > 0 && strlen(f.fingerprint) == GW_FINGERPRINT_LEN);
    is_printable(f.subject);
    is_printable(f.issuer);
    is_printable(f.names);
    is_printable(f.key);
    is_printable(f.responder);
    assert(gw_chain_not_after(c, &end_s, NULL) != GW_OK || end_s <= f.not_after_s);
}

/* What nginx and control's own calls get of it is the same certificate. */
static void show_again(const struct gw_chain *c)
{
    gw_auto(gw_buf) struct gw_buf pem = {0};
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_auto(gw_chain) struct gw_chain *again = NULL;
    struct gw_chain_facts before, after;
    gw_buf_init(&pem, 2 * GW_CHAIN_MAX_BYTES);
    gw_arena_init(&a, 2 * ARENA_BYTES);
    if (gw_chain_add_first(c, &pem, NULL) != GW_OK || gw_chain_facts(c, &a, &before, NULL) != GW_OK)
        return;
    assert(gw_chain_parse(gw_buf_str(&pem), &again, NULL) == GW_OK && gw_chain_same_kind(c, again));
    assert(gw_chain_facts(again, &a, &after, NULL) == GW_OK && after.count == 1);
    assert(strcmp(before.fingerprint, after.fingerprint) == 0);
}

static void look(struct gw_str pem)
{
    gw_auto(gw_chain) struct gw_chain *c = NULL;
    struct gw_error err = {.msg = ""};
    int64_t end_s = 0;
    enum gw_code code = gw_chain_check_revoked(pem, &end_s, &err);
    assert(code == GW_OK || (code == GW_EPARSE && err.msg[0] != '\0'));
    code = gw_chain_parse(pem, &c, &err);
    assert(code == GW_OK || (code == GW_EPARSE && err.msg[0] != '\0' && c == NULL));
    if (code != GW_OK)
        return;
    tell(c);
    show_again(c);
    code = gw_chain_check_key(c, pem, &err);
    assert(code == GW_OK || code == GW_EDENIED || code == GW_EPARSE);
    code = gw_chain_check_trust(c, pem, NOW_S, &err);
    assert(code == GW_OK || code == GW_EDENIED || code == GW_ECRYPTO);
}

static void write_pem(struct gw_str der, struct gw_buf *out)
{
    char *text = malloc(der.len * 4 / 3 + 8);
    if (text == NULL)
        abort();
    size_t len = gw_base64url_encode(der.ptr, der.len, text);
    gw_buf_add(out, GW_STR("-----BEGIN CERTIFICATE-----\n"));
    for (size_t i = 0; i < (len + 3) / 4 * 4; i++) {
        char c = i < len ? text[i] : '=';
        gw_buf_addc(out, c == '-' ? '+' : c == '_' ? '/' : c);
        if (i % 64 == 63)
            gw_buf_addc(out, '\n');
    }
    gw_buf_add(out, GW_STR("\n-----END CERTIFICATE-----\n"));
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_str bytes = {(const char *)data, size};
    /* The machine's authorities are read for each chain, which takes longer than all the rest. */
    (void)setenv("SSL_CERT_FILE", "/dev/null", 1);
    (void)setenv("SSL_CERT_DIR", "/dev/null", 1);
    gw_auto(gw_buf) struct gw_buf pem = {0};
    gw_buf_init(&pem, GW_CHAIN_MAX_BYTES);
    if (!gw_str_starts(bytes, GW_STR("-----")))
        write_pem(bytes, &pem);
    look(pem.len > 0 ? gw_buf_str(&pem) : bytes);
    return 0;
}
