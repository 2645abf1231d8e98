/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal's view of a request. What opens risk is refused when it cannot be recorded; what reduces risk goes on whatever the
 * journal says, and the loss is counted; what does neither finds no room first, so that no flood of it takes the others'.
 */
#include "pipeline/pipeline.h"

/* Those who wait for a disk that hangs hold connections, which others need. */
#define WAIT_MAX_MS 5000
#define WAITERS_MAX 512

static struct gw_event describe(const struct gw_request *r, enum gw_event_phase phase, enum gw_outcome outcome)
{
    struct gw_event e = {.time_ms = gw_clock_real_ms(r->gate->clock),
                         .phase = phase,
                         .outcome = outcome,
                         .count = 1,
                         .request_id = r->id,
                         .path = r->path,
                         .user_agent = r->fields.user_agent};
    memcpy(e.address, r->client.b, sizeof(e.address));
    if (r->snapshot != NULL)
        e.generation = r->snapshot->ref.generation;
    if (r->route != NULL) {
        e.action = r->route->action;
        e.route = r->route->pattern;
    }
    if (r->signed_in) {
        e.user_id = r->user_id;
        e.session_id = r->session_id;
    }
    return e;
}

static bool reduces_risk(const struct gw_request *r)
{
    return r->route->risk == GW_RISK_REDUCES;
}

static enum gw_journal_priority priority_of(const struct gw_request *r)
{
    static const enum gw_journal_priority priorities[] = {
        [GW_RISK_NEUTRAL] = GW_JOURNAL_NEUTRAL,
        [GW_RISK_OPENS] = GW_JOURNAL_NORMAL,
        [GW_RISK_REDUCES] = GW_JOURNAL_RESERVED,
    };
    return priorities[r->route->risk];
}

static enum gw_reason reason_of(enum gw_code no_room)
{
    return no_room == GW_EDENIED ? GW_REASON_JOURNAL_SHARE : GW_REASON_JOURNAL_FULL;
}

/* ---- before ---- */

/* Something may have changed afterwards, or must be on disk before: one record does not do. */
static bool wants_intent(const struct gw_request *r)
{
    return !gw_method_is_safe(r->method) || r->route->audit == GW_AUDIT_DURABLE;
}

/* What closes a position does not wait for a disk that may be sick. */
static bool wants_disk(const struct gw_request *r)
{
    return r->route->audit == GW_AUDIT_DURABLE && !reduces_risk(r);
}

static void begin_waiting(struct gw_request *r)
{
    struct gw_journals *c = &r->gate->journals;
    r->intent = gw_journal_want_sync(c->of[GW_JOURNAL_CHANGES]);
    r->waits = true;
    c->waiters++;
}

static void end_waiting(struct gw_request *r)
{
    r->gate->journals.waiters -= r->waits;
    r->waits = false;
    r->intent = 0;
}

/* Refused before it is written that it was about to happen. */
static enum gw_reason write_intent(struct gw_request *r)
{
    struct gw_journal *changes = r->gate->journals.of[GW_JOURNAL_CHANGES];
    if (wants_disk(r) && r->gate->journals.waiters >= WAITERS_MAX)
        return GW_REASON_JOURNAL_BUSY;
    const struct gw_event e = describe(r, GW_EVENT_INTENT, GW_OUTCOME_PENDING);
    enum gw_code code = gw_journal_append(changes, &e, priority_of(r));
    bool is_written = code == GW_OK;
    if (!is_written && !reduces_risk(r))
        return reason_of(code);
    if (!is_written) {
        gw_journal_count_lost(changes);
        gw_metrics_add(&r->gate->metrics, GW_COUNTER_JOURNAL_UNRECORDED, 0, 0);
    }
    r->record = is_written ? GW_RECORD_INTENT : GW_RECORD_LOST;
    if (is_written && wants_disk(r))
        begin_waiting(r);
    r->intent_ms = gw_clock_mono_ms(r->gate->clock);
    return GW_REASON_NONE;
}

/* Its one record is written when it has been answered, which must not find the journal full. */
static enum gw_reason begin_read(struct gw_request *r)
{
    static const struct gw_uuid nobody;
    const struct gw_uuid *user = r->signed_in ? &r->user_id : &nobody;
    enum gw_code code = gw_journal_check_room(r->gate->journals.of[GW_JOURNAL_CHANGES], user, priority_of(r));
    if (code != GW_OK && !reduces_risk(r))
        return reason_of(code);
    r->record = GW_RECORD_READ;
    return GW_REASON_NONE;
}

bool gw_record_waits(const struct gw_request *r)
{
    return r->intent > gw_journal_synced(r->gate->journals.of[GW_JOURNAL_CHANGES]);
}

enum gw_reason gw_record_hand_over(struct gw_request *r)
{
    const struct gw_journals *c = &r->gate->journals;
    if (r->route->audit == GW_AUDIT_NONE)
        return GW_REASON_NONE;
    if (r->record == GW_RECORD_NONE && wants_intent(r))
        return write_intent(r);
    if (r->record == GW_RECORD_NONE)
        return begin_read(r);
    bool is_late = gw_clock_mono_ms(r->gate->clock) - r->intent_ms >= WAIT_MAX_MS;
    if (!gw_record_waits(r)) {
        end_waiting(r);
        return GW_REASON_NONE;
    }
    if (r->intent > c->failed_sequence && !is_late)
        return GW_REASON_NONE;
    gw_record_end(r, GW_ENDING_NOT_SENT, gw_reason_status(GW_REASON_JOURNAL_FAILED));
    return GW_REASON_JOURNAL_FAILED;
}

/* ---- after ---- */

static enum gw_outcome outcome_of(enum gw_ending ending, unsigned status)
{
    switch (ending) {
    case GW_ENDING_ANSWERED:
        return status < 400 ? GW_OUTCOME_DONE : GW_OUTCOME_FAILED;
    case GW_ENDING_NOT_SENT:
        return GW_OUTCOME_NOT_SENT;
    case GW_ENDING_VERIFIED:
        return GW_OUTCOME_VERIFIED;
    case GW_ENDING_UNKNOWN:
        break;
    }
    return GW_OUTCOME_UNKNOWN;
}

/* The intent has the rest. */
static struct gw_event outcome_event(const struct gw_request *r, enum gw_outcome outcome)
{
    return (struct gw_event){.time_ms = gw_clock_real_ms(r->gate->clock),
                             .phase = GW_EVENT_OUTCOME,
                             .outcome = outcome,
                             .count = 1,
                             .request_id = r->id,
                             .action = r->route->action};
}

static void write_outcome(struct gw_request *r, enum gw_outcome outcome, unsigned status)
{
    struct gw_journal *changes = r->gate->journals.of[GW_JOURNAL_CHANGES];
    bool is_read = r->record == GW_RECORD_READ;
    struct gw_event e = is_read ? describe(r, GW_EVENT_SINGLE, outcome) : outcome_event(r, outcome);
    e.status = (uint16_t)status;
    if (gw_journal_append(changes, &e, GW_JOURNAL_RESERVED) == GW_OK)
        return;
    gw_journal_count_lost(changes);
    gw_metrics_add(&r->gate->metrics, GW_COUNTER_JOURNAL_LOST, 0, 0);
}

void gw_record_end(struct gw_request *r, enum gw_ending ending, unsigned status)
{
    enum gw_outcome outcome = outcome_of(ending, status);
    if (r->record != GW_RECORD_INTENT && r->record != GW_RECORD_READ && r->record != GW_RECORD_LOST)
        return;
    /* Of a lost intent the outcome would tell nothing; whether it is known, the client is told all the same. */
    if (r->record != GW_RECORD_LOST)
        write_outcome(r, outcome, status);
    bool is_unknown = outcome == GW_OUTCOME_UNKNOWN && !gw_method_is_safe(r->method);
    r->record = is_unknown ? GW_RECORD_UNKNOWN : GW_RECORD_DONE;
    end_waiting(r);
}

bool gw_request_is_repeatable(const struct gw_request *r)
{
    return gw_method_is_safe(r->method) && r->route->risk == GW_RISK_NEUTRAL;
}

bool gw_request_outcome_is_unknown(const struct gw_request *r)
{
    return r->record == GW_RECORD_UNKNOWN;
}

/* ---- events of sockets ---- */

/* Nobody tells what came of it. */
enum gw_reason gw_record_event(struct gw_request *r)
{
    struct gw_journal *changes = r->gate->journals.of[GW_JOURNAL_CHANGES];
    if (r->route->audit == GW_AUDIT_NONE)
        return GW_REASON_NONE;
    const struct gw_event e = describe(r, GW_EVENT_SINGLE, GW_OUTCOME_RELAYED);
    enum gw_code code = gw_journal_append(changes, &e, priority_of(r));
    if (code == GW_OK)
        return GW_REASON_NONE;
    if (!reduces_risk(r))
        return reason_of(code);
    gw_journal_count_lost(changes);
    gw_metrics_add(&r->gate->metrics, GW_COUNTER_JOURNAL_UNRECORDED, 0, 0);
    return GW_REASON_NONE;
}

/* ---- refusals ---- */

void gw_record_refusal(struct gw_request *r)
{
    struct gw_journals *c = &r->gate->journals;
    struct gw_event e = describe(r, GW_EVENT_TALLY, GW_OUTCOME_REFUSED);
    e.action = GW_STR("request_refused");
    e.reason = gw_str(gw_reason_name(r->out->reason));
    e.status = (uint16_t)r->out->status;
    e.last_ms = e.time_ms;
    gw_tally_add(c->tally, &e);
}
