/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For tests of whatever adds to a list of faults: texts that must be refused, each with the fault that must come first. */
#include "config/fault.h"

struct fault_case {
    const char *text;
    unsigned line;
    const char *message; /* part of it */
};

/* Reads a text and gives the faults that came of it alone; asserts what else must hold of a refusal. */
typedef const struct gw_faults *(*fault_reader)(void *ctx, const char *text);

void check_fault_cases(const struct fault_case *cases, size_t count, fault_reader read, void *ctx);
/* *f becomes an empty list. */
void renew_faults(struct gw_faults **f);
