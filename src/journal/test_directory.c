/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/test_directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void test_directory_init(struct test_directory *d)
{
    *d = (struct test_directory){.path = "/tmp/gw-journal-XXXXXX"};
    assert_non_null(mkdtemp(d->path));
    d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(d->fd >= 0);
    gw_fake_random_init(&d->random, 3);
    gw_fake_clock_init(&d->clock, 1795000000000);
}

void test_directory_done(struct test_directory *d)
{
    close(d->fd);
    char command[128];
    snprintf(command, sizeof(command), "rm -r '%s'", d->path);
    assert_int_equal(system(command), 0);
}

struct gw_journal_options test_directory_options(struct test_directory *d, const char *series, unsigned files_max)
{
    return (struct gw_journal_options){
        .dir = d->fd,
        .mode = 0640,
        .series = series,
        .file_bytes = GW_JOURNAL_FILE_MIN_BYTES,
        .files_max = files_max,
        .random = &d->random.random,
        .clock = &d->clock.clock,
    };
}
