/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Envelopes and wrapped keys, as whoever can write the database may put them there: nothing but what was sealed opens, and what does
 * not leaves nothing behind. The input is taken as it is, and as a change to a good envelope, of which it cuts the end too.
 */
#include "crypto/keyring.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEY_ID 7u
#define BEFORE "before"
#define NAME GW_STR("users/one/secret")
#define ENVELOPE_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_secret *kek;
static struct gw_keyring *ring;
static struct gw_fake_random fake;
static uint8_t wrapped[GW_KEYRING_WRAPPED_BYTES];

static void set_up(void)
{
    static const char bytes[GW_KEK_BYTES] = "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoG";
    gw_fake_random_init(&fake, 1);
    if (gw_secret_new((struct gw_str){bytes, sizeof(bytes)}, &kek, NULL) != GW_OK ||
        gw_keyring_new(kek, &fake.random, &ring, NULL) != GW_OK ||
        gw_keyring_make(ring, KEY_ID, wrapped, NULL) != GW_OK ||
        gw_keyring_add(ring, KEY_ID, wrapped, 0, NULL) != GW_OK)
        abort();
}

/* A block of its own size: a sanitizer sees a read past its end. */
static char *copy_of(struct gw_str s)
{
    char *block = malloc(s.len > 0 ? s.len : 1);
    if (block == NULL)
        abort();
    if (s.len > 0)
        memcpy(block, s.ptr, s.len);
    return block;
}

/* What it opens as, after what stood in out before; a refusal leaves that as it was. */
static enum gw_code open_into(struct gw_buf *out, struct gw_str name, struct gw_str envelope)
{
    struct gw_error err = {.msg = ""};
    gw_buf_init(out, ENVELOPE_MAX);
    gw_buf_add(out, gw_str(BEFORE));
    enum gw_code code = gw_keyring_open(ring, name, envelope, out, &err);
    assert(code == GW_OK || (code == GW_EDENIED && err.msg[0] != '\0'));
    assert(code == GW_OK || gw_str_eq(gw_buf_str(out), gw_str(BEFORE)));
    return code;
}

/* One chance in 2^128 to be opened. The id is told of a whole envelope alone. */
static void open_foreign(struct gw_str bytes)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    char *block = copy_of(bytes);
    const struct gw_str envelope = {block, bytes.len};
    assert(bytes.len >= GW_KEYRING_OVERHEAD || gw_keyring_id_of(envelope) == 0);
    assert(open_into(&out, NAME, envelope) == GW_EDENIED);
    free(block);
}

/* The first byte says how much of the end is missing, then pairs say which byte becomes which. */
static size_t change(char *envelope, size_t len, struct gw_str how)
{
    size_t cut = how.len > 0 ? (uint8_t)how.ptr[0] % (len + 1) : 0;
    for (size_t i = 1; i + 1 < how.len; i += 2)
        envelope[(uint8_t)how.ptr[i] % len] = how.ptr[i + 1];
    return len - cut;
}

/* Text and change are the same bytes. It opens when nothing was changed, and under its own name alone. */
static void open_changed(struct gw_str bytes)
{
    gw_auto(gw_buf) struct gw_buf good = {0}, out = {0}, other = {0};
    const struct gw_str text = gw_str_sub(bytes, 0, 64);
    gw_buf_init(&good, ENVELOPE_MAX);
    gw_keyring_allow(ring, gw_keyring_seals(ring) + 1);
    if (gw_keyring_seal(ring, NAME, text, &good, NULL) != GW_OK)
        abort();
    assert(good.len == text.len + GW_KEYRING_OVERHEAD && gw_keyring_id_of(gw_buf_str(&good)) == KEY_ID);
    char *changed = copy_of(gw_buf_str(&good));
    size_t len = change(changed, good.len, bytes);
    char *block = copy_of((struct gw_str){changed, len});
    const struct gw_str envelope = {block, len};
    bool is_same = gw_str_eq(envelope, gw_buf_str(&good));
    assert((open_into(&out, NAME, envelope) == GW_OK) == is_same);
    assert(!is_same || gw_str_eq(gw_str_sub(gw_buf_str(&out), sizeof(BEFORE) - 1, out.len), text));
    assert(open_into(&other, GW_STR("users/two/secret"), envelope) == GW_EDENIED);
    free(block);
    free(changed);
}

static void unwrap_foreign(struct gw_str bytes)
{
    uint8_t row[GW_KEYRING_WRAPPED_BYTES];
    memcpy(row, wrapped, sizeof(row));
    for (size_t i = 0; i + 1 < bytes.len; i += 2)
        row[(uint8_t)bytes.ptr[i] % sizeof(row)] = (uint8_t)bytes.ptr[i + 1];
    /* Under another id not even the unchanged one is taken. */
    assert(gw_keyring_add(ring, KEY_ID + 1, row, 0, NULL) == GW_EDENIED);
    assert(gw_keyring_sealing_id(ring) == KEY_ID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_str bytes = {(const char *)data, size};
    if (ring == NULL)
        set_up();
    open_foreign(bytes);
    open_changed(bytes);
    unwrap_foreign(bytes);
    return 0;
}
