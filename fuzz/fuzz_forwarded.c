/* SPDX-License-Identifier: Apache-2.0 */
/* The header Forwarded. What is accepted: a proxy's element after it stays the last hop, whatever a client wrote before. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With what a proxy adds. */
static void check_last(struct gw_str line, struct gw_str added, struct gw_str hop)
{
    struct gw_str hops[GW_FORWARDED_HOPS_MAX];
    size_t count;
    char *text = malloc(line.len + added.len);
    assert(text != NULL);
    if (line.len > 0)
        memcpy(text, line.ptr, line.len);
    memcpy(text + line.len, added.ptr, added.len);
    if (gw_forwarded_parse((struct gw_str){text, line.len + added.len}, hops, &count) == GW_OK) {
        struct gw_ip ip;
        assert(count > 0 && gw_str_eq(hops[count - 1], hop));
        assert(gw_forwarded_address(hops[count - 1], &ip) == GW_OK);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str line = {(const char *)data, size}, hops[GW_FORWARDED_HOPS_MAX];
    struct gw_ip ip;
    size_t count = 0;
    if (gw_forwarded_parse(line, hops, &count) == GW_OK) {
        assert(count > 0 && count <= GW_FORWARDED_HOPS_MAX);
        for (size_t i = 0; i < count; i++) {
            assert(hops[i].len == 0 || (hops[i].ptr >= line.ptr && hops[i].ptr + hops[i].len <= line.ptr + line.len));
            (void)!gw_forwarded_address(hops[i], &ip);
        }
    }
    (void)!gw_forwarded_address(line, &ip);
    check_last(line, GW_STR(", for=192.0.2.9"), GW_STR("192.0.2.9"));
    check_last(line, GW_STR(",for=\"[2001:db8::1]:80\";proto=https"), GW_STR("[2001:db8::1]:80"));
    return 0;
}
