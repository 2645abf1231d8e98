/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pages.h"

#include "pipeline/csrf.h"
#include "pipeline/next.h"

/* In text, and in attributes between double quotes. */
static void add_text(struct gw_buf *b, struct gw_str s)
{
    static const struct {
        char byte;
        struct gw_str entity;
    } escapes[] = {{'&', GW_STR("&amp;")},
                   {'<', GW_STR("&lt;")},
                   {'>', GW_STR("&gt;")},
                   {'"', GW_STR("&quot;")},
                   {'\'', GW_STR("&#39;")}};
    for (size_t i = 0; i < s.len; i++) {
        size_t k = 0;
        while (k < sizeof(escapes) / sizeof(escapes[0]) && escapes[k].byte != s.ptr[i])
            k++;
        if (k < sizeof(escapes) / sizeof(escapes[0]))
            gw_buf_add(b, escapes[k].entity);
        else
            gw_buf_addc(b, s.ptr[i]);
    }
}

/* What stands around words that are not ours. */
static void add_between(struct gw_buf *b, const char *before, struct gw_str words, const char *after)
{
    gw_buf_add(b, gw_str(before));
    add_text(b, words);
    gw_buf_add(b, gw_str(after));
}

static void begin(struct gw_buf *b, struct gw_str title)
{
    gw_buf_add(b, gw_page_html[0]);
    add_text(b, title);
    gw_buf_add(b, gw_page_html[1]);
    add_between(b, "<h1>", title, "</h1>\n");
}

static void end(struct gw_buf *b)
{
    gw_buf_add(b, gw_page_html[2]);
}

static void add_trouble(struct gw_buf *b, struct gw_str trouble)
{
    if (trouble.len > 0)
        add_between(b, "<p class=\"trouble\" role=\"alert\">", trouble, "</p>\n");
}

void gw_page_login(struct gw_buf *dst, const struct gw_login_page *p)
{
    begin(dst, GW_STR("Sign in"));
    add_trouble(dst, p->trouble);
    gw_buf_add(dst, GW_STR("<form method=\"post\" action=\"" GW_LOGIN_PAGE "\">\n"));
    add_between(dst, "<input type=\"hidden\" name=\"next\" value=\"", p->next, "\">\n");
    add_between(dst, "<label>User name or e-mail <input name=\"username\" value=\"", p->name,
                "\" autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" required></label>\n");
    gw_buf_add(dst,
               GW_STR("<label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" "
                      "required></label>\n<button>Sign in</button>\n</form>\n"));
    end(dst);
}

void gw_page_signed_in(struct gw_buf *dst, const struct gw_signed_in_page *p)
{
    begin(dst, p->next.len > 0 ? GW_STR("You are signed in") : GW_STR("Sign out"));
    add_trouble(dst, p->trouble);
    add_between(dst, "<p>Signed in as <strong>", p->user, "</strong>.</p>\n");
    if (p->next.len > 0)
        add_between(dst, "<p><a class=\"go\" href=\"", p->next, "\">Continue</a></p>\n");
    add_between(dst,
                "<form method=\"post\" action=\"" GW_LOGOUT_PAGE "\">\n"
                "<input type=\"hidden\" name=\"" GW_CSRF_FIELD "\" value=\"",
                p->csrf, "\">\n<button>Sign out</button>\n</form>\n");
    end(dst);
}

void gw_page_signed_out(struct gw_buf *dst)
{
    begin(dst, GW_STR("You are signed out"));
    gw_buf_add(dst, GW_STR("<p><a class=\"go\" href=\"" GW_LOGIN_PAGE "\">Sign in</a></p>\n"));
    end(dst);
}

void gw_page_refusal(struct gw_buf *dst, struct gw_str title, struct gw_str request_id)
{
    begin(dst, title);
    if (request_id.len > 0)
        add_between(dst, "<p class=\"dim\">Request <code>", request_id, "</code></p>\n");
    end(dst);
}
