/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of Socket.IO. A client enters a namespace by a CONNECT, which goes on with the gateway's credential in place of the client's; only then
 * may it send events there, each under the right that its name has in the policy. An event that is refused is answered, and the socket stays.
 */
#include "pipeline/answers.h"
#include "pipeline/socket.h"

#include <stdlib.h>

#include "crypto/secret.h"
#include "websocket/socket_io.h"

/* A title, a type, the name of an event that was refused, and a payload of CONNECT with a token. */
#define ANSWER_MAX_BYTES ((size_t)4 * GW_WEBSOCKET_NAME_MAX + 1024)
#define BEARER GW_STR("Bearer ")
#define MINT_MAX_BYTES ((size_t)16 * 1024)

static enum gw_message_fate close_for(struct gw_socket *s, const char *fault)
{
    gw_socket_close(s, GW_CLOSE_POLICY, gw_str(fault));
    return GW_MESSAGE_IS_DROPPED;
}

static uint32_t bit_of(const struct gw_websocket *rules, struct gw_str namespace)
{
    for (size_t i = 0; i < rules->namespace_count; i++)
        if (gw_str_eq(rules->namespaces[i], namespace))
            return UINT32_C(1) << i;
    return 0;
}

/* ---- CONNECT ---- */

static enum gw_message_fate refuse_connect(struct gw_socket *s, const struct gw_socket_io_packet *p, struct gw_str why)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, ANSWER_MAX_BYTES);
    gw_socket_io_connect_error(p->namespace, why, &b);
    gw_socket_tell_client(s, gw_buf_str(&b));
    return GW_MESSAGE_IS_DROPPED;
}

static bool is_none(struct gw_str token)
{
    return token.len == 0 || gw_str_eq(token, GW_STR("null")) || gw_str_eq(token, GW_STR("undefined"));
}

/* A token of another session than the one that has opened the socket would have the backend show another user's. A key is the one that was shown. */
static bool is_of_session(const struct gw_request *r, struct gw_str token)
{
    struct gw_jwt_claims claims;
    struct gw_uuid user;
    if (r->by_key)
        return gw_bytes_eq(token.ptr, token.len, r->presented.token.ptr, r->presented.token.len);
    return gw_jwt_verify(r->snapshot->verifier, token, r->now_s, &claims) == GW_JWT_OK &&
           gw_uuid_eq(&claims.sid, &r->session_id) && gw_uuid_parse(claims.sub, &user) == GW_OK &&
           gw_uuid_eq(&user, &r->user_id);
}

/* Minted anew, for the one of the handshake lives for a minute; and not into the request's arena, for a client may enter and leave as often as he likes. */
static enum gw_reason mint(struct gw_request *r, struct gw_arena *scratch, struct gw_str *out)
{
    struct gw_arena *own = r->arena;
    struct gw_verdict v = {.reason = GW_REASON_NONE};
    r->arena = scratch;
    enum gw_code code = gw_stage_identity(r, &v);
    r->arena = own;
    *out = gw_str_sub(r->out->credential, BEARER.len, r->out->credential.len);
    r->out->credential = GW_STR_NULL;
    return code == GW_OK ? v.reason : GW_REASON_INTERNAL;
}

static enum gw_message_fate write_connect(struct gw_socket *s, const struct gw_socket_io_packet *p, char *spare)
{
    struct gw_request *r = s->request;
    struct gw_str presented, credential;
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_auto(gw_arena) struct gw_arena scratch;
    gw_arena_init(&scratch, MINT_MAX_BYTES);
    gw_buf_init(&b, s->rules->message_max_bytes + ANSWER_MAX_BYTES);
    enum gw_reason reason = mint(r, &scratch, &credential);
    if (!gw_socket_io_connect(p, s->rules->connect_token, credential, spare, &b, &presented))
        return close_for(s, "a CONNECT whose payload is no JSON object with that token");
    if (!is_none(presented) && !is_of_session(r, presented))
        return refuse_connect(s, p, GW_STR("Authentication error"));
    if (reason != GW_REASON_NONE)
        return refuse_connect(s, p, gw_reason_title(reason));
    if (gw_buf_check(&b, NULL) != GW_OK)
        return close_for(s, "a CONNECT that is too long");
    gw_socket_tell_upstream(s, gw_buf_str(&b));
    s->namespaces |= bit_of(s->rules, p->namespace);
    return GW_MESSAGE_IS_DROPPED;
}

static enum gw_message_fate connect(struct gw_socket *s, const struct gw_socket_io_packet *p)
{
    uint32_t bit = bit_of(s->rules, p->namespace);
    if (bit == 0)
        return refuse_connect(s, p, GW_STR("Invalid namespace"));
    if ((s->namespaces & bit) != 0)
        return close_for(s, "a second CONNECT to a namespace");
    if (s->rules->connect_token.len == 0) {
        s->namespaces |= bit;
        return GW_MESSAGE_GOES_ON;
    }
    char *spare = malloc(p->data.len + 1);
    if (spare == NULL)
        return close_for(s, "out of memory");
    enum gw_message_fate fate = write_connect(s, p, spare);
    gw_wipe(spare, p->data.len + 1);
    free(spare);
    return fate;
}

/* ---- events ---- */

static enum gw_message_fate refuse_event(struct gw_socket *s, const struct gw_socket_io_packet *p,
                                         enum gw_reason reason)
{
    const struct gw_socket_io_refusal refusal = {
        .title = gw_reason_title(reason), .type = gw_reason_type(reason), .status = gw_reason_status(reason)};
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, ANSWER_MAX_BYTES);
    gw_socket_io_refuse(p, &refusal, &b);
    if (gw_buf_check(&b, NULL) != GW_OK)
        return close_for(s, "an event with a name that is too long");
    gw_socket_tell_client(s, gw_buf_str(&b));
    gw_socket_note_refusal(s, reason);
    return GW_MESSAGE_IS_DROPPED;
}

static enum gw_message_fate judge_event(struct gw_socket *s, struct gw_message *m, const struct gw_socket_io_packet *p)
{
    m->event = gw_websocket_event(s->rules, p->event);
    enum gw_reason reason = m->event != NULL ? gw_socket_judge_event(s, m->event) : GW_REASON_NO_ROUTE;
    if (reason == GW_REASON_NONE)
        return GW_MESSAGE_GOES_ON;
    s->drops_attachments = true;
    return refuse_event(s, p, reason);
}

static enum gw_message_fate judge_message(struct gw_socket *s, struct gw_message *m,
                                          const struct gw_socket_io_packet *p)
{
    uint32_t bit = bit_of(s->rules, p->namespace);
    if (p->kind == GW_SOCKET_IO_CONNECT)
        return connect(s, p);
    if ((s->namespaces & bit) == 0)
        return close_for(s, "a packet for a namespace that was not entered");
    s->attachments = p->attachments;
    s->drops_attachments = false;
    if (p->kind == GW_SOCKET_IO_DISCONNECT)
        s->namespaces &= ~bit;
    bool is_event = p->kind == GW_SOCKET_IO_EVENT || p->kind == GW_SOCKET_IO_BINARY_EVENT;
    return is_event ? judge_event(s, m, p) : GW_MESSAGE_GOES_ON;
}

static enum gw_message_fate take_attachment(struct gw_socket *s)
{
    if (s->attachments == 0) {
        gw_socket_close(s, GW_CLOSE_UNSUPPORTED, GW_STR("a binary message that belongs to no event"));
        return GW_MESSAGE_IS_DROPPED;
    }
    s->attachments--;
    return s->drops_attachments ? GW_MESSAGE_IS_DROPPED : GW_MESSAGE_GOES_ON;
}

enum gw_message_fate gw_message_judge_socket_io(struct gw_socket *s, struct gw_message *m)
{
    struct gw_socket_io_packet p;
    if (m->opcode == GW_OPCODE_BINARY)
        return take_attachment(s);
    if (s->attachments > 0)
        return close_for(s, "a text in place of an attachment");
    const char *fault = gw_socket_io_parse(m->text, m->len, &p);
    if (fault != NULL)
        return close_for(s, fault);
    return p.engine == GW_ENGINE_MESSAGE ? judge_message(s, m, &p) : GW_MESSAGE_GOES_ON;
}
