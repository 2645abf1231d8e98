/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of a corpus directory, so that a plain build replays what fuzzing once found. Each input
 * is a block of its own size: a sanitizer sees a read past its end. A crash fails the test; the last name printed is the file.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/file.h"

enum { FILE_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay(const char *dir, const char *name)
{
    gw_auto(gw_buf) struct gw_buf path;
    gw_auto(gw_buf) struct gw_buf content;
    gw_buf_init(&path, 4096);
    gw_buf_init(&content, FILE_MAX);
    gw_buf_addf(&path, "%s/%s", dir, name);
    struct gw_error err;
    if (gw_buf_check(&path, &err) != GW_OK || gw_file_read(path.ptr, &content, &err) != GW_OK) {
        printf("%s: %s\n", name, err.msg);
        return false;
    }
    struct gw_str text = gw_buf_str(&content);
    uint8_t *block = malloc(text.len > 0 ? text.len : 1);
    if (block == NULL)
        return false;
    for (size_t i = 0; i < text.len; i++)
        block[i] = (uint8_t)text.ptr[i];
    printf("%s\n", name);
    fflush(stdout);
    LLVMFuzzerTestOneInput(block, text.len);
    free(block);
    return true;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "usage: replay CORPUS_DIRECTORY\n");
        return EXIT_FAILURE;
    }
    unsigned passed = 0, failed = 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        if (replay(argv[1], entry->d_name))
            passed++;
        else
            failed++;
    }
    closedir(dir);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
