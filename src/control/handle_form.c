/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of the gateway's own pages to sign in and out with: the same calls as those of an API, told to a person. */
#include "control/exchange.h"
#include "pipeline/csrf.h"
#include "pipeline/next.h"
#include "pipeline/pages.h"

static enum gw_code go_to(struct gw_exchange *x, struct gw_str target, struct gw_error *err)
{
    gw_buf_add(&x->reply->location, target);
    x->reply->status = 303;
    return gw_buf_check(&x->reply->location, err);
}

static struct gw_str next_of(const struct gw_exchange *x)
{
    return gw_next_or_root(gw_exchange_str(x, "next"));
}

/* What the problem says of itself; of a password, what helps. */
static struct gw_str trouble_of(const struct gw_exchange *x)
{
    if (x->reply->status == 401)
        return GW_STR("The user name or the password is wrong.");
    return gw_str(json_string_value(json_object_get(x->reply->body, "error")));
}

/* ---- signing in ---- */

static enum gw_code reply_form(struct gw_exchange *x, const struct gw_signed_in *s, struct gw_error *err)
{
    GW_TRY(gw_reply_sign_in_cookies(x, s, err));
    return go_to(x, next_of(x), err);
}

enum gw_code gw_handle_login_form(struct gw_exchange *x, struct gw_error *err)
{
    return gw_exchange_sign_in(x, gw_exchange_str(x, "username"), reply_form, err);
}

void gw_show_login_form(struct gw_exchange *x)
{
    gw_page_login(
        &x->reply->page,
        &(struct gw_login_page){.next = next_of(x), .name = gw_exchange_str(x, "username"), .trouble = trouble_of(x)});
}

/* ---- signing out ---- */

/* Whatever else the browser said of where the form came from: it said nothing against it (pipeline/stage_cross_site.c). */
enum gw_code gw_handle_logout_form(struct gw_exchange *x, struct gw_error *err)
{
    if (!gw_csrf_is_of(x->call->token, gw_exchange_str(x, GW_CSRF_FIELD)))
        return gw_reply_refuse(x, 403, "This page was out of date. Press the button again.", NULL);
    enum gw_code code = gw_exchange_sign_out(x, err);
    if (code != GW_OK || x->reply->is_problem)
        return code;
    x->reply->clears_storage = true; /* a frontend of the backend's may have kept the token there */
    return go_to(x, GW_STR(GW_LOGOUT_PAGE), err);
}

void gw_show_logout_form(struct gw_exchange *x)
{
    char csrf[GW_CSRF_LEN + 1];
    if (x->caller == NULL)
        gw_page_signed_out(&x->reply->page);
    else if (x->caller->by_key || gw_csrf_make(x->call->token, csrf) != GW_OK)
        gw_page_refusal(&x->reply->page, trouble_of(x), x->call->request_id);
    else
        gw_page_signed_in(&x->reply->page, &(struct gw_signed_in_page){.user = gw_str(x->caller->user.username),
                                                                       .csrf = gw_str(csrf),
                                                                       .trouble = trouble_of(x)});
}
