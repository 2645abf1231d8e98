/* SPDX-License-Identifier: Apache-2.0 */
#include "mode_record.h"
#include "base/json.h"
#include "control/home_dir.h"
#include "control/modes.h"
#include "journal/journal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* As many commands may wait for a control that is down. */
#define FILES_MAX 64

static enum gw_code open_dir(const struct gw_cli *cli, int *out, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf path = {0};
    gw_buf_init(&path, 8 * 1024);
    gw_buf_addf(&path, "%s/%s", cli->home, gw_journal_dir.name);
    GW_TRY(gw_buf_check(&path, err));
    *out = open(path.ptr, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*out >= 0)
        return GW_OK;
    return gw_fail(err, errno == ENOENT ? GW_ENOTFOUND : GW_EBACKEND, "%s: %s", path.ptr, strerror(errno));
}

/* Its file is abandoned when this process ends, taken whole by control, and removed. */
static enum gw_code append(int dir, const struct gw_event *e, struct gw_error *err)
{
    const struct gw_journal_options o = {.dir = dir,
                                         .series = "operator",
                                         .mode = 0600,
                                         .file_bytes = GW_JOURNAL_FILE_MIN_BYTES,
                                         .files_max = FILES_MAX,
                                         .random = gw_system_random(),
                                         .clock = gw_system_clock()};
    gw_auto(gw_journal) struct gw_journal *journal = NULL;
    struct gw_journal_file *file = NULL;
    struct gw_journal_sync sync;
    GW_TRY(gw_journal_new(&o, &journal, err));
    GW_TRY(gw_journal_file_new(journal, &file, err));
    gw_journal_file_take(journal, file);
    if (gw_journal_append(journal, e, GW_JOURNAL_NORMAL) != GW_OK)
        return gw_fail(err, GW_EBACKEND, "no room in a new journal file");
    GW_TRY(gw_journal_sync_begin(journal, &sync, err));
    return gw_journal_sync_run(&sync, err);
}

enum gw_code cli_record_mode(const struct gw_cli *cli, const struct gw_mode_entry *entry, int64_t now_ms,
                             struct gw_error *err)
{
    gw_auto_fd int dir = -1;
    char scope[GW_MODE_SCOPE_TEXT];
    GW_TRY(open_dir(cli, &dir, err));
    gw_modes_scope_text(entry, scope);
    gw_auto_json json_t *details = gw_modes_details(entry);
    (void)json_object_set_new(details, "scope", json_string(scope));
    (void)json_object_set_new(details, "by", json_string("operator"));
    char *text = details != NULL ? json_dumps(details, JSON_COMPACT) : NULL;
    if (text == NULL)
        return gw_fail(err, GW_ENOMEM, "no memory for a record");
    const struct gw_event e = {.time_ms = now_ms,
                               .phase = GW_EVENT_SINGLE,
                               .outcome = GW_OUTCOME_DONE,
                               .count = 1,
                               .action = GW_STR("mode_changed"),
                               .details = gw_str(text)};
    enum gw_code code = append(dir, &e, err);
    free(text);
    return code;
}
