/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Fills audit rows from what clients sent and workers wrote, none of it to be trusted: what comes out is UTF-8 without control
 * characters, within the row's caps. Pure; any thread.
 */
#include "store/audit.h"

/* By severity.def. */
enum gw_severity gw_audit_severity(struct gw_str action);
/* "high". Static storage. */
const char *gw_audit_severity_text(enum gw_severity severity);
/* GW_EINVAL. */
GW_MUST_CHECK enum gw_code gw_audit_severity_parse(struct gw_str text, enum gw_severity *out);

/* Bytes that are no UTF-8, and control characters, become '?'; what is beyond dst is cut between characters. */
void gw_audit_text(struct gw_str text, char *dst, size_t dst_size);
/* The same, but such bytes become %XX: a path stays one. */
void gw_audit_path(struct gw_str path, char *dst, size_t dst_size);
/* Type: the literal segment before the last {parameter} of route ("POST /api/bots/{id}/stop"); id: what stands there in path. None
 * when route has no parameter, path does not fit it, or the type or id is longer than a row's. */
void gw_audit_resource(struct gw_str route, struct gw_str path, struct gw_audit_row *r);

/* All of the row but writer and sequence. The event is one that the decoder gave. */
void gw_audit_row_of_event(const struct gw_event *e, struct gw_audit_row *out);
/* What an outcome, itself made a row, adds to the row of its intent. */
void gw_audit_row_conclude(struct gw_audit_row *r, const struct gw_audit_row *outcome);
