/* SPDX-License-Identifier: Apache-2.0 */
#include "accounts.h"
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Development says what is weaker and goes on; production does not start. */
static enum gw_code object(const struct gw_settings *s, FILE *warn, struct gw_error *err, const char *problem,
                           const char *mend, const char *name)
{
    if (s->environment == GW_ENV_PRODUCTION)
        return gw_fail(err, GW_EDENIED, "%s; mend it with: %s%s", problem, mend, name);
    (void)fprintf(warn, "aaiti: WARN %s (mend it with: %s%s); running as root\n", problem, mend, name);
    return GW_OK;
}

static bool find_user(struct gw_str name, char dst[33], struct gw_run_as *out)
{
    if (!gw_str_copy(name, dst, 33))
        return false;
    const struct passwd *p = getpwnam(dst);
    if (p == NULL || p->pw_uid == 0)
        return false;
    *out = (struct gw_run_as){.uid = p->pw_uid, .gid = p->pw_gid, .groups = {p->pw_gid}, .group_count = 1};
    return true;
}

static bool find_group_name(gid_t gid, char dst[33])
{
    const struct group *g = getgrgid(gid);
    return g != NULL && gw_str_copy(gw_str(g->gr_name), dst, 33);
}

static const struct gw_accounts everything_as_started = {
    .control = {.uid = (uid_t)-1},
    .group = (gid_t)-1,
};

/* Root without users of our own: nginx would choose `nobody`, who cannot read the authority segment. */
static void all_root(struct gw_accounts *out)
{
    *out = everything_as_started;
    (void)gw_str_copy(GW_STR("root"), out->user, sizeof(out->user));
    (void)gw_str_copy(GW_STR("root"), out->group_name, sizeof(out->group_name));
}

bool gw_accounts_may_run(const struct gw_run_as *as)
{
    char program[PATH_MAX];
    return realpath("/proc/self/exe", program) != NULL && gw_run_as_may(as, program, X_OK);
}

struct obstacle {
    const char *problem, *mend, *name; /* name NULL: the home directory's */
};

/* What keeps control's user from its work; NULL: nothing does. */
static const struct obstacle *find_obstacle(const struct gw_run_as *as, const char *home)
{
    static const char unusable[] = "the control plane's user cannot use the home directory";
    static const struct obstacle no_program = {"the control plane's user cannot run this program",
                                               "a clone or an installation in a place open to it, such as ", "/opt"},
                                 no_way = {unusable, "a home directory in a place open to it, such as ",
                                           "/var/lib/aaiti"},
                                 no_right = {unusable, "chown -R aaiti: ", NULL};
    if (!gw_accounts_may_run(as))
        return &no_program;
    if (!gw_run_as_may(as, home, F_OK))
        return &no_way;
    return gw_run_as_may(as, home, R_OK | W_OK | X_OK) ? NULL : &no_right;
}

enum gw_code gw_accounts_choose(const struct gw_settings *s, const char *home, FILE *warn, struct gw_accounts *out,
                                struct gw_error *err)
{
    char control_name[33] = "";
    struct gw_run_as web;
    struct gw_accounts a = everything_as_started;
    a.owner = geteuid();
    if (geteuid() != 0) {
        *out = a;
        return GW_OK;
    }
    if (!find_user(s->user_web, a.user, &web) || !find_group_name(web.gid, a.group_name) ||
        !find_user(s->user_control, control_name, &a.control)) {
        all_root(out);
        return object(s, warn, err, "there are no system users for control and the workers (user.control, user.web)",
                      "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin aaiti; "
                      "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin aaiti-web",
                      "");
    }
    a.group = web.gid;
    a.control.groups[a.control.group_count++] = web.gid; /* to give web.sock and the segments to the workers' group */
    a.owner = a.control.uid;
    const struct obstacle *o = find_obstacle(&a.control, home);
    if (o != NULL) {
        GW_TRY(object(s, warn, err, o->problem, o->mend, o->name != NULL ? o->name : home));
        a.control = everything_as_started.control;
        a.owner = 0;
    }
    *out = a;
    return GW_OK;
}
