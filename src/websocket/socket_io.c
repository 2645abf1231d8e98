/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar: engine kind, and in a message: kind, attachments and `-` where it is binary, namespace and `,` where it begins with `/`, digits
 * of an id, JSON. The packages take a blank for a digit, `0x1` for a number, and a text that begins with `b` for a binary message; here all of them are
 * faults.
 */
#include "websocket/socket_io.h"

#include "token/scan.h"

#include <assert.h>
#include <string.h>

struct reader {
    char *at, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static struct gw_str take_digits(struct reader *r, size_t max)
{
    char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && (size_t)(r->at - start) < max)
        r->at++;
    return (struct gw_str){start, (size_t)(r->at - start)};
}

static bool take_attachments(struct reader *r, unsigned *out)
{
    struct gw_str digits = take_digits(r, 2);
    int64_t count;
    if (!gw_str_to_i64(digits, &count) || count > GW_SOCKET_IO_ATTACHMENTS_MAX || !take(r, '-'))
        return false;
    *out = (unsigned)count;
    return true;
}

/* Up to its comma, which may be missing at the end alone. A query in it would be the server's to cut off. */
static bool take_namespace(struct reader *r, struct gw_str *out)
{
    *out = GW_STR("/");
    if (r->at == r->end || *r->at != '/')
        return true;
    char *start = r->at;
    while (r->at < r->end && *r->at != ',') {
        if (*r->at <= ' ' || *r->at > '~' || *r->at == '?' || *r->at == '"' || *r->at == '\\')
            return false;
        r->at++;
    }
    *out = (struct gw_str){start, (size_t)(r->at - start)};
    (void)take(r, ',');
    return true;
}

static bool is_binary(enum gw_socket_io_kind kind)
{
    return kind == GW_SOCKET_IO_BINARY_EVENT || kind == GW_SOCKET_IO_BINARY_ACK;
}

/* Of an array the first value says what it is; the rest is the backend's to read. */
static bool read_name(struct gw_str data, struct gw_str *out)
{
    struct gw_scan scan;
    struct gw_scan_list list;
    gw_scan_init(&scan, (char *)(uintptr_t)data.ptr, data.len);
    return gw_scan_enter(&scan, '[', &list) && gw_scan_item(&scan, &list) && gw_scan_peek(&scan) == GW_SCAN_STRING &&
           gw_scan_value(&scan, out) == GW_SCAN_STRING;
}

static const char *read_message(struct reader *r, struct gw_socket_io_packet *out)
{
    if (r->at == r->end || *r->at < GW_SOCKET_IO_CONNECT || *r->at > GW_SOCKET_IO_BINARY_ACK)
        return "not a packet of Socket.IO";
    out->kind = (enum gw_socket_io_kind) * r->at++;
    if (out->kind == GW_SOCKET_IO_CONNECT_ERROR)
        return "a packet that servers alone send";
    if (is_binary(out->kind) && !take_attachments(r, &out->attachments))
        return "a packet with a wrong number of attachments";
    if (!take_namespace(r, &out->namespace))
        return "a packet with a wrong namespace";
    out->id = take_digits(r, GW_SOCKET_IO_ID_MAX);
    out->data = (struct gw_str){r->at, (size_t)(r->end - r->at)};
    char first = out->data.len > 0 ? out->data.ptr[0] : '\0';
    bool has_event = out->kind == GW_SOCKET_IO_EVENT || out->kind == GW_SOCKET_IO_BINARY_EVENT;
    bool has_id = out->id.len > 0;
    if (out->kind == GW_SOCKET_IO_CONNECT && ((first != '{' && first != '\0') || has_id))
        return "a CONNECT with a payload that is no object";
    if (out->kind == GW_SOCKET_IO_DISCONNECT && (first != '\0' || has_id))
        return "a DISCONNECT with a payload";
    if ((out->kind == GW_SOCKET_IO_ACK || out->kind == GW_SOCKET_IO_BINARY_ACK) && (first != '[' || !has_id))
        return "an acknowledgement without id or array";
    if (has_event && (first != '[' || !read_name(out->data, &out->event)))
        return "an event without a name";
    return NULL;
}

const char *gw_socket_io_parse(char *text, size_t len, struct gw_socket_io_packet *out)
{
    struct reader r = {text, text + len};
    *out = (struct gw_socket_io_packet){.namespace = GW_STR_NULL};
    if (len == 0)
        return "an empty message";
    out->engine = (enum gw_engine_kind) * r.at++;
    switch (out->engine) {
    case GW_ENGINE_CLOSE:
    case GW_ENGINE_PONG:
        return r.at == r.end ? NULL : "a packet of Engine.IO with a payload that it never has";
    case GW_ENGINE_MESSAGE:
        return read_message(&r, out);
    }
    return "a packet of Engine.IO that no client sends over a WebSocket";
}

/* ---- CONNECT ---- */

/* Where a value stands in the payload; end 0: nowhere. */
struct span {
    size_t start, end;
};

static bool find_member(struct gw_str data, struct gw_str member, char *spare, struct span *out,
                        struct gw_str *out_presented)
{
    struct gw_scan scan;
    struct gw_scan_list list;
    struct gw_str name, value;
    memcpy(spare, data.ptr, data.len);
    gw_scan_init(&scan, spare, data.len);
    *out = (struct span){0, 0};
    *out_presented = GW_STR_NULL;
    if (!gw_scan_enter(&scan, '{', &list))
        return false;
    while (gw_scan_member(&scan, &list, &name)) {
        bool is_it = gw_str_eq(name, member);
        enum gw_scan_kind kind = gw_scan_peek(&scan); /* passes over blanks */
        size_t start = (size_t)(scan.at - spare);
        if (gw_scan_value(&scan, &value) != kind)
            return false;
        bool is_null = kind == GW_SCAN_LITERAL && gw_str_eq(value, GW_STR("null"));
        if (!is_it)
            continue;
        if (kind != GW_SCAN_STRING && !is_null)
            return false;
        *out = (struct span){start, (size_t)(scan.at - spare)};
        *out_presented = is_null ? GW_STR_NULL : value;
    }
    return gw_scan_done(&scan);
}

static void add_start(enum gw_socket_io_kind kind, struct gw_str namespace, struct gw_buf *out)
{
    gw_buf_addc(out, GW_ENGINE_MESSAGE);
    gw_buf_addc(out, (char)kind);
    if (namespace.len > 1) {
        gw_buf_add(out, namespace);
        gw_buf_addc(out, ',');
    }
}

bool gw_socket_io_connect(const struct gw_socket_io_packet *p, struct gw_str member, struct gw_str credential,
                          char *spare, struct gw_buf *out, struct gw_str *out_presented)
{
    struct gw_str data = p->data.len > 0 ? p->data : GW_STR("{}");
    struct span at = {0, 0};
    *out_presented = GW_STR_NULL;
    if (p->data.len > 0 && !find_member(p->data, member, spare, &at, out_presented))
        return false;
    add_start(GW_SOCKET_IO_CONNECT, p->namespace, out);
    if (at.end > 0) {
        gw_buf_add(out, gw_str_sub(data, 0, at.start));
        gw_buf_addf(out, "\"%.*s\"", GW_STR_ARG(credential));
        gw_buf_add(out, gw_str_sub(data, at.end, data.len));
        return true;
    }
    struct gw_str rest = gw_str_sub(data, 1, data.len);
    bool has_others = false;
    for (size_t i = 0; i < rest.len && !has_others; i++)
        has_others = rest.ptr[i] == '"';
    gw_buf_addf(out, "{\"%.*s\":\"%.*s\"%s", GW_STR_ARG(member), GW_STR_ARG(credential), has_others ? "," : "");
    gw_buf_add(out, rest);
    return true;
}

/* ---- what a server says ---- */

void gw_socket_io_connect_error(struct gw_str namespace, struct gw_str title, struct gw_buf *out)
{
    add_start(GW_SOCKET_IO_CONNECT_ERROR, namespace, out);
    gw_buf_addf(out, "{\"message\":\"%.*s\"}", GW_STR_ARG(title));
}

static void add_refusal(const struct gw_socket_io_refusal *f, struct gw_buf *out)
{
    gw_buf_addf(out, "\"type\":\"urn:aaiti:problem:%.*s\",\"title\":\"%.*s\",\"status\":%u,\"error\":\"%.*s\"}]",
                GW_STR_ARG(f->type), GW_STR_ARG(f->title), f->status, GW_STR_ARG(f->title));
}

void gw_socket_io_refuse(const struct gw_socket_io_packet *p, const struct gw_socket_io_refusal *refusal,
                         struct gw_buf *out)
{
    bool is_acknowledged = p->id.len > 0;
    add_start(is_acknowledged ? GW_SOCKET_IO_ACK : GW_SOCKET_IO_EVENT, p->namespace, out);
    gw_buf_add(out, p->id);
    if (is_acknowledged) {
        gw_buf_add(out, GW_STR("[{"));
    } else {
        gw_buf_add(out, GW_STR("[\"aaiti_error\",{\"event\":"));
        gw_buf_add_json(out, p->event);
        gw_buf_addc(out, ',');
    }
    add_refusal(refusal, out);
}
