/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of a signed request. Six lines: method, target, timestamp, nonce, digest, signature; "-": that header is not there; RIGHT
 * stands for the right signature, which no fuzzer could guess. What is read is of one form, and only the right signature is taken.
 */
#include "base/encode.h"
#include "pipeline/signature.h"
#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { METHOD, TARGET, TIMESTAMP, NONCE, CONTENT, SIGNATURE, LINES };
#define TEXT_MAX 4096

static const uint8_t key[GW_MAC_BYTES] = {1, 2, 3};

static void sign(const struct gw_str *lines, char tag[2 * GW_MAC_BYTES])
{
    char text[TEXT_MAX + LINES];
    uint8_t mac[GW_MAC_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < SIGNATURE; i++) {
        if (i > 0)
            text[len++] = '\n';
        if (lines[i].len > 0)
            memcpy(text + len, lines[i].ptr, lines[i].len);
        len += lines[i].len;
    }
    assert(gw_mac_once(key, (struct gw_str){text, len}, mac) == GW_OK);
    gw_hex_encode(mac, sizeof(mac), tag);
}

static void check_form(const struct gw_signature_fields *f, const struct gw_signature *sig)
{
    assert(f->timestamp.len == 10 && sig->stamp_s >= 1000000000 && sig->stamp_s <= 9999999999);
    assert(f->nonce.len >= GW_SIGNATURE_NONCE_MIN && f->nonce.len <= GW_NONCE_LEN_MAX);
    for (size_t i = 0; i < f->nonce.len; i++)
        assert(f->nonce.ptr[i] > ' ' && f->nonce.ptr[i] < 0x7f);
    assert(f->content.len == 2 * GW_MAC_BYTES && f->signature.len == 2 * GW_MAC_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str rest = {(const char *)data, size}, lines[LINES] = {GW_STR_NULL};
    char tag[2 * GW_MAC_BYTES];
    struct gw_signature sig;
    if (size > TEXT_MAX)
        return 0;
    for (size_t i = 0; i < LINES; i++)
        if (!gw_str_split(&rest, '\n', &lines[i]))
            break;
    for (size_t i = TIMESTAMP; i < LINES; i++)
        if (gw_str_eq(lines[i], GW_STR("-")))
            lines[i] = GW_STR_NULL;
    sign(lines, tag);
    if (gw_str_eq(lines[SIGNATURE], GW_STR("RIGHT")))
        lines[SIGNATURE] = (struct gw_str){tag, sizeof(tag)};
    const struct gw_signature_fields f = {lines[TIMESTAMP], lines[NONCE], lines[CONTENT], lines[SIGNATURE]};
    if (gw_signature_read(&f, &sig) != GW_KEY_OK)
        return 0;
    check_form(&f, &sig);
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, (size_t)2 * TEXT_MAX);
    const struct gw_signed_request r = {lines[METHOD], lines[TARGET], &f};
    enum gw_code code = gw_signature_verify(&r, &sig, key, &a);
    bool is_right = gw_str_eq_nocase(f.signature, (struct gw_str){tag, sizeof(tag)});
    assert(code == (is_right ? GW_OK : GW_EDENIED));
    return 0;
}
