/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Whether an API key is good, here and now. The data plane and control judge it here alike; whether its owner is still there is asked by
 * each where it looks at users. Any thread.
 */
#include "crypto/mac.h"
#include "shared/shared.h"

enum gw_key_fault {
#define GW_KEY_FAULT(name, text) GW_KEY_##name,
#include "pipeline/key_fault.def"
#undef GW_KEY_FAULT
};

/* text: as presented; from: the client's address. GW_OK: *fault tells, and *out is the key where that is OK; and where it is WANTS_SIGNATURE: the
 * key would be good, but only its id was presented, which proves nothing, and out->proof is what it signs by. GW_EBACKEND: the segment cannot
 * tell. GW_ECRYPTO. */
GW_MUST_CHECK enum gw_code gw_key_judge(const struct gw_shared *s, struct gw_str text, const struct gw_ip *from,
                                        int64_t now_s, struct gw_live_key *out, enum gw_key_fault *fault);
/* The same of the certificate that a client has shown (GW_CLIENT_FINGERPRINT_BYTES): UNKNOWN, where it stands for nobody. */
GW_MUST_CHECK enum gw_code gw_key_judge_certificate(const struct gw_shared *s, const uint8_t fingerprint[GW_MAC_BYTES],
                                                    const struct gw_ip *from, int64_t now_s, struct gw_live_key *out,
                                                    enum gw_key_fault *fault);
/* The same of its end and its networks alone; from: NULL: nobody says where from, and no network speaks against it. */
enum gw_key_fault gw_key_judge_use(const struct gw_live_key *k, const struct gw_ip *from, int64_t now_s);
/* One that was good a moment ago: whether it still is. */
GW_MUST_CHECK enum gw_code gw_key_judge_again(const struct gw_shared *s, const struct gw_live_key *key,
                                              const struct gw_ip *from, int64_t now_s, enum gw_key_fault *fault);
