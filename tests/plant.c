/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For end-to-end tests: puts secrets into a home's database as the gateway would, or looks whether they are all there. Nothing else may
 * have the home open meanwhile.
 *     plant HOME put|check COUNT PREFIX        secrets "PREFIX-N" under names "planted/N/secret"
 */
#include "base/clock.h"
#include "crypto/keyring.h"
#include "identity/sealed.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 256

struct plant {
    struct gw_secret *kek;
    struct gw_store *store;
    struct gw_sealed *sealed;
};

static void plant_done(struct plant *p)
{
    gw_sealed_free(p->sealed);
    gw_store_close(p->store);
    gw_secret_free(p->kek);
}

/* The database takes nobody but its owner. */
static enum gw_code become_owner(const char *home, struct gw_error *err)
{
    struct stat st;
    if (stat(home, &st) != 0)
        return gw_fail(err, GW_ENOTFOUND, "no home");
    if (geteuid() == 0 && st.st_uid != 0 && (setgid(st.st_gid) != 0 || setuid(st.st_uid) != 0))
        return gw_fail(err, GW_EBACKEND, "cannot become the owner of the home");
    return GW_OK;
}

static enum gw_code open_home(struct plant *p, const char *home, struct gw_error *err)
{
    gw_auto(gw_secret) struct gw_secret *text = NULL;
    char path[TEXT_MAX];
    GW_TRY(become_owner(home, err));
    (void)snprintf(path, sizeof(path), "%s/keys/encryption.key", home);
    GW_TRY(gw_secret_load(path, &text, err));
    GW_TRY(gw_kek_parse(text, &p->kek, err));
    (void)snprintf(path, sizeof(path), "%s/aaiti.db", home);
    GW_TRY(gw_store_open_sqlite(path, &p->store, err));
    const struct gw_sealed_options o = {p->store, p->kek, gw_system_clock(), gw_system_random()};
    return gw_sealed_open(&o, &p->sealed, err);
}

static enum gw_code check(struct plant *p, struct gw_str name, struct gw_str secret, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf out = {0};
    gw_buf_init(&out, GW_ENVELOPE_MAX);
    GW_TRY(gw_sealed_get(p->sealed, name, &out, err));
    return gw_str_eq(gw_buf_str(&out), secret) ? GW_OK : gw_fail(err, GW_EINTERNAL, "another secret than was put");
}

static enum gw_code run(struct plant *p, const char *verb, int64_t count, const char *prefix, struct gw_error *err)
{
    bool puts_them = strcmp(verb, "put") == 0;
    for (int64_t n = 0; n < count; n++) {
        char name[TEXT_MAX], secret[TEXT_MAX];
        (void)snprintf(name, sizeof(name), "planted/%lld/secret", (long long)n);
        (void)snprintf(secret, sizeof(secret), "%s-%lld", prefix, (long long)n);
        GW_TRY(puts_them ? gw_sealed_put(p->sealed, gw_str(name), gw_str(secret), 0, err)
                         : check(p, gw_str(name), gw_str(secret), err));
    }
    return GW_OK;
}

static enum gw_code work(struct plant *p, char **argv, struct gw_error *err)
{
    int64_t count;
    if (!gw_str_to_i64(gw_str(argv[3]), &count))
        return gw_fail(err, GW_EINVAL, "no number");
    GW_TRY(open_home(p, argv[1], err));
    GW_TRY(gw_store_begin(p->store, err));
    return gw_store_end(p->store, run(p, argv[2], count, argv[4], err), err);
}

int main(int argc, char **argv)
{
    __attribute__((cleanup(plant_done))) struct plant p = {0};
    struct gw_error err = {0};
    if (argc == 5 && work(&p, argv, &err) == GW_OK)
        return 0;
    fprintf(stderr, "plant: %s\n", err.msg);
    return 1;
}
