#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""usage: bot.py PORT CERTIFICATE ADDRESS RATE < TOKEN

A signed-in bot that polls until its standard input ends. A process of its own, so that what the attackers' threads cost is not
counted to the gateway. Prints a line of JSON: how many answers, how many were not 200, and the milliseconds they took.
"""
import json
import select
import sys
import time

from wire import Client, Endpoint

PATHS = ("/api/bots", "/api/trading/symbols/popular", "/api/analytics/risk")


def main():
    port, certificate, address, rate = sys.argv[1:]
    token = sys.stdin.readline().strip()
    client = Client(Endpoint(int(port), certificate), address, {"Authorization": f"Bearer {token}"}, timeout=10)
    client.get(PATHS[0])  # the handshake is not what is measured
    print("polling", flush=True)
    took, statuses = [], {}
    due = time.monotonic()
    while True:
        due = max(due + 1 / float(rate), time.monotonic() - 1)
        if select.select([sys.stdin], [], [], max(0, due - time.monotonic()))[0]:
            break
        answer = client.get(PATHS[len(took) % len(PATHS)])
        took.append(answer.seconds)
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
    took.sort()
    bad = {status: n for status, n in statuses.items() if status != 200}
    print(json.dumps({"answers": len(took), "bad": bad, "p50_ms": 1e3 * took[len(took) // 2], "p99_ms": 1e3 * took[len(took) * 99 // 100],
                      "max_ms": 1e3 * took[-1]}))


if __name__ == "__main__":
    main()
