/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookie of a known device. The first byte chooses what is read: 'T' the text as it is; else a cookie of the bytes behind it, rightly
 * signed, as no fuzzer could: one byte of it is changed where the first byte is 'C'. What is read is the one text that is made of it.
 */
#include "identity/device.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S 1800000000
#define HEAD 3 /* what to do, where to change it, by what */

static struct gw_mac *key;

static void tear_down(void)
{
    gw_mac_free(key);
}

static void set_up(void)
{
    gw_auto(gw_secret) struct gw_secret *kek = NULL;
    if (gw_secret_new(GW_STR("mB5xT8nV2cQ7zK4wR9yL1hF6jD3gS0pA"), &kek, NULL) != GW_OK ||
        gw_device_key(kek, &key, NULL) != GW_OK)
        abort();
    atexit(tear_down);
}

static enum gw_code read_back(struct gw_str text, struct gw_device_cookie *out)
{
    char again[GW_DEVICE_COOKIE_LEN + 1];
    enum gw_code code = gw_device_read(key, text, NOW_S, out);
    assert(code == GW_OK || code == GW_EDENIED);
    if (code != GW_OK)
        return code;
    assert(out->expires_s > NOW_S);
    assert(gw_device_make(key, out, again, NULL) == GW_OK && gw_str_eq(gw_str(again), text));
    return GW_OK;
}

static void read_signed(const uint8_t *data, size_t size)
{
    struct gw_device_cookie c = {.expires_s = 0}, out;
    char text[GW_DEVICE_COOKIE_LEN + 1];
    uint8_t bytes[sizeof(c.user_id.b) + sizeof(c.nonce) + sizeof(c.expires_s)] = {0};
    memcpy(bytes, data + HEAD, size - HEAD < sizeof(bytes) ? size - HEAD : sizeof(bytes));
    memcpy(c.user_id.b, bytes, sizeof(c.user_id.b));
    memcpy(c.nonce, bytes + sizeof(c.user_id.b), sizeof(c.nonce));
    memcpy(&c.expires_s, bytes + sizeof(c.user_id.b) + sizeof(c.nonce), sizeof(c.expires_s));
    assert(gw_device_make(key, &c, text, NULL) == GW_OK);
    char *at = &text[data[1] % GW_DEVICE_COOKIE_LEN], was = *at;
    if (data[0] == 'C')
        *at = (char)data[2];
    bool is_good = *at == was && c.expires_s > NOW_S;
    assert((read_back((struct gw_str){text, GW_DEVICE_COOKIE_LEN}, &out) == GW_OK) == is_good);
    assert(!is_good || (gw_uuid_eq(&out.user_id, &c.user_id) && out.expires_s == c.expires_s &&
                        memcmp(out.nonce, c.nonce, sizeof(c.nonce)) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_device_cookie out;
    if (key == NULL)
        set_up();
    if (size < HEAD)
        return 0;
    if (data[0] == 'T')
        (void)!read_back((struct gw_str){(const char *)data + 1, size - 1}, &out);
    else
        read_signed(data, size);
    return 0;
}
