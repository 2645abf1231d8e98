/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener without TLS (listen_plain). It serves nobody: a browser that goes to a page is sent to the https address that the
 * configuration names, never to one that the request names; everything else is 403 and a line of the error log, for whatever
 * credential came along has been read by whoever listened. No policy is asked and no body read.
 */
#include "ngx_http_gw_module.h"


static ngx_int_t ngx_http_gw_plain_handler(ngx_http_request_t *r);


/* Refusals that a worker has no more told of within this second. */
static time_t      ngx_http_gw_plain_second;
static ngx_uint_t  ngx_http_gw_plain_untold;


static ngx_flag_t
ngx_http_gw_wants_page(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) {
        return 0;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof("accept") - 1
                && ngx_strncmp(h[i].lowcase_key, "accept", sizeof("accept") - 1)
                   == 0
                && ngx_strlcasestrn(h[i].value.data,
                                    h[i].value.data + h[i].value.len,
                                    (u_char *) "text/html",
                                    sizeof("text/html") - 2)
                   != NULL)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* Once a second: anybody may ask, and a log is finite. */
static void
ngx_http_gw_plain_tell(ngx_http_request_t *r)
{
    if (ngx_http_gw_plain_second == ngx_time()) {
        ngx_http_gw_plain_untold++;
        return;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "gw: refused a request without TLS, method %V, from %V; what credential it had is known to whoever "
                  "listened (%ui more untold)",
                  &r->method_name, &r->connection->addr_text,
                  ngx_http_gw_plain_untold);

    ngx_http_gw_plain_second = ngx_time();
    ngx_http_gw_plain_untold = 0;
}


static ngx_int_t
ngx_http_gw_plain_redirect(ngx_http_request_t *r, ngx_str_t *origin)
{
    u_char           *p;
    ngx_table_elt_t  *location;

    location = ngx_list_push(&r->headers_out.headers);
    if (location == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&location->key, "Location");
    location->hash = 1;
    location->value.len = origin->len + r->unparsed_uri.len;
    location->value.data = ngx_pnalloc(r->pool, location->value.len);

    if (location->value.data == NULL) {
        location->hash = 0;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = ngx_cpymem(location->value.data, origin->data, origin->len);
    ngx_memcpy(p, r->unparsed_uri.data, r->unparsed_uri.len);

    r->headers_out.status = NGX_HTTP_MOVED_PERMANENTLY;
    r->headers_out.content_length_n = 0;
    r->header_only = 1;

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_gw_plain_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_gw_loc_conf_t  *glcf;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gw_module);

    if (glcf->plain_origin.len > 0 && r->unparsed_uri.len > 0
        && r->unparsed_uri.data[0] == '/' && ngx_http_gw_wants_page(r))
    {
        return ngx_http_gw_plain_redirect(r, &glcf->plain_origin);
    }

    ngx_http_gw_plain_tell(r);

    return NGX_HTTP_FORBIDDEN;
}


char *
ngx_http_gw_set_plain(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_gw_loc_conf_t    *glcf = conf;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    if (cf->args->nelts > 1) {
        glcf->plain_origin = value[1];
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gw_plain_handler;

    return NGX_CONF_OK;
}
