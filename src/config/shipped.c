/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All is told from the executable's own directory, so that an installed tree may be staged (DESTDIR), moved or linked to. It
 * is a built tree when Meson's own directory stands beside the executable; nobody but its owner could have put it there.
 */
#include "config/shipped.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* From the executable's directory on; installed, also an absolute directory, where the build was given one outside the prefix. */
static const struct {
    const char *built, *installed;
} places[] = {
    [GW_SHIPPED_DATA] = {"../data", AAITI_DATA_DIR},
    [GW_SHIPPED_MODULE] = {"nginx", AAITI_MODULE_DIR},
};

#define PATH_BYTES (PATH_MAX + 256)

/* Without a final slash. */
static enum gw_code executable_directory(char dst[PATH_MAX], struct gw_error *err)
{
    ssize_t n = readlink("/proc/self/exe", dst, PATH_MAX - 1);
    char *slash = n > 0 ? memrchr(dst, '/', (size_t)n) : NULL;
    if (slash == NULL)
        return gw_fail(err, GW_EBACKEND, "cannot tell where this program is: %s", strerror(errno));
    *slash = '\0';
    return GW_OK;
}

static const char *place_of(enum gw_shipped kind, const char *directory)
{
    char marker[PATH_BYTES];
    (void)snprintf(marker, sizeof(marker), "%s/meson-private", directory);
    return access(marker, F_OK) == 0 ? places[kind].built : places[kind].installed;
}

enum gw_code gw_shipped_file(enum gw_shipped kind, const char *name, struct gw_arena *a, const char **out_path,
                             struct gw_error *err)
{
    char directory[PATH_MAX], path[PATH_BYTES], real[PATH_MAX];
    struct gw_str copy;
    GW_TRY(executable_directory(directory, err));
    const char *place = place_of(kind, directory);
    const char *from = place[0] == '/' ? "" : directory;
    int n = snprintf(path, sizeof(path), "%s/%s/%s", from, place, name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return gw_fail(err, GW_ELIMIT, "too long a path: %s, which comes with the gateway", name);
    if (realpath(path, real) == NULL)
        return gw_fail(err, GW_ENOTFOUND, "%s, which comes with the gateway: %s", path, strerror(errno));
    GW_TRY(gw_arena_str(a, gw_str(real), &copy));
    *out_path = copy.ptr;
    return GW_OK;
}
