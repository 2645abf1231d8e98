/* SPDX-License-Identifier: Apache-2.0 */
/* `aaiti cert …`: the certificates that the settings name, or those of a file: what they say, whether they will do, and how new ones are taken up. */
#include "base/file.h"
#include "call.h"
#include "commands.h"
#include "control/run_dir.h"
#include "crypto/certificate.h"
#include "crypto/tls.h"
#include "home.h"
#include "nginx_workers.h"
#include "pairs.h"
#include "probe.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define DAY_S 86400
#define RELOAD_TIMEOUT_MS 15000
#define RELOAD_LOOK_MS 50
#define ARENA_MAX_BYTES ((size_t)256 * 1024)

/* Soundness of the settings is all that these commands want of the home. */
static int open_home(struct gw_cli *cli, struct cli_home *h)
{
    int status = cli_home_settings(cli, h);
    if (status == GW_EXIT_YES && gw_faults_count(h->faults) > 0)
        return cli_fail_faults(cli, h->faults);
    return status;
}

static const char *certificate_file(struct gw_cli *cli, struct cli_home *h, size_t i)
{
    return gw_settings_path(&h->arena, cli->home,
                            i == 0 ? h->settings.tls_certificate : h->settings.tls_second_certificate);
}

static int64_t days_left(const struct gw_chain_facts *f, int64_t now_s)
{
    int64_t left_s = f->not_after_s - now_s;
    return left_s >= 0 ? left_s / DAY_S : -((-left_s + DAY_S - 1) / DAY_S);
}

/* ---- show ---- */

static json_t *facts_json(const char *file, const struct gw_chain_facts *f, int64_t now_s)
{
    char not_before[GW_TIME_LEN + 1], not_after[GW_TIME_LEN + 1];
    gw_time_format(f->not_before_s, not_before);
    gw_time_format(f->not_after_s, not_after);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:I, s:s?}", "file", file, "subject",
                     f->subject.ptr, "issuer", f->issuer.ptr, "names", f->names.ptr, "key", f->key.ptr, "notBefore",
                     not_before, "notAfter", not_after, "daysLeft", (json_int_t)days_left(f, now_s), "fingerprint",
                     f->fingerprint, "development", f->is_development, "selfSigned", f->is_self_signed, "chainLength",
                     (json_int_t)f->count, "ocspResponder", f->responder.len > 0 ? f->responder.ptr : NULL);
}

static void print_facts(struct gw_cli *cli, const json_t *facts)
{
    static const struct {
        const char *member, *label;
    } rows[] = {{"file", "file"},
                {"subject", "subject"},
                {"issuer", "issuer"},
                {"names", "names"},
                {"key", "key"},
                {"notBefore", "not before"},
                {"notAfter", "not after"},
                {"fingerprint", "SHA-256"},
                {"ocspResponder", "responder"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        fprintf(cli->out, "%-12s %s\n", rows[i].label, cli_text(facts, rows[i].member));
    fprintf(cli->out, "%-12s %" PRId64 "\n", "days left",
            (int64_t)json_integer_value(json_object_get(facts, "daysLeft")));
    fprintf(cli->out, "%-12s %s\n", "development", json_is_true(json_object_get(facts, "development")) ? "yes" : "no");
}

static int add_facts(struct gw_cli *cli, const char *file, json_t *all)
{
    struct gw_error err = {0};
    struct gw_chain_facts facts;
    gw_auto(gw_chain) struct gw_chain *chain = NULL;
    gw_auto(gw_arena) struct gw_arena a = {0};
    gw_arena_init(&a, ARENA_MAX_BYTES);
    enum gw_code code = gw_chain_load(file, &chain, &err);
    if (code == GW_OK)
        code = gw_chain_facts(chain, &a, &facts, &err);
    if (code != GW_OK)
        return gw_cli_fail_error(cli, &err);
    json_array_append_new(all, facts_json(file, &facts, gw_clock_real_s(gw_system_clock())));
    return GW_EXIT_YES;
}

static int add_all_facts(struct gw_cli *cli, json_t *all)
{
    cli_auto_home struct cli_home h = {0};
    int status = open_home(cli, &h);
    for (size_t i = 0; status == GW_EXIT_YES && i < gw_pairs_count(&h.settings); i++)
        status = add_facts(cli, certificate_file(cli, &h, i), all);
    return status;
}

int cmd_cert_show(struct gw_cli *cli, int argc, char **argv)
{
    gw_auto_json json_t *all = json_array();
    int status = argc > 1 ? add_facts(cli, argv[1], all) : add_all_facts(cli, all);
    if (status != GW_EXIT_YES)
        return status;
    if (cli->json) {
        cli_print_json(cli, all);
        return GW_EXIT_YES;
    }
    size_t i;
    json_t *facts;
    json_array_foreach (all, i, facts) {
        if (i > 0)
            fputc('\n', cli->out);
        print_facts(cli, facts);
    }
    return GW_EXIT_YES;
}

/* ---- check ---- */

static void check_name(struct cli_home *h, const char *file, const struct gw_chain *chain, struct gw_str name)
{
    if (!gw_chain_covers(chain, name))
        gw_faults_add(h->faults, file, 0, "the certificate is not for `%.*s`", GW_STR_ARG(name));
}

static void check_names(struct cli_home *h, const char *file, const struct gw_chain *chain)
{
    const struct gw_option_strings *names = &h->settings.tls_names;
    struct gw_str listen = h->settings.listen, host = gw_str_sub(listen, 0, gw_str_find(listen, ':'));
    for (size_t i = 0; i < names->count; i++)
        check_name(h, file, chain, gw_str_sub(names->item[i], 0, gw_str_find(names->item[i], ':')));
    if (gw_str_starts(listen, GW_STR("[")))
        host = gw_str_sub(listen, 1, gw_str_find(listen, ']') - 1);
    bool is_any = gw_str_eq(host, GW_STR("0.0.0.0")) || gw_str_eq(host, GW_STR("::"));
    if (names->count == 0 && !is_any)
        check_name(h, file, chain, host);
}

static enum gw_code check_one(struct gw_cli *cli, struct cli_home *h, const char *file, struct gw_str authorities,
                              struct gw_error *err)
{
    struct gw_chain_facts f;
    struct gw_error why = {0};
    gw_auto(gw_chain) struct gw_chain *chain = NULL;
    int64_t now_s = gw_clock_real_s(gw_system_clock());
    if (gw_chain_load(file, &chain, NULL) != GW_OK)
        return GW_OK; /* gw_pairs_check has told */
    GW_TRY(gw_chain_facts(chain, &h->arena, &f, err));
    if (now_s >= f.not_after_s || now_s < f.not_before_s)
        gw_faults_add(h->faults, file, 0, "the certificate is %s",
                      now_s >= f.not_after_s ? "expired" : "not in force yet");
    else if (!f.is_development && gw_chain_check_trust(chain, authorities, now_s, &why) != GW_OK)
        gw_faults_add(h->faults, file, 0, "%s; the authority's own certificate may be given with --ca", why.msg);
    check_names(h, file, chain);
    if (!cli->json)
        fprintf(cli->out, "%s: %s, %" PRId64 " days left%s\n", file, f.key.ptr, days_left(&f, now_s),
                f.is_development ? "; for development only" : "");
    return GW_OK;
}

static enum gw_code check_all(struct gw_cli *cli, struct cli_home *h, struct gw_error *err)
{
    gw_auto(gw_buf) struct gw_buf authorities = {0};
    const char *ca = gw_cli_value(cli, "--ca");
    gw_buf_init(&authorities, GW_CHAIN_MAX_BYTES);
    if (ca != NULL)
        GW_TRY(gw_file_read(ca, &authorities, err));
    gw_pairs_check(&h->settings, cli->home, h->faults);
    for (size_t i = 0; i < gw_pairs_count(&h->settings); i++)
        GW_TRY(check_one(cli, h, certificate_file(cli, h, i), gw_buf_str(&authorities), err));
    return GW_OK;
}

int cmd_cert_check(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct gw_error err = {0};
    cli_auto_home struct cli_home h = {0};
    int status = open_home(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (check_all(cli, &h, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    return cli_print_faults(cli, h.faults);
}

/* ---- self-signed ---- */

/* The key first: until the certificate follows, the two are no pair, and the gateway goes on with those that it has. */
static enum gw_code make_pair(struct gw_cli *cli, const char *certificate, const char *key, struct gw_error *err)
{
    char next[2][PATH_MAX];
    bool replaces = gw_cli_value(cli, "--replace") != NULL;
    if (snprintf(next[0], PATH_MAX, "%s%s", key, replaces ? ".next" : "") >= PATH_MAX ||
        snprintf(next[1], PATH_MAX, "%s%s", certificate, replaces ? ".next" : "") >= PATH_MAX)
        return gw_fail(err, GW_EINVAL, "the name of the certificate is too long");
    if (replaces)
        for (size_t i = 0; i < 2; i++)
            (void)unlink(next[i]);
    GW_TRY(gw_certificate_create(next[1], next[0], gw_str(gw_cli_value(cli, "--names")), gw_system_clock(),
                                 gw_system_random(), err));
    if (!replaces)
        return GW_OK;
    GW_TRY(gw_file_rename(next[0], key, err));
    return gw_file_rename(next[1], certificate, err);
}

int cmd_cert_self_signed(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct gw_error err = {0};
    cli_auto_home struct cli_home h = {0};
    int status = open_home(cli, &h);
    if (status == GW_EXIT_YES)
        status = cli_become_owner(cli);
    if (status != GW_EXIT_YES)
        return status;
    const char *certificate = certificate_file(cli, &h, 0);
    const char *key = gw_settings_path(&h.arena, cli->home, h.settings.tls_key);
    if (certificate == NULL || key == NULL)
        return gw_cli_fail(cli, GW_EXIT_UNKNOWN, "no memory");
    enum gw_code code = make_pair(cli, certificate, key, &err);
    if (code == GW_ECONFLICT)
        return gw_cli_fail(cli, GW_EXIT_NO, "%s; --replace puts another pair in their place", err.msg);
    if (code != GW_OK)
        return gw_cli_fail_error(cli, &err);
    if (cli->json) {
        gw_auto_json json_t *made = json_pack("{s:s, s:s}", "certificate", certificate, "key", key);
        cli_print_json(cli, made);
    } else {
        fprintf(cli->out, "made %s and %s, for development\n", certificate, key);
    }
    return GW_EXIT_YES;
}

/* ---- reload ---- */

/* Whoever holds the lock has written his number there. */
static enum gw_code find_serve(const char *nginx_dir, pid_t *out, struct gw_error *err)
{
    char path[GW_RUN_DIR_FILE_MAX];
    int64_t pid = 0;
    gw_auto(gw_buf) struct gw_buf text = {0};
    gw_auto_fd int dir = open(nginx_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool runs = dir >= 0 && flock(dir, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    if (!runs && (dir >= 0 || errno == ENOENT))
        return gw_fail(err, GW_EDENIED, "no `aaiti serve` runs for this home directory");
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_SERVE_PID, nginx_dir);
    gw_buf_init(&text, 32);
    GW_TRY(gw_file_read(path, &text, err));
    struct gw_str line = gw_buf_str(&text);
    if (!gw_str_to_i64(gw_str_sub(line, 0, gw_str_find(line, '\n')), &pid) || pid <= 1 || pid > INT32_MAX)
        return gw_fail(err, GW_EBACKEND, "%s has no process's number", path);
    *out = (pid_t)pid;
    return GW_OK;
}

/* What `aaiti serve` has taken up is what stands in the files, those who go by what was before have left, and whoever comes to the listener is shown it. */
static bool is_shown(const struct cli_home *h, const char *home, const char *nginx_dir, const struct gw_pairs *pairs,
                     const struct gw_nginx_workers *before)
{
    char path[GW_RUN_DIR_FILE_MAX];
    bool is_in_use = false;
    (void)snprintf(path, sizeof(path), "%s/" GW_RUN_CERTIFICATE, nginx_dir);
    return gw_pairs_in_use(pairs, &h->settings, nginx_dir, &is_in_use, NULL) == GW_OK && is_in_use &&
           gw_nginx_workers_have_left(before) && gw_probe_shows(&h->settings, home, path);
}

static bool wait_until_shown(const struct cli_home *h, const char *home, const char *nginx_dir,
                             const struct gw_pairs *pairs, const struct gw_nginx_workers *before)
{
    const struct timespec pause = {.tv_nsec = RELOAD_LOOK_MS * 1000000L};
    int64_t end_ms = gw_clock_mono_ms(gw_system_clock()) + RELOAD_TIMEOUT_MS;
    while (!is_shown(h, home, nginx_dir, pairs, before)) {
        if (gw_clock_mono_ms(gw_system_clock()) > end_ms)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* The running gateway looks at the files that it has read the names of: of others it would never hear. */
static enum gw_code check_names_in_use(const struct cli_home *h, const char *nginx_dir, const struct gw_pairs *pairs,
                                       pid_t serve, bool *out_in_use, struct gw_error *err)
{
    struct gw_error why = {0};
    enum gw_code code = gw_pairs_in_use(pairs, &h->settings, nginx_dir, out_in_use, &why);
    if (code == GW_ECONFLICT)
        return gw_fail(err, code, "%s; have it read the settings again: kill -HUP %jd", why.msg, (intmax_t)serve);
    return code == GW_OK ? GW_OK : gw_fail(err, code, "%s", why.msg);
}

static enum gw_code have_taken_up(struct gw_cli *cli, struct cli_home *h, struct gw_error *err)
{
    pid_t serve = 0;
    bool is_in_use = false;
    char run_dir[GW_RUN_PATH_MAX + 1], nginx_dir[GW_RUN_PATH_MAX + 8];
    struct gw_nginx_workers before = {.count = 0};
    gw_auto(gw_pairs) struct gw_pairs pairs = {.count = 0};
    GW_TRY(gw_pairs_read(&h->settings, cli->home, &pairs, err));
    GW_TRY(gw_run_dir_name(&h->settings, cli->home, run_dir, err));
    (void)snprintf(nginx_dir, sizeof(nginx_dir), "%s" GW_RUN_NGINX_SUFFIX, run_dir);
    GW_TRY(find_serve(nginx_dir, &serve, err));
    GW_TRY(check_names_in_use(h, nginx_dir, &pairs, serve, &is_in_use, err));
    if (!is_in_use)
        gw_nginx_workers_find(nginx_dir, &before);
    if (kill(serve, SIGUSR1) != 0)
        return gw_fail(err, GW_EBACKEND, "cannot tell `aaiti serve` (process %jd): %s", (intmax_t)serve,
                       strerror(errno));
    if (!wait_until_shown(h, cli->home, nginx_dir, &pairs, &before))
        return gw_fail(err, GW_ETIMEOUT,
                       "the gateway does not go by the new files after %d s; what `aaiti serve` logs tells why",
                       RELOAD_TIMEOUT_MS / 1000);
    return GW_OK;
}

int cmd_cert_reload(struct gw_cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct gw_error err = {0};
    cli_auto_home struct cli_home h = {0};
    int status = open_home(cli, &h);
    if (status != GW_EXIT_YES)
        return status;
    if (have_taken_up(cli, &h, &err) != GW_OK)
        return gw_cli_fail_error(cli, &err);
    if (cli->json) {
        gw_auto_json json_t *done = json_pack("{s:b}", "shown", 1);
        cli_print_json(cli, done);
    } else {
        fputs("The gateway shows the certificate, and knows clients, as it stands in the files.\n", cli->out);
    }
    return GW_EXIT_YES;
}
