/* SPDX-License-Identifier: Apache-2.0 */
/* Ids that anybody may hand to an operator: what opens was sealed, and what does not leaves nothing behind. */
#include "pipeline/request_id.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEY "kJ8s-2mQx7Vd_0aLwZ4pTn9cYb1rEoGh"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_secret *key;
static struct gw_id_sealer *sealer;
static struct gw_fake_random fake;

static void set_up(void)
{
    gw_fake_random_init(&fake, 1);
    if (gw_secret_new(GW_STR(KEY), &key, NULL) != GW_OK || gw_id_sealer_new(key, &fake.random, &sealer, NULL) != GW_OK)
        abort();
}

/* The bytes as they come: one chance in 2^128 to be opened. */
static void open_foreign(struct gw_str text)
{
    struct gw_refusal out, untouched;
    struct gw_error err = {.msg = ""};
    memset(&out, 0x5a, sizeof(out));
    memset(&untouched, 0x5a, sizeof(untouched));
    enum gw_code code = gw_id_open(key, text, &out, &err);
    assert(code == GW_EPARSE || code == GW_EDENIED);
    assert(memcmp(&out, &untouched, sizeof(out)) == 0 && err.msg[0] != '\0');
}

/* The bytes as a change to a good id: it opens when nothing of it was changed. */
static void open_changed(struct gw_str change)
{
    char good[GW_SEALED_ID_LEN], text[GW_SEALED_ID_LEN];
    struct gw_refusal what = {.generation = 7, .reason = gw_name_mark(change)}, out;
    if (gw_id_seal(sealer, &what, good) != GW_OK)
        abort();
    memcpy(text, good, sizeof(text));
    for (size_t i = 0; i + 1 < change.len; i += 2)
        text[(unsigned char)change.ptr[i] % sizeof(text)] = change.ptr[i + 1];
    bool same = memcmp(text, good, sizeof(text)) == 0;
    enum gw_code code = gw_id_open(key, (struct gw_str){text, sizeof(text)}, &out, NULL);
    assert((code == GW_OK) == same);
    assert(!same || (out.reason == what.reason && out.generation == 7));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (key == NULL)
        set_up();
    open_foreign((struct gw_str){(const char *)data, size});
    open_changed((struct gw_str){(const char *)data, size});
    return 0;
}
