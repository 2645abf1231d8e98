/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/test_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

void rig_open(struct rig *g)
{
    assert_int_equal(gw_store_open_sqlite(g->database, &g->store, &g->err), GW_OK);
    assert_int_equal(gw_recorder_new(&g->journals.random.random, &g->journals.clock.clock, &g->recorder, &g->err),
                     GW_OK);
    const struct gw_consumer_options o = {g->store, g->recorder, &g->journals.clock.clock};
    assert_int_equal(gw_consumer_new(&o, &g->consumer, &g->err), GW_OK);
}

void rig_close(struct rig *g)
{
    gw_consumer_free(g->consumer);
    gw_recorder_free(g->recorder);
    gw_store_close(g->store);
}

void rig_init(struct rig *g)
{
    *g = (struct rig){.home = "/tmp/gw-consumer-XXXXXX"};
    test_directory_init(&g->journals);
    assert_non_null(mkdtemp(g->home));
    snprintf(g->database, sizeof(g->database), "%s/test.db", g->home);
    rig_open(g);
}

void rig_done(struct rig *g)
{
    char command[64];
    rig_close(g);
    test_directory_done(&g->journals);
    snprintf(command, sizeof(command), "rm -r '%s'", g->home);
    assert_int_equal(system(command), 0);
}

void rig_restart(struct rig *g)
{
    rig_close(g);
    rig_open(g);
}

enum gw_code rig_run(struct rig *g)
{
    return gw_consumer_run(g->consumer, g->journals.fd, &g->turn, &g->err);
}

struct gw_journal *rig_journal(struct rig *g, const char *series)
{
    struct gw_journal *j;
    const struct gw_journal_options o = test_directory_options(&g->journals, series, 1000);
    assert_int_equal(gw_journal_new(&o, &j, NULL), GW_OK);
    return j;
}

void rig_append(struct gw_journal *j, enum gw_event_phase phase, uint32_t request, enum gw_outcome outcome)
{
    static const char *const actions[] = {"change", "orphan", "single", "tally"};
    const struct gw_event e = {.time_ms = 1795000000000 + request,
                               .last_ms = 1795000000000 + request + 7,
                               .phase = phase,
                               .outcome = outcome,
                               .count = phase == GW_EVENT_TALLY ? 9 : 1,
                               .status = phase == GW_EVENT_OUTCOME ? 200 : 0,
                               .action = gw_str(actions[phase]),
                               .route = GW_STR("POST /api/bots/{id}"),
                               .path = GW_STR("/api/bots/7"),
                               .request_id = {{(uint8_t)(request >> 16), (uint8_t)(request >> 8), (uint8_t)request}}};
    while (gw_journal_wants_file(j)) {
        struct gw_journal_file *f;
        assert_int_equal(gw_journal_file_new(j, &f, NULL), GW_OK);
        gw_journal_file_take(j, f);
    }
    assert_int_equal(gw_journal_append(j, &e, GW_JOURNAL_NORMAL), GW_OK);
}

static enum gw_code print(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    char *text = ctx;
    size_t used = strlen(text);
    (void)err;
    snprintf(text + used, 4096 - used, "%s%s:%s*%u", used > 0 ? " " : "", r->action, gw_outcome_text(r->outcome),
             r->count);
    return GW_OK;
}

const char *rig_rows(struct rig *g)
{
    return rig_rows_after(g, 0);
}

const char *rig_rows_after(struct rig *g, int64_t id)
{
    static char text[4096];
    text[0] = '\0';
    assert_int_equal(gw_store_audit_each_after(g->store, id, GW_AUDIT_PAGE_MAX, print, text, &g->err), GW_OK);
    return text;
}

static enum gw_code count_row(void *ctx, const struct gw_audit_row *r, struct gw_error *err)
{
    (void)err;
    *(int64_t *)ctx = r->id; /* without gaps: nothing is deleted */
    return GW_OK;
}

int64_t rig_count_rows(struct rig *g)
{
    int64_t newest = 0;
    assert_int_equal(gw_store_audit_each(g->store, &(struct gw_audit_query){.limit = 1}, count_row, &newest, &g->err),
                     GW_OK);
    return newest;
}

unsigned rig_count_files(struct rig *g, const char *text)
{
    unsigned count = 0;
    DIR *dir = opendir(g->journals.path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.' && strstr(e->d_name, text) != NULL;
    closedir(dir);
    return count;
}
