/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The gateway's own pages but for the panic button's: to sign in, to sign out, and what a browser is shown of a refusal. One frame (page.html,
 * made C by embed_page.py with its policy), no script, no word of the client's that is not escaped. For both planes. Any thread.
 */
#include "base/buf.h"

#define GW_PAGE_PARTS 3
/* Between the parts stand the title and what is in <main>. */
extern const struct gw_str gw_page_html[GW_PAGE_PARTS];
extern const struct gw_str gw_page_policy;
/* What holds any of them, with the longest of all that may be put in. */
#define GW_PAGE_MAX ((size_t)32 * 1024)

/* Each is appended to dst, whose check tells whether it is whole. */

struct gw_login_page {
    struct gw_str next;    /* of gw_next_or_root */
    struct gw_str name;    /* as it was typed; empty: nothing was yet */
    struct gw_str trouble; /* why it did not work; empty: nothing was tried yet */
};
void gw_page_login(struct gw_buf *dst, const struct gw_login_page *p);

/* Of one who is signed in. */
struct gw_signed_in_page {
    struct gw_str user;
    struct gw_str csrf;    /* gw_csrf_make of the session's token */
    struct gw_str next;    /* where to go on to; empty: it is the page to sign out with */
    struct gw_str trouble; /* why signing out did not work; empty: it was not tried yet */
};
void gw_page_signed_in(struct gw_buf *dst, const struct gw_signed_in_page *p);
/* The page to sign out with, of nobody. */
void gw_page_signed_out(struct gw_buf *dst);

/* title: of the problem; request_id: for whom to ask about it; may be empty. */
void gw_page_refusal(struct gw_buf *dst, struct gw_str title, struct gw_str request_id);
