/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nanoseconds of processor time for a whole judgement with its recheck, as the adapter asks for it: a usual head of ten headers, a
 * thousand users with a token and thousands of addresses, a thousand requests a second, their minted tokens kept. Each figure is the least of several rounds, for noise only adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pipeline/gate_rig.h"

#define ROUNDS 9
#define CALLS 20000u
#define USERS 1000u
#define ADDRESSES 2000u
#define HEADERS 10

struct bench {
    struct gw_rig rig;
    struct gw_str authorization[USERS];
    struct gw_str target;
    size_t used_bytes;
    unsigned next, asked;
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void *grow(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size); /* leaks by design: nginx's pool would take it back at the end of the request */
}

static enum gw_action ask(struct bench *b, struct gw_str authorization)
{
    static _Alignas(16) char space[GW_REQUEST_ARENA_BYTES];
    unsigned from = b->asked++ % ADDRESSES;
    struct gw_header headers[HEADERS] = {
        {.name = GW_STR("host"), .value = GW_STR("gw.example:8443")},
        {.name = GW_STR("user-agent"), .value = GW_STR("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36")},
        {.name = GW_STR("accept"), .value = GW_STR("application/json")},
        {.name = GW_STR("accept-encoding"), .value = GW_STR("gzip, deflate, br")},
        {.name = GW_STR("accept-language"), .value = GW_STR("en-GB,en;q=0.9")},
        {.name = GW_STR("connection"), .value = GW_STR("keep-alive")},
        {.name = GW_STR("cookie"), .value = GW_STR("theme=dark; lang=en")},
        {.name = GW_STR("referer"), .value = GW_STR("https://gw.example:8443/bots")},
        {.name = GW_STR("sec-fetch-site"), .value = GW_STR("same-origin")},
        {.name = GW_STR("authorization"), .value = authorization},
    };
    struct gw_request_head head = {
        .method = GW_STR("GET"),
        .target = b->target,
        .peer = {[10] = 0xff, [11] = 0xff, [12] = 198, [13] = 18, [14] = (uint8_t)(from >> 8), [15] = (uint8_t)from},
        .tls = true,
        .headers = headers,
        .header_count = HEADERS};
    struct gw_arena a;
    struct gw_decision d;
    gw_fake_clock_advance(&b->rig.clock, 1); /* nobody asks more often than he may */
    gw_arena_init_over(&a, space, sizeof(space), grow, NULL, (size_t)1 << 20);
    struct gw_request *r = gw_request_new(b->rig.gate, &head, &a, &d);
    if (d.action == GW_PASS)
        (void)gw_request_hand_over(b->rig.gate, r, &d);
    gw_gate_count_request(b->rig.gate, r, 200, 3);
    gw_request_done(b->rig.gate, r);
    b->used_bytes = gw_arena_used(&a);
    return d.action;
}

static enum gw_action good(struct bench *b)
{
    return ask(b, b->authorization[b->next++ % USERS]);
}

static enum gw_action forged(struct bench *b)
{
    return ask(b, gw_str_sub(b->authorization[0], 0, b->authorization[0].len - 1));
}

static enum gw_action nobody(struct bench *b)
{
    return ask(b, GW_STR("Bearer null"));
}

static void set_up(struct bench *b)
{
    gw_rig_new(&b->rig, NULL);
    b->target = GW_STR("/api/bots/018f3b5a-7c1e-7aaa-8bbb-0123456789ab?fields=name");
    for (unsigned i = 0; i < USERS; i++) {
        char text[GW_JWT_MAX_BYTES + 8];
        gw_rig_put_user(&b->rig, 10000 + i, "trader", "018f3b5a-7c1e-7aaa-8bbb-0123456789ab");
        gw_rig_put_session(&b->rig, 20000 + i, 10000 + i);
        snprintf(text, sizeof(text), "Bearer %s", gw_rig_token(&b->rig, 20000 + i, 10000 + i));
        b->authorization[i] = gw_str(strdup(text));
    }
}

int main(void)
{
    static struct bench b;
    static const struct {
        const char *name;
        enum gw_action (*run)(struct bench *b);
        enum gw_action action;
        bool counts; /* for /aaiti/metrics */
    } rows[] = {
        {"GET, good token, not counted", good, GW_PASS, false},
        {"GET with a good token", good, GW_PASS, true},
        {"GET with a forged token", forged, GW_REFUSE, true},
        {"GET with none", nobody, GW_REFUSE, true},
    };
    set_up(&b);
    void *pages = calloc(1, gw_counts_bytes());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double least = 1e18;
        b.rig.gate->metrics = (struct gw_metrics){.own = NULL};
        if (rows[i].counts && pages != NULL)
            gw_gate_share_counts(b.rig.gate, pages, 0);
        for (int round = 0; round < ROUNDS; round++) {
            double start = now_ns();
            for (unsigned call = 0; call < CALLS; call++)
                if (rows[i].run(&b) != rows[i].action) {
                    fprintf(stderr, "micro_gate: %s: wrong answer\n", rows[i].name);
                    return EXIT_FAILURE;
                }
            double each = (now_ns() - start) / CALLS;
            least = each < least ? each : least;
        }
        printf("%-28s %7.0f ns %6zu bytes of arena\n", rows[i].name, least, b.used_bytes);
    }
    gw_rig_free(&b.rig);
    free(pages);
    return EXIT_SUCCESS;
}
