# SPDX-License-Identifier: Apache-2.0
"""A worker's memory with a large policy and many sessions stays under its bar."""
import contextlib
import re
import sqlite3
import time
import uuid
from pathlib import Path

import jwt

ROUTES, USERS, SESSIONS_EACH = 1000, 500, 20
BAR_MIB = 30
REQUESTS = 1000


def private_mib(pid):
    """Pages that are this process's alone. Who may not look into it, for it is not dumpable, is told of the anonymous ones."""
    try:
        text, fields = Path(f"/proc/{pid}/smaps_rollup").read_text(), "Private_(?:Clean|Dirty)"
    except PermissionError:
        text, fields = Path(f"/proc/{pid}/status").read_text(), "RssAnon"
    sizes = re.findall(rf"^{fields}:\s+(\d+) kB", text, re.M)
    assert sizes
    return sum(map(int, sizes)) / 1024


def add_routes(policy):
    have = policy.read_text().count("{match:")
    more = [f'  - {{match: "GET /api/more-{n}/{{id}}/part/{{name}}", permission: more-{n % 50}:read, risk: neutral}}\n' for n in range(ROUTES - have)]
    policy.write_text(policy.read_text().replace("\nroutes:\n", "\nroutes:\n" + "".join(more)))


def add_sessions(gateway):
    """In the database, from where control takes them at its start. Gives pairs of ids: session and user."""
    now = int(time.time())
    users = [(uuid.uuid4(), f"seed{n}", f"seed{n}@example.org", upstream_id, now) for n, upstream_id in enumerate(gateway.spare_ids[:USERS])]
    sessions = [(uuid.uuid4(), user[0]) for user in users for _ in range(SESSIONS_EACH)]
    with contextlib.closing(sqlite3.connect(gateway.home / "aaiti.db")) as db, db:
        db.executemany("INSERT INTO users VALUES (?1, ?2, ?3, 'trader', ?4, '!', 1, ?5, ?5, ?5, 1, 0)", [(u[0].bytes, *u[1:]) for u in users])
        db.executemany("INSERT INTO sessions VALUES (?1, ?2, ?3, ?3, ?4, '127.0.0.1', '', '')",
                       [(session.bytes, user.bytes, now, now + 86400) for session, user in sessions])
    return sessions


def token_of(like, key, session, user):
    """A token of the user's session, as control would sign it."""
    claims = {**jwt.decode(like, options={"verify_signature": False}), "sub": str(user), "sid": str(session), "jti": str(uuid.uuid4())}
    header = {k: v for k, v in jwt.get_unverified_header(like).items() if k != "alg"}
    return jwt.encode(claims, key, algorithm="HS256", headers=header)


def test_a_worker_stays_under_its_bar(make_gateway):
    gateway = make_gateway(start=False, spare_users=USERS + 10)
    add_routes(gateway.home / "policy.yaml")
    sessions = add_sessions(gateway)
    gateway.start()
    assert len(gateway.aaiti_json("policy", "list")) >= ROUTES
    like, key = gateway.login(gateway.users["trader"]), (gateway.home / "keys/token.key").read_text().rstrip("\n")
    clients = [gateway.client() for _ in range(8)]  # connections enough to reach both workers
    step = len(sessions) // (REQUESTS // 2)
    for n, (session, user) in enumerate(sessions[::step]):
        headers = {"Authorization": f"Bearer {token_of(like, key, session, user)}"}
        client = clients[n % len(clients)]
        assert client.get("/api/bots", headers=headers).status_code == 200
        assert client.get(f"/api/more-{n % 900}/1/part/x", headers=headers).status_code == 403
    workers = gateway.pids("nginx: worker")
    held = [private_mib(pid) for pid in workers]
    assert len(workers) == 2 and max(held) <= BAR_MIB, held
