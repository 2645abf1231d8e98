/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request heads, judged by a whole gate. First line: a digit (1: from a trusted proxy, 2: TLS, added up), method and target; then
 * a header a line. TOKEN in a header's value stands for a trader's good token, which no fuzzer could guess.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/gate_rig.h"

#define TRADER 2
#define SESSION 12
#define HEADERS_MAX 64
#define VALUE_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_rig rig;
static struct gw_str token;

static void tear_down(void)
{
    gw_rig_free(&rig);
}

static void set_up(void)
{
    gw_rig_new(&rig, NULL);
    gw_rig_put_user(&rig, TRADER, "trader", "up-2");
    gw_rig_put_session(&rig, SESSION, TRADER);
    token = gw_str(gw_rig_token(&rig, SESSION, TRADER));
    atexit(tear_down);
}

/* ---- input ---- */

static struct gw_str lower(struct gw_str s, struct gw_arena *a)
{
    char *text = gw_arena_alloc(a, s.len + 1);
    assert(text != NULL);
    for (size_t i = 0; i < s.len; i++)
        text[i] = (char)(s.ptr[i] >= 'A' && s.ptr[i] <= 'Z' ? s.ptr[i] + ('a' - 'A') : s.ptr[i]);
    return (struct gw_str){text, s.len};
}

static struct gw_str with_token(struct gw_str s, struct gw_arena *a)
{
    static const char mark[] = "TOKEN";
    const char *at = s.len > 0 ? memmem(s.ptr, s.len, mark, sizeof(mark) - 1) : NULL;
    if (at == NULL)
        return s;
    size_t before = (size_t)(at - s.ptr), after = s.len - before - (sizeof(mark) - 1);
    char *text = gw_arena_alloc(a, before + token.len + after);
    assert(text != NULL);
    memcpy(text, s.ptr, before);
    memcpy(text + before, token.ptr, token.len);
    memcpy(text + before + token.len, at + sizeof(mark) - 1, after);
    return (struct gw_str){text, before + token.len + after};
}

static bool read_head(struct gw_str input, struct gw_arena *a, struct gw_header *headers, struct gw_request_head *head)
{
    struct gw_str line, word;
    if (!gw_str_split(&input, '\n', &line) || line.len < 1)
        return false;
    unsigned flags = (unsigned)line.ptr[0] & 3;
    line = gw_str_sub(line, 1, line.len);
    if (!gw_str_split(&line, ' ', &word))
        return false;
    const uint8_t peer[16] = {[10] = 0xff, [11] = 0xff, [12] = (flags & 1) != 0 ? 10 : 192, [15] = 1};
    *head = (struct gw_request_head){.method = word, .target = line, .tls = (flags & 2) != 0, .headers = headers};
    memcpy(head->peer, peer, sizeof(peer));
    while (head->header_count < HEADERS_MAX && gw_str_split(&input, '\n', &line)) {
        size_t colon = gw_str_find(line, ':');
        if (line.len > VALUE_MAX || colon == 0)
            continue;
        headers[head->header_count++] =
            (struct gw_header){.name = lower(gw_str_sub(line, 0, colon), a),
                               .value = with_token(gw_str_trim(gw_str_sub(line, colon + 1, line.len)), a)};
    }
    return true;
}

/* ---- what must hold ---- */

static bool holds(struct gw_str s, struct gw_str part)
{
    return s.len >= part.len && memmem(s.ptr, s.len, part.ptr, part.len) != NULL;
}

static bool is_name_of_ours(struct gw_str name)
{
    return gw_str_eq(name, GW_STR(GW_SESSION_COOKIE)) || gw_str_eq(name, GW_STR(GW_REFRESH_COOKIE));
}

/* No cookie of this list is ours. */
static bool is_free_of_ours(struct gw_str list)
{
    struct gw_str pair;
    while (gw_str_split(&list, ';', &pair))
        if (is_name_of_ours(gw_str_trim(gw_str_sub(pair, 0, gw_str_find(pair, '=')))))
            return false;
    return true;
}

static void check_no_identity(const struct gw_request_head *head)
{
    static const struct gw_str never[] = {GW_STR("x-user-"),   GW_STR("x-aaiti-"),  GW_STR("x-forwarded-"),
                                          GW_STR("forwarded"), GW_STR("x-real-ip"), GW_STR("x-http-method-override")};
    for (size_t i = 0; i < head->header_count; i++)
        for (size_t k = 0; k < sizeof(never) / sizeof(never[0]); k++)
            assert(head->headers[i].drop || !gw_str_starts(head->headers[i].name, never[k]) ||
                   (never[k].ptr[never[k].len - 1] != '-' && head->headers[i].name.len != never[k].len));
}

static void check_passed(const struct gw_request_head *head, const struct gw_decision *d)
{
    bool is_public = gw_str_eq(d->route, GW_STR("GET /api/open")) || gw_str_eq(d->route, GW_STR("POST /api/open"));
    assert(is_public || d->user.len > 0);
    assert((d->user.len > 0) == (d->credential.len > 0));
    assert(!holds(d->credential, token));
    assert(d->target.len > 0 && d->target.ptr[0] == '/');
    assert(is_free_of_ours(d->cookie));
    for (size_t i = 0; i < head->header_count; i++) {
        const struct gw_header *h = &head->headers[i];
        assert(h->drop || !gw_str_eq(h->name, GW_STR("authorization")));
        assert(h->drop || !gw_str_eq(h->name, GW_STR("cookie")) || is_free_of_ours(h->value));
    }
    check_no_identity(head);
}

static void check(const struct gw_request_head *head, const struct gw_decision *d)
{
    assert(d->request_id.len == (d->action == GW_REFUSE ? GW_SEALED_ID_LEN : GW_UUID_LEN) && d->client_address.len > 0);
    switch (d->action) {
    case GW_PASS:
        check_passed(head, d);
        break;
    case GW_CONTROL:
        assert(d->credential.len == 0 && d->target.len > 0);
        check_no_identity(head);
        break;
    case GW_VERIFIED:
        assert(d->target.len > 0 && is_free_of_ours(d->cookie));
        break;
    case GW_ANSWER:
        assert(d->status == 200 && d->body.len > 0);
        break;
    case GW_REFUSE:
        assert(d->status >= 400 && d->status != 500 && d->credential.len == 0 && d->target.len == 0);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (rig.gate == NULL)
        set_up();
    if (size > 16384)
        return 0;
    struct gw_header headers[HEADERS_MAX];
    struct gw_request_head head;
    struct gw_decision d;
    gw_auto(gw_arena) struct gw_arena a;
    gw_arena_init(&a, (size_t)1 << 20);
    if (!read_head((struct gw_str){(const char *)data, size}, &a, headers, &head))
        return 0;
    struct gw_request *r = gw_request_new(rig.gate, &head, &a, &d);
    check(&head, &d);
    if (d.action == GW_PASS) {
        enum gw_handover handover = gw_request_hand_over(rig.gate, r, &d);
        /* Nobody empties this journal. */
        assert(handover != GW_HANDOVER_REFUSE || d.reason == GW_REASON_JOURNAL_FULL ||
               d.reason == GW_REASON_JOURNAL_SHARE);
        assert(handover != GW_HANDOVER_GO || gw_request_may_still_leave(rig.gate, r, &d));
        check(&head, &d);
    }
    gw_request_done(rig.gate, r);
    return 0;
}
