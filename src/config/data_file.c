/* SPDX-License-Identifier: Apache-2.0 */
#include "config/data_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The directory of the running executable, without a final slash; false when it cannot be told. */
static bool executable_directory(char dst[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", dst, PATH_MAX - 1);
    if (n <= 0)
        return false;
    dst[n] = '\0';
    char *slash = strrchr(dst, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

enum gw_code gw_data_file(const char *name, struct gw_arena *a, const char **out_path, struct gw_error *err)
{
    char directory[PATH_MAX];
    char path[PATH_MAX + 64];
    struct gw_str copy;
    int n = 0;
    if (executable_directory(directory))
        n = snprintf(path, sizeof(path), "%s/../data/%s", directory, name);
    if (n <= 0 || (size_t)n >= sizeof(path) || access(path, R_OK) != 0)
        n = snprintf(path, sizeof(path), "%s/%s", AAITI_DATA_DIR, name);
    if (n <= 0 || (size_t)n >= sizeof(path) || access(path, R_OK) != 0)
        return gw_fail(err, GW_ENOTFOUND, "the file %s that comes with the gateway is not in %s", name, AAITI_DATA_DIR);
    GW_TRY(gw_arena_str(a, gw_str(path), &copy));
    *out_path = copy.ptr;
    return GW_OK;
}
