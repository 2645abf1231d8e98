/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's life in nginx. The master makes it while it reads the configuration (at start and at each HUP), for then it may
 * still read key files; the cycle's pool frees it. Each worker starts its copy after the fork and polls it from a timer.
 * A worker loads its first snapshot before it accepts anything, so that a reload or a restarted worker never answers 503
 * while its predecessor would have answered; later ones are built in a pool thread, one at a time. So is the upkeep of the
 * journal: its files, and the syncs that requests wait for.
 */
#include "ngx_http_gw_module.h"

#include <sys/prctl.h>


#define NGX_HTTP_GW_POLL_MS   100
#define NGX_HTTP_GW_RETRY_MS  5000
#define NGX_HTTP_GW_WAIT_MS   1000

#define NGX_HTTP_GW_ZONE_NAME_MAX  32

typedef struct {
    struct gw_gate      *gate;
    struct gw_snapshot  *snapshot;
    struct gw_error      error;
    enum gw_code         code;
} ngx_http_gw_load_t;

static struct {
    struct gw_gate      *gate;
    ngx_thread_pool_t   *thread_pool;
    ngx_thread_task_t   *task;          /* its ctx is the ngx_http_gw_load_t */
    ngx_event_t          timer;
    ngx_msec_t           retry_at;      /* after a failed load */
    unsigned             loading:1;
    unsigned             failed:1;
    ngx_thread_task_t   *upkeep;        /* its ctx is a struct gw_upkeep ** */
    unsigned             in_upkeep:1;
    unsigned             upkeep_failed:1;
    ngx_queue_t          waiting;       /* contexts of requests */
    ngx_event_t          waiting_timer;
} ngx_http_gw_worker;

/* nginx's debug log wants a connection behind each event. */
static ngx_connection_t  ngx_http_gw_no_connection = { .fd = (ngx_socket_t) -1 };


/* Keys lie in master and workers: no dump, and no debugger but root's, not even of another process of the same user. */
static ngx_int_t
ngx_http_gw_forbid_looking_in(ngx_log_t *log)
{
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      "gw: cannot make the process undumpable");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_gw_gate_cleanup(void *data)
{
    gw_gate_free(data);
}


/* A reload's workers go on with what the old ones counted: nginx keeps a zone of the same name and size. */
static ngx_int_t
ngx_http_gw_init_metrics(ngx_shm_zone_t *zone, void *old)
{
    ngx_slab_pool_t  *pool;

    if (old != NULL) {
        zone->data = old;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) (void *) zone->shm.addr;
    zone->data = ngx_slab_calloc(pool, gw_counts_bytes());

    return zone->data ? NGX_OK : NGX_ERROR;
}


/* Its name tells of its layout: another version of the module gets a zone of its own. */
static ngx_int_t
ngx_http_gw_add_metrics(ngx_conf_t *cf, ngx_http_gw_main_conf_t *gmcf)
{
    size_t     size;
    ngx_str_t  name;

    name.data = ngx_pnalloc(cf->pool, NGX_HTTP_GW_ZONE_NAME_MAX);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    name.len = (size_t) (ngx_sprintf(name.data, "gw_metrics_%016xL", gw_counts_layout())
                         - name.data);
    size = ngx_align(gw_counts_bytes(), ngx_pagesize) + 8 * ngx_pagesize;
    gmcf->metrics = ngx_shared_memory_add(cf, &name, size, &ngx_http_gw_module);

    if (gmcf->metrics == NULL) {
        return NGX_ERROR;
    }

    gmcf->metrics->init = ngx_http_gw_init_metrics;

    return NGX_OK;
}


ngx_int_t
ngx_http_gw_gate_create(ngx_conf_t *cf, ngx_http_gw_main_conf_t *gmcf)
{
    struct gw_error         error;
    ngx_pool_cleanup_t     *cln;
    struct gw_gate_options  options;

    static ngx_str_t  pool_name = ngx_string("gw");

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_gw_forbid_looking_in(cf->log) != NGX_OK) {
        return NGX_ERROR;
    }

    options.run_dir = (char *) gmcf->run_dir.data;
    options.token_key_file = (char *) gmcf->token_key.data;
    options.token_public_key_file = (char *) gmcf->token_public_key.data;
    options.upstream_key_file = gmcf->upstream_key.len
                                ? (char *) gmcf->upstream_key.data : NULL;
    options.request_id_key_file = (char *) gmcf->request_id_key.data;
    options.journal_dir = (char *) gmcf->journal_dir.data;
    options.mode_dir = (char *) gmcf->mode_dir.data;
    options.journal_file_bytes = gmcf->journal_file_size;
    options.journal_files_max = (unsigned) gmcf->journal_files;

    if (gw_gate_new(&options, &gmcf->gate, &error) != GW_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "gw: %s", error.msg);
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gw_gate_cleanup;
    cln->data = gmcf->gate;

    if (ngx_http_gw_add_metrics(cf, gmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    gmcf->thread_pool = ngx_thread_pool_add(cf, &pool_name);

    return gmcf->thread_pool ? NGX_OK : NGX_ERROR;
}


/* Event loop, after a load. */
static void
ngx_http_gw_loaded(ngx_http_gw_load_t *load, ngx_log_t *log)
{
    if (load->code == GW_OK) {
        gw_gate_install(ngx_http_gw_worker.gate, load->snapshot);
        ngx_http_gw_worker.failed = 0;
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "gw: policy generation=%uL in use",
                      gw_gate_generation(ngx_http_gw_worker.gate));
        return;
    }

    if (!ngx_http_gw_worker.failed) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "gw: cannot load the published policy: %s; "
                      "keeping generation=%uL", load->error.msg,
                      gw_gate_generation(ngx_http_gw_worker.gate));
    }

    ngx_http_gw_worker.failed = 1;
    ngx_http_gw_worker.retry_at = ngx_current_msec + NGX_HTTP_GW_RETRY_MS;
}


static void
ngx_http_gw_load_thread(void *data, ngx_log_t *log)
{
    ngx_http_gw_load_t  *load = data;

    load->code = gw_gate_load(load->gate, &load->snapshot, &load->error);
}


static void
ngx_http_gw_load_done(ngx_event_t *ev)
{
    ngx_http_gw_worker.loading = 0;
    ngx_http_gw_loaded(ngx_http_gw_worker.task->ctx, ev->log);
}


/* ---- upkeep of the journal ---- */

static void ngx_http_gw_begin_upkeep(void);


/*
 * Each request that waits runs its phases from the access handler on, which asks for the hand-over once more. It may wait again: so
 * the queue is emptied into another first, or this would never end.
 */
static void
ngx_http_gw_wake_all(void)
{
    ngx_queue_t         woken, *q;
    ngx_connection_t   *c;
    ngx_http_gw_ctx_t  *ctx;

    ngx_queue_init(&woken);

    if (!ngx_queue_empty(&ngx_http_gw_worker.waiting)) {
        ngx_queue_add(&woken, &ngx_http_gw_worker.waiting);
        ngx_queue_init(&ngx_http_gw_worker.waiting);
    }

    while (!ngx_queue_empty(&woken)) {
        q = ngx_queue_head(&woken);
        ngx_queue_remove(q);
        ctx = ngx_queue_data(q, ngx_http_gw_ctx_t, queue);
        ctx->waiting = 0;
        c = ctx->r->connection;
        ctx->r->read_event_handler = ngx_http_block_reading;

        ngx_http_core_run_phases(ctx->r);
        ngx_http_run_posted_requests(c);
    }
}


static void
ngx_http_gw_upkeep_thread(void *data, ngx_log_t *log)
{
    struct gw_upkeep  **upkeep = data;

    gw_upkeep_run(*upkeep);
}


/* Event loop. The same complaint is made once. */
static void
ngx_http_gw_end_upkeep(struct gw_upkeep *upkeep, ngx_log_t *log)
{
    struct gw_error  error;

    if (gw_gate_upkeep_end(ngx_http_gw_worker.gate, upkeep, &error) == GW_OK) {
        if (ngx_http_gw_worker.upkeep_failed) {
            ngx_log_error(NGX_LOG_NOTICE, log, 0, "gw: the journal is well again");
        }

        ngx_http_gw_worker.upkeep_failed = 0;
        return;
    }

    if (!ngx_http_gw_worker.upkeep_failed) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "gw: journal: %s", error.msg);
    }

    ngx_http_gw_worker.upkeep_failed = 1;
}


static void
ngx_http_gw_upkeep_done(ngx_event_t *ev)
{
    struct gw_upkeep  **upkeep = ngx_http_gw_worker.upkeep->ctx;

    ngx_http_gw_worker.in_upkeep = 0;
    ngx_http_gw_end_upkeep(*upkeep, ev->log);
    ngx_http_gw_wake_all();
    ngx_http_gw_begin_upkeep();

    if (ngx_queue_empty(&ngx_http_gw_worker.waiting)
        && ngx_http_gw_worker.waiting_timer.timer_set)
    {
        ngx_del_timer(&ngx_http_gw_worker.waiting_timer);
    }
}


static void
ngx_http_gw_begin_upkeep(void)
{
    struct gw_upkeep  **upkeep;

    if (ngx_http_gw_worker.in_upkeep) {
        return;
    }

    upkeep = ngx_http_gw_worker.upkeep->ctx;
    *upkeep = gw_gate_upkeep_begin(ngx_http_gw_worker.gate);

    if (*upkeep == NULL) {
        return;
    }

    if (ngx_thread_task_post(ngx_http_gw_worker.thread_pool, ngx_http_gw_worker.upkeep)
        != NGX_OK)
    {
        /* Requests that wait ask again when waiting_timer runs, and are refused. */
        ngx_http_gw_end_upkeep(*upkeep, ngx_cycle->log);
        return;
    }

    ngx_http_gw_worker.in_upkeep = 1;
}


/*
 * Runs only where no upkeep has ended for NGX_HTTP_GW_WAIT_MS. A worker that shuts down gracefully goes on until such a timer has run,
 * so that requests that wait are not forgotten.
 */
static void
ngx_http_gw_look_after_waiting(ngx_event_t *ev)
{
    ngx_http_gw_wake_all();
}


void
ngx_http_gw_wait(ngx_http_gw_ctx_t *ctx)
{
    if (!ctx->waiting) {
        ctx->waiting = 1;
        ngx_queue_insert_tail(&ngx_http_gw_worker.waiting, &ctx->queue);
    }

    /* Who leaves meanwhile is not handed over. He may have left already, which only the event's handler may find out. */
    ctx->r->read_event_handler = ngx_http_test_reading;
    ngx_post_event(ctx->r->connection->read, &ngx_posted_events);

    if (!ngx_http_gw_worker.waiting_timer.timer_set) {
        ngx_add_timer(&ngx_http_gw_worker.waiting_timer, NGX_HTTP_GW_WAIT_MS);
    }

    ngx_http_gw_begin_upkeep();
}


/* ---- the worker ---- */

static void
ngx_http_gw_poll(ngx_event_t *ev)
{
    ngx_add_timer(ev, NGX_HTTP_GW_POLL_MS);
    ngx_http_gw_begin_upkeep();

    if (ngx_exiting) {
        gw_gate_close_sockets(ngx_http_gw_worker.gate);
    }

    if (!gw_gate_poll(ngx_http_gw_worker.gate) || ngx_http_gw_worker.loading) {
        return;
    }

    if (ngx_http_gw_worker.failed
        && (ngx_msec_int_t) (ngx_current_msec - ngx_http_gw_worker.retry_at) < 0)
    {
        return;
    }

    ngx_http_gw_worker.loading = ngx_thread_task_post(ngx_http_gw_worker.thread_pool,
                                                      ngx_http_gw_worker.task)
                                 == NGX_OK;
}


static ngx_thread_task_t *
ngx_http_gw_make_task(ngx_cycle_t *cycle, size_t size,
    void (*run)(void *data, ngx_log_t *log), ngx_event_handler_pt done)
{
    ngx_thread_task_t  *task;

    task = ngx_thread_task_alloc(cycle->pool, size);

    if (task != NULL) {
        task->handler = run;
        task->event.handler = done;
        task->event.data = &ngx_http_gw_no_connection;
        task->event.log = cycle->log;
    }

    return task;
}


static void
ngx_http_gw_init_timer(ngx_event_t *timer, ngx_event_handler_pt handler,
    ngx_log_t *log)
{
    timer->handler = handler;
    timer->data = &ngx_http_gw_no_connection;
    timer->log = log;
}


/* An orphan of a killed master would keep the port from the next one, and never learn of a reload. */
static ngx_int_t
ngx_http_gw_end_with_master(ngx_log_t *log)
{
    if (ngx_process != NGX_PROCESS_WORKER) {
        return NGX_OK;
    }

    (void) prctl(PR_SET_PDEATHSIG, SIGQUIT);

    if (getppid() != ngx_parent) {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "gw: the master died while its worker started");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* What later runs in pool threads is done here once, before anything is accepted: the journal's first files, the first snapshot. */
static ngx_int_t
ngx_http_gw_start_gate(ngx_log_t *log)
{
    struct gw_error      error;
    struct gw_gate      *gate = ngx_http_gw_worker.gate;
    struct gw_upkeep    *upkeep;
    ngx_http_gw_load_t  *load = ngx_http_gw_worker.task->ctx;

    if (gw_gate_start(gate, &error) != GW_OK
        || gw_gate_count_connections(gate, ngx_cycle->connection_n, &error) != GW_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, log, 0, "gw: %s", error.msg);
        return NGX_ERROR;
    }

    upkeep = gw_gate_upkeep_begin(gate);

    if (upkeep != NULL) {
        gw_upkeep_run(upkeep);
        ngx_http_gw_end_upkeep(upkeep, log);
    }

    load->gate = gate;

    if (gw_gate_poll(gate)) {
        ngx_http_gw_load_thread(load, log);
        ngx_http_gw_loaded(load, log);
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_gw_init_process(ngx_cycle_t *cycle)
{
    ngx_http_gw_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gw_module);

    if (gmcf == NULL || gmcf->gate == NULL
        || (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    /* nginx has just allowed its worker to dump. */
    if (ngx_http_gw_forbid_looking_in(cycle->log) != NGX_OK
        || ngx_http_gw_end_with_master(cycle->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gw_log_init_process(cycle);

    ngx_http_gw_worker.gate = gmcf->gate;
    ngx_http_gw_worker.thread_pool = gmcf->thread_pool;

    gw_gate_share_counts(gmcf->gate, gmcf->metrics->data, (unsigned) ngx_worker);

    ngx_http_gw_connection_init_process(cycle, gmcf->gate);

    ngx_queue_init(&ngx_http_gw_worker.waiting);

    ngx_http_gw_worker.task = ngx_http_gw_make_task(cycle, sizeof(ngx_http_gw_load_t),
                                                    ngx_http_gw_load_thread,
                                                    ngx_http_gw_load_done);
    ngx_http_gw_worker.upkeep = ngx_http_gw_make_task(cycle, sizeof(struct gw_upkeep *),
                                                      ngx_http_gw_upkeep_thread,
                                                      ngx_http_gw_upkeep_done);

    if (ngx_http_gw_worker.task == NULL || ngx_http_gw_worker.upkeep == NULL
        || ngx_http_gw_start_gate(cycle->log) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_gw_init_timer(&ngx_http_gw_worker.waiting_timer,
                           ngx_http_gw_look_after_waiting, cycle->log);

    ngx_http_gw_init_timer(&ngx_http_gw_worker.timer, ngx_http_gw_poll, cycle->log);
    ngx_http_gw_worker.timer.cancelable = 1;    /* a graceful shutdown does not wait for it */

    ngx_add_timer(&ngx_http_gw_worker.timer, NGX_HTTP_GW_POLL_MS);

    return NGX_OK;
}


void
ngx_http_gw_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_http_gw_worker.gate != NULL) {
        gw_gate_stop(ngx_http_gw_worker.gate);
    }
}
