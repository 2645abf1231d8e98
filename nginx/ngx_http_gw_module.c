/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directives and registration.
 *
 *     gw_run_dir PATH;       http: the run directory that control fills
 *     gw_token_key FILE;     http: the secret that verifies our tokens (HS256)
 *     gw_token_public_key FILE;
 *                            http: or the public keys FILE.pub … (EdDSA)
 *     gw_upstream_key FILE;  http: mints for the upstream
 *     gw_request_id_key FILE;
 *                            http: seals into the id of a refused request why it was refused
 *     gw_journal DIR SIZE COUNT;
 *                            http: directory of the journal, size and number of its files
 *     gw_mode DIR;           http: directory of the emergency mode
 *     gw_body_time TIME;     http: how long a request may take to arrive, but for its size
 *     gw_log_requests;
 *                            http: a line of JSON of each request, to standard error
 *     gw_changes_once;       upstream, after keepalive: what changes something is sent once, and over no connection that has ended;
 *                            and nothing is sent over a new one that is forbidden by the time it has come about
 *     gw on|off;             location: every request is judged before anything else sees it
 *     gw_retry;              location: target of error_page 419, hands a judged request to the upstream once more, by the other
 *                            upstream key
 *     gw_read_body;          location: the body is read before the request goes on, in the time that gw_body_time gives
 *     gw_plain [ORIGIN];     location, without TLS: pages are sent to ORIGIN, all else is refused
 *     gw_problem;            location: target of error_page, answers problem+json of the status at hand
 *
 * Variables for the control plane's location: $gw_client_address, $gw_request_id.
 */
#include "ngx_http_gw_module.h"


static void *ngx_http_gw_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_gw_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_gw_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_gw_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gw_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_gw_set_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gw_set_journal(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gw_set_log_requests(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gw_set_retry(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gw_set_read_body(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_gw_set_problem(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_gw_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_http_gw_init(ngx_conf_t *cf);


static ngx_command_t  ngx_http_gw_commands[] = {

    { ngx_string("gw_run_dir"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gw_set_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, run_dir),
      NULL },

    { ngx_string("gw_token_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gw_set_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, token_key),
      NULL },

    { ngx_string("gw_token_public_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gw_set_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, token_public_key),
      NULL },

    { ngx_string("gw_upstream_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gw_set_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, upstream_key),
      NULL },

    { ngx_string("gw_request_id_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gw_set_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, request_id_key),
      NULL },

    { ngx_string("gw_journal"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE3,
      ngx_http_gw_set_journal,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, journal_dir),
      NULL },

    { ngx_string("gw_mode"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gw_set_path,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, mode_dir),
      NULL },

    { ngx_string("gw_body_time"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gw_main_conf_t, body_time),
      NULL },

    { ngx_string("gw_log_requests"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_NOARGS,
      ngx_http_gw_set_log_requests,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gw_changes_once"),
      NGX_HTTP_UPS_CONF|NGX_CONF_NOARGS,
      ngx_http_gw_set_changes_once,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gw"),
      NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gw_loc_conf_t, enable),
      NULL },

    { ngx_string("gw_retry"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gw_set_retry,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gw_read_body"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gw_set_read_body,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gw_plain"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_gw_set_plain,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gw_problem"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gw_set_problem,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gw_module_ctx = {
    ngx_http_gw_add_variables,             /* preconfiguration */
    ngx_http_gw_init,                      /* postconfiguration */

    ngx_http_gw_create_main_conf,          /* create main configuration */
    ngx_http_gw_init_main_conf,            /* init main configuration */

    ngx_http_gw_create_srv_conf,           /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gw_create_loc_conf,           /* create location configuration */
    ngx_http_gw_merge_loc_conf             /* merge location configuration */
};


ngx_module_t  ngx_http_gw_module = {
    NGX_MODULE_V1,
    &ngx_http_gw_module_ctx,               /* module context */
    ngx_http_gw_commands,                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_gw_init_process,              /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_gw_exit_process,              /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* What load_module looks for. No order given: the last module, whose header filter runs first. */
#define NGX_HTTP_GW_EXPORT  __attribute__((visibility("default")))

extern NGX_HTTP_GW_EXPORT ngx_module_t  *ngx_modules[];
extern NGX_HTTP_GW_EXPORT char          *ngx_module_names[];
extern NGX_HTTP_GW_EXPORT char          *ngx_module_order[];

ngx_module_t  *ngx_modules[] = { &ngx_http_gw_module, NULL };
char          *ngx_module_names[] = { (char *) "ngx_http_gw_module", NULL };
char          *ngx_module_order[] = { NULL };


static void *
ngx_http_gw_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gw_main_conf_t  *gmcf;

    gmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gw_main_conf_t));
    if (gmcf == NULL) {
        return NULL;
    }

    gmcf->body_time = NGX_CONF_UNSET_MSEC;

    return gmcf;
}


static char *
ngx_http_gw_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_gw_main_conf_t  *gmcf = conf;

    ngx_conf_init_msec_value(gmcf->body_time, NGX_HTTP_GW_BODY_TIME);

    return NGX_CONF_OK;
}


static void *
ngx_http_gw_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gw_srv_conf_t));
}


static void *
ngx_http_gw_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_gw_loc_conf_t  *glcf;

    glcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gw_loc_conf_t));
    if (glcf == NULL) {
        return NULL;
    }

    glcf->enable = NGX_CONF_UNSET;              /* the others are not inherited */

    return glcf;
}


/* One algorithm: two key directives would leave it to the token. */
static bool
ngx_http_gw_is_configured(ngx_http_gw_main_conf_t *gmcf)
{
    return gmcf->run_dir.len > 0 && gmcf->request_id_key.len > 0
           && gmcf->journal_dir.len > 0 && gmcf->mode_dir.len > 0
           && (gmcf->token_key.len > 0) != (gmcf->token_public_key.len > 0);
}


static char *
ngx_http_gw_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gw_loc_conf_t   *prev = parent;
    ngx_http_gw_loc_conf_t   *conf = child;
    ngx_http_gw_main_conf_t  *gmcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gw_module);

    if (conf->enable && !ngx_http_gw_is_configured(gmcf)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"gw on\" needs \"gw_run_dir\", \"gw_request_id_key\", "
                           "\"gw_journal\", \"gw_mode\" and one of "
                           "\"gw_token_key\" and \"gw_token_public_key\" "
                           "at http level");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gw_set_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *path, *value;

    path = (ngx_str_t *) (void *) ((u_char *) conf + cmd->offset);

    if (path->data != NULL) {
        return (char *) "is duplicate";
    }

    value = cf->args->elts;
    *path = value[1];

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gw_set_journal(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                     *rc;
    ssize_t                   size;
    ngx_str_t                *value;
    ngx_http_gw_main_conf_t  *gmcf = conf;

    rc = ngx_http_gw_set_path(cf, cmd, conf);

    if (rc != NGX_CONF_OK) {
        return rc;
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[2]);
    gmcf->journal_files = ngx_atoi(value[3].data, value[3].len);

    if (size <= 0 || gmcf->journal_files < 2) {
        return (char *) "expects a directory, the size of a file, and how many there may be (2 or more)";
    }

    gmcf->journal_file_size = (size_t) size;

    return NGX_CONF_OK;
}


static char *
ngx_http_gw_set_log_requests(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gw_main_conf_t  *gmcf = conf;

    gmcf->log_requests = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_gw_set_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gw_loc_conf_t  *glcf = conf;

    glcf->retry = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_gw_set_read_body(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gw_loc_conf_t  *glcf = conf;

    glcf->read_body = 1;

    return NGX_CONF_OK;
}


static char *
ngx_http_gw_set_problem(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gw_problem_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gw_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    struct gw_str       value;
    ngx_http_gw_ctx_t  *ctx;

    ctx = ngx_http_gw_get_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    value = *(struct gw_str *) (void *) ((u_char *) &ctx->decision + data);

    v->len = value.len & 0xfffffff;
    v->data = (u_char *) value.ptr;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gw_add_variables(ngx_conf_t *cf)
{
    size_t                i;
    ngx_http_variable_t  *var;

    static struct {
        ngx_str_t  name;
        size_t     offset;
    } vars[] = {
        { ngx_string("gw_client_address"),
          offsetof(struct gw_decision, client_address) },
        { ngx_string("gw_request_id"),
          offsetof(struct gw_decision, request_id) },
    };

    for (i = 0; i < sizeof(vars) / sizeof(vars[0]); i++) {
        var = ngx_http_add_variable(cf, &vars[i].name, 0);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_gw_variable;
        var->data = vars[i].offset;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gw_add_handler(ngx_http_core_main_conf_t *cmcf,
    ngx_http_phases phase, ngx_http_handler_pt handler)
{
    ngx_http_handler_pt  *h;

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gw_init(ngx_conf_t *cf)
{
    ngx_http_gw_main_conf_t    *gmcf;
    ngx_http_core_main_conf_t  *cmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gw_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (!ngx_http_gw_is_configured(gmcf)) {
        return NGX_OK;
    }

    if (ngx_http_gw_add_handler(cmcf, NGX_HTTP_POST_READ_PHASE,
                                ngx_http_gw_log_init_handler)
        != NGX_OK
        || ngx_http_gw_add_handler(cmcf, NGX_HTTP_POST_READ_PHASE,
                                   ngx_http_gw_bound_head_handler)
           != NGX_OK
        || ngx_http_gw_add_handler(cmcf, NGX_HTTP_ACCESS_PHASE,
                                   ngx_http_gw_access_handler)
           != NGX_OK
        || ngx_http_gw_add_handler(cmcf, NGX_HTTP_LOG_PHASE,
                                   ngx_http_gw_log_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gw_header_filter_init();

    return ngx_http_gw_gate_create(cf, gmcf);
}
