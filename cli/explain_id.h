/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the id of a refusal tells, in words: the other half of `aaiti explain`. */
#include "command.h"

/* id: as a client was shown it, with or without its "urn:…:". Asks control. Exit status. */
int cli_explain_id(struct gw_cli *cli, const char *id);
