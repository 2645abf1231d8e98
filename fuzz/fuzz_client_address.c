/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X-Forwarded-For, a header a line, as a trusted proxy hands it on, judged by a whole gate. Whatever a client wrote before: the address that
 * the proxy adds is the client's, and another trusted proxy's behind it changes nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/ip.h"
#include "pipeline/gate_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADERS_MAX 16
#define TEXT_MAX 4096

static struct gw_rig rig;

static void tear_down(void)
{
    gw_rig_free(&rig);
}

static void set_up(void)
{
    gw_rig_new(&rig, NULL);
    atexit(tear_down);
}

struct asked {
    bool is_refused; /* for its address */
    char client[GW_IP_LEN + 1];
};

static struct asked ask(struct gw_str lines, bool from_proxy)
{
    static const struct gw_str name = GW_STR("x-forwarded-for");
    struct gw_header headers[HEADERS_MAX] = {{.name = GW_STR_NULL}};
    struct gw_request_head head = {.method = GW_STR("GET"), .target = GW_STR("/api/open"), .headers = headers};
    const uint8_t peer[16] = {[10] = 0xff, [11] = 0xff, [12] = from_proxy ? 10 : 192, [15] = 1};
    struct gw_decision d;
    struct gw_str line;
    struct asked a = {.is_refused = false};
    gw_auto(gw_arena) struct gw_arena arena;
    gw_arena_init(&arena, (size_t)1 << 18);
    memcpy(head.peer, peer, sizeof(peer));
    while (head.header_count < HEADERS_MAX && gw_str_split(&lines, '\n', &line))
        headers[head.header_count++] = (struct gw_header){.name = name, .value = line};
    struct gw_request *r = gw_request_new(rig.gate, &head, &arena, &d);
    a.is_refused = d.reason == GW_REASON_BAD_ADDRESS;
    assert(d.client_address.len > 0 && d.client_address.len <= GW_IP_LEN);
    memcpy(a.client, d.client_address.ptr, d.client_address.len);
    gw_request_done(rig.gate, r);
    return a;
}

static struct asked ask_with(struct gw_str lines, struct gw_str added)
{
    char text[TEXT_MAX + 64];
    size_t len = lines.len;
    if (len > 0)
        memcpy(text, lines.ptr, len);
    memcpy(text + len, added.ptr, added.len);
    return ask((struct gw_str){text, len + added.len}, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_str lines = {(const char *)data, size};
    struct gw_ip ip;
    if (rig.gate == NULL)
        set_up();
    size_t count = 1;
    for (size_t i = 0; i < size; i++)
        count += data[i] == '\n';
    if (size > TEXT_MAX || count > HEADERS_MAX - 1)
        return 0;
    const struct asked as_is = ask(lines, true), added = ask_with(lines, GW_STR(", 203.0.113.9")),
                       in_a_line = ask_with(lines, GW_STR("\n203.0.113.9")),
                       twice = ask_with(lines, GW_STR(", 10.0.0.9")), stranger = ask(lines, false);
    assert(gw_ip_parse(gw_str(as_is.client), &ip) == GW_OK);
    assert(!added.is_refused && strcmp(added.client, "203.0.113.9") == 0);
    assert(!in_a_line.is_refused && strcmp(in_a_line.client, "203.0.113.9") == 0);
    assert(!stranger.is_refused && strcmp(stranger.client, "192.0.0.1") == 0);
    if (size > 0 && data[size - 1] != '\n') /* else it would be an element more */
        assert(twice.is_refused == as_is.is_refused && strcmp(twice.client, as_is.client) == 0);
    return 0;
}
