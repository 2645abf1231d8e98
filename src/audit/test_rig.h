/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For the tests of the consumer: journals in one directory, a database in another, and the rows as one line of text. */
#include "audit/consumer.h"
#include "journal/test_directory.h"

struct rig {
    struct test_directory journals;
    char home[32], database[48];
    struct gw_store *store;
    struct gw_recorder *recorder;
    struct gw_consumer *consumer;
    struct gw_consumer_turn turn; /* the last */
    struct gw_error err;
};

void rig_init(struct rig *g);
void rig_done(struct rig *g);
/* A new life of control: all anew but the files. */
void rig_restart(struct rig *g);
/* In a process of its own after a fork. */
void rig_open(struct rig *g);
void rig_close(struct rig *g);
enum gw_code rig_run(struct rig *g);

struct gw_journal *rig_journal(struct rig *g, const char *series);
/* One event; files are made as they are wanted. request: of the id, 0: none. */
void rig_append(struct gw_journal *j, enum gw_event_phase phase, uint32_t request, enum gw_outcome outcome);
/* "action:outcome*count action:…", the oldest first. */
const char *rig_rows(struct rig *g);
const char *rig_rows_after(struct rig *g, int64_t id);
int64_t rig_count_rows(struct rig *g);
/* Names of files whose name has text in it. */
unsigned rig_count_files(struct rig *g, const char *text);
