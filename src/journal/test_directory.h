/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For the tests of this room: a directory of journals, with time and randomness that repeat. */
#include "journal/journal.h"

struct test_directory {
    char path[64];
    int fd;
    struct gw_fake_random random;
    struct gw_fake_clock clock;
};

void test_directory_init(struct test_directory *d);
/* Removes it and all that is in it. */
void test_directory_done(struct test_directory *d);
/* Options of a journal in it: the smallest files, no reserve. */
struct gw_journal_options test_directory_options(struct test_directory *d, const char *series, unsigned files_max);
