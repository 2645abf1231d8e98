/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person at a browser gets of the gate: the pages to sign in and out with; and where a page was asked for, a page in place of a problem, or
 * the way to the login page in place of a 401. A script of a page, which asks for something else than to be shown a document, gets the problem
 * as any client does.
 */
#include "pipeline/answers.h"
#include "pipeline/csrf.h"
#include "pipeline/next.h"
#include "pipeline/pages.h"
#include "pipeline/pipeline.h"
#include "policy/path.h"

static enum gw_code give_page(struct gw_request *r, const struct gw_buf *page)
{
    struct gw_decision *out = r->out;
    struct gw_str body;
    GW_TRY(gw_buf_check(page, NULL));
    GW_TRY(gw_arena_str(r->arena, gw_buf_str(page), &body));
    out->body = body;
    out->content_type = GW_STR("text/html; charset=utf-8");
    out->answer = GW_CLASS_PAGE;
    out->content_security = gw_page_policy;
    return GW_OK;
}

/* ---- the gate's own pages ---- */

/* Where the query is none, or says it twice, there is no such place. */
static struct gw_str next_of(struct gw_request *r)
{
    struct gw_str query = gw_str_sub(r->target, r->path.len + 1, r->target.len), next = GW_STR_NULL;
    return gw_query_get(query, GW_STR("next"), r->arena, &next) == GW_OK ? gw_next_or_root(next) : GW_STR("/");
}

static enum gw_code add_signed_in(struct gw_request *r, struct gw_str next, struct gw_buf *b)
{
    char csrf[GW_CSRF_LEN + 1];
    GW_TRY(gw_csrf_make(r->presented.token, csrf));
    gw_page_signed_in(b, &(struct gw_signed_in_page){.user = r->out->user, .csrf = gw_str(csrf), .next = next});
    return GW_OK;
}

enum gw_code gw_browser_answer(struct gw_request *r)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    bool is_login = r->route->target == GW_TARGET_LOGIN_PAGE;
    gw_buf_init(&b, GW_PAGE_MAX);
    if (r->signed_in && !r->by_key)
        GW_TRY(add_signed_in(r, is_login ? next_of(r) : GW_STR_NULL, &b));
    else if (is_login)
        gw_page_login(&b, &(struct gw_login_page){.next = next_of(r)});
    else
        gw_page_signed_out(&b);
    return give_page(r, &b);
}

/* ---- refusals ---- */

/* Fetch standard, "mode"; browsers that do not say it still accept HTML by name for a document alone. */
static bool is_navigation(const struct gw_request *r)
{
    struct gw_str accept = r->fields.accept, range;
    if (r->fields.fetch_mode.ptr != NULL && !gw_str_eq(r->fields.fetch_mode, GW_STR("navigate")))
        return false;
    while (gw_str_split(&accept, ',', &range))
        if (gw_str_eq_nocase(gw_str_trim(gw_str_sub(range, 0, gw_str_find(range, ';'))), GW_STR("text/html")))
            return true;
    return false;
}

/* What was sent by a form does not come again by being asked for. */
static enum gw_code send_to_login(struct gw_request *r)
{
    struct gw_decision *out = r->out;
    GW_TRY(gw_next_login_target(gw_method_is_safe(r->method) ? r->target : GW_STR_NULL, r->arena, &out->location));
    out->status = 303;
    out->content_type = GW_STR("text/html; charset=utf-8");
    return GW_OK;
}

static enum gw_code show_refusal(struct gw_request *r)
{
    gw_auto(gw_buf) struct gw_buf b = {0};
    gw_buf_init(&b, GW_PAGE_MAX);
    gw_page_refusal(&b, gw_reason_title(r->out->reason), r->out->request_id);
    return give_page(r, &b);
}

enum gw_code gw_browser_refuse(struct gw_request *r)
{
    /* Another proxy that asks about a page shows its own. */
    if (r->verifies || r->route == NULL || r->route->ui != GW_UI_PAGE || !is_navigation(r))
        return GW_OK;
    return r->out->status == 401 ? send_to_login(r) : show_refusal(r);
}
