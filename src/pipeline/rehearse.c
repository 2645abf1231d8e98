/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request is put together as the adapter would, and walked through the table of pipeline.c. What only a real one has, a credential
 * that verifies and keys to sign with, is left out by the two stages that want it (stage.def).
 */
#include "pipeline/rehearse.h"

#define HEADERS_MAX 4
#define HOST GW_STR("gateway.invalid")

static void add_header(struct gw_request_head *head, struct gw_str name, struct gw_str value)
{
    head->headers[head->header_count++] = (struct gw_header){.name = name, .value = value};
}

static void write_head(const struct gw_rehearsal *in, struct gw_header headers[HEADERS_MAX],
                       struct gw_request_head *out)
{
    static const struct gw_client_certificate certificate = {.not_after_s = INT64_MAX};
    *out = (struct gw_request_head){.method = in->method, .target = in->target, .tls = true, .headers = headers};
    add_header(out, GW_STR("host"), HOST);
    if (in->by == GW_CREDENTIAL_BEARER)
        add_header(out, GW_STR("authorization"), GW_STR("Bearer rehearsed"));
    if (in->by == GW_CREDENTIAL_KEY)
        add_header(out, GW_STR("x-api-key"), GW_STR("rehearsed"));
    if (in->by == GW_CREDENTIAL_COOKIE)
        add_header(out, GW_STR("cookie"), GW_STR(GW_SESSION_COOKIE "=rehearsed"));
    if (in->by == GW_CREDENTIAL_CERTIFICATE)
        out->certificate = &certificate;
    if (in->origin.len > 0)
        add_header(out, GW_STR("origin"), in->origin);
    if (in->fetch_site.len > 0)
        add_header(out, GW_STR("sec-fetch-site"), in->fetch_site);
}

static struct gw_opinion ask(const struct gw_stage *stage, struct gw_request *r)
{
    struct gw_verdict v = {.reason = GW_REASON_NONE};
    enum gw_code code = stage->rehearse != NULL ? stage->rehearse(r, &v) : stage->check(r, &v);
    if (code != GW_OK)
        v = (struct gw_verdict){.reason = GW_REASON_INTERNAL};
    return (struct gw_opinion){.kind = v.reason == GW_REASON_NONE ? GW_OPINION_OK : GW_OPINION_REFUSES,
                               .reason = v.reason,
                               .detail = gw_detail_text(v.detail)};
}

enum gw_code gw_rehearse(const struct gw_rehearsal *in, struct gw_arena *a, struct gw_rehearsed *out,
                         struct gw_error *err)
{
    struct gw_header headers[HEADERS_MAX];
    struct gw_request_head head;
    struct gw_decision decision = {.action = GW_REFUSE};
    struct gw_snapshot *snapshot = gw_arena_calloc(a, 1, sizeof(*snapshot));
    struct gw_request *r = gw_arena_calloc(a, 1, sizeof(*r));
    if (snapshot == NULL || r == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory to rehearse a request");
    write_head(in, headers, &head);
    snapshot->settings = *in->settings;
    snapshot->policy = (struct gw_policy *)(uintptr_t)in->policy; /* drops const: the stages only read it */
    r->snapshot = snapshot;
    r->head = &head;
    r->arena = a;
    r->out = &decision;
    r->rehearsed_modes = in->modes;
    r->rehearsed_block = in->block;
    r->rehearsed_key = in->by == GW_CREDENTIAL_KEY || in->by == GW_CREDENTIAL_CERTIFICATE ? in->key : NULL;
    r->client = in->client;
    r->now_s = in->now_s;
    if (in->user != NULL)
        r->user = *in->user;
    *out = (struct gw_rehearsed){.allowed = true};
    GW_TRY(gw_cors_load(&snapshot->settings, a, &snapshot->cors));
    for (size_t i = 0; i < GW_STAGE_COUNT && out->allowed; i++) {
        out->opinions[i] = ask(&gw_stages[i], r);
        out->allowed = out->opinions[i].kind == GW_OPINION_OK;
    }
    out->route = r->route;
    out->target = decision.target;
    out->signed_in = r->signed_in;
    out->budget = r->quota.budget;
    out->shown = decision.credential_name.len > 0;
    return GW_OK;
}
