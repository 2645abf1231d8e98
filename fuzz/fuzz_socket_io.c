/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of Socket.IO: what is taken has the parts that it says, and a CONNECT that is written again is one, with our credential alone. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "websocket/socket_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_connect(const struct gw_socket_io_packet *p)
{
    char *spare = malloc(p->data.len + 1);
    assert(spare != NULL);
    gw_auto(gw_buf) struct gw_buf out = {0};
    struct gw_str presented;
    gw_buf_init(&out, 1 << 16);
    if (gw_socket_io_connect(p, GW_STR("token"), GW_STR("minted"), spare, &out, &presented) && out.failed == GW_OK) {
        struct gw_socket_io_packet again;
        gw_auto(gw_buf) struct gw_buf twice = {0};
        gw_buf_init(&twice, 1 << 16);
        assert(gw_socket_io_parse(out.ptr, out.len, &again) == NULL && again.kind == GW_SOCKET_IO_CONNECT);
        char *room = malloc(again.data.len + 1);
        assert(room != NULL &&
               gw_socket_io_connect(&again, GW_STR("token"), GW_STR("other"), room, &twice, &presented));
        assert(gw_str_eq(presented, GW_STR("minted")));
        free(room);
    }
    free(spare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    char *text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    struct gw_socket_io_packet p;
    if (gw_socket_io_parse(text, size, &p) == NULL && p.engine == GW_ENGINE_MESSAGE) {
        bool is_event = p.kind == GW_SOCKET_IO_EVENT || p.kind == GW_SOCKET_IO_BINARY_EVENT;
        assert(p.namespace.len > 0 && p.namespace.ptr[0] == '/');
        assert(p.id.len <= GW_SOCKET_IO_ID_MAX && p.attachments <= GW_SOCKET_IO_ATTACHMENTS_MAX);
        assert(is_event || p.event.len == 0);
        assert(p.event.len == 0 || memchr(p.event.ptr, 0, p.event.len) == NULL);
        if (p.kind == GW_SOCKET_IO_CONNECT)
            check_connect(&p);
    }
    free(text);
    return 0;
}
