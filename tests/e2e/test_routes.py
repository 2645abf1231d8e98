# SPDX-License-Identifier: Apache-2.0
"""Every row of the backend's route table, asked by everybody: the status is the one the table implies.

The table is the design's (A.A.I.T.I v1.2.1), written out by hand: METHOD PATH | what it asks for | body that the backend takes.
{bot}, {model}, {trade}, {strategy} and {user} are things that the demo backend has.
"""
import json

import pytest

TABLE = """
GET /api/health | public
GET /api/auth/profile | signed-in
GET /api/users/profile | signed-in
GET /api/users/audit-trail | signed-in
GET /api/bots | bots:read
GET /api/bots/{bot} | bots:read
GET /api/bots/{bot}/metrics | bots:read
POST /api/bots | bots:write | {"name": "B", "strategy_type": "grid"}
PUT /api/bots/{bot} | bots:write | {"name": "C"}
POST /api/bots/{bot}/start | bots:write
POST /api/bots/{bot}/stop | bots:write
GET /api/trading/signals/{bot} | bots:read
GET /api/trading/trades/{bot} | bots:read
GET /api/trading/market-data/AAPL | bots:read
GET /api/trading/price/AAPL | bots:read
GET /api/trading/search/apple | bots:read
GET /api/trading/symbols/popular | bots:read
POST /api/trading/quotes | bots:read | {"symbols": ["BTC/USDT"]}
POST /api/trading/execute | bots:write | {"botId": "bot-1", "symbol": "BTC/USDT", "side": "buy", "quantity": 1}
POST /api/trading/trades/{trade}/close | bots:write
POST /api/trading/test-connection/alpaca | settings:read
GET /api/ml/models | models:read
GET /api/ml/models/{model} | models:read
GET /api/ml/models/{model}/performance/history | models:read
GET /api/ml/strategies | models:read
POST /api/ml/compare | models:read | {"modelIds": ["model-1"]}
POST /api/ml/indicators/calculate | models:read | {"ohlcv": []}
POST /api/ml/models | models:write | {"name": "M", "algorithmType": "svm", "targetTimeframe": "1h", "symbols": ["AAPL"]}
PUT /api/ml/models/{model} | models:write | {"name": "N"}
POST /api/ml/models/{model}/realtime/start | models:write
POST /api/ml/models/{model}/realtime/stop | models:write
POST /api/ml/models/{model}/performance/track | models:write | {"actualValues": [1], "predictedValues": [1]}
POST /api/ml/strategies | models:write | {"name": "S", "type": "grid", "parameters": {}}
POST /api/ml/strategies/{strategy}/execute | bots:write | {"marketData": []}
POST /api/ml/strategies/{strategy}/activate | bots:write
POST /api/ml/strategies/{strategy}/deactivate | bots:write
POST /api/ml/models/{model}/predict | predictions:read | {"symbols": ["AAPL"]}
GET /api/ml/models/{model}/predictions | predictions:read
POST /api/ml/models/{model}/backtest | backtests:write | {"symbols": ["AAPL"], "startDate": "2025-01-01", "endDate": "2025-02-01"}
GET /api/ml/models/{model}/backtests | backtests:read
GET /api/ml/backtests/backtest-1 | backtests:read
GET /api/analytics/portfolio | bots:read
GET /api/analytics/performance/{bot} | bots:read
GET /api/analytics/risk | bots:read
GET /api/analytics/correlation | bots:read
GET /api/analytics/market-regime | bots:read
GET /api/analytics/portfolio/optimization/methods | bots:read
GET /api/analytics/portfolio/optimizations | bots:read
GET /api/analytics/portfolio/optimizations/o1 | bots:read
POST /api/analytics/portfolio/optimize | bots:write | {"assets": ["AAPL"]}
GET /api/analytics/system-info | system:read
GET /api/users/system/stats | system:read
GET /api/users/system/audit | system:read
GET /api/users | users:read
PUT /api/users/{user} | users:write | {"is_active": true}
GET /api/users/settings | denied
GET /api/users/export-data | denied
PUT /api/users/settings/risk | settings:write | {"max_drawdown": 0.1}
POST /api/users/system/backup | system:write
GET /api/notifications/webhooks | settings:read
GET /api/notifications/webhooks/stats | settings:read
GET /api/notifications/notifications/stats | settings:read
POST /api/notifications/webhooks | settings:write | {"url": "https://example.com/hook"}
POST /api/notifications/webhooks/webhook-1/test | settings:write
POST /api/notifications/notifications/test | settings:write | {"type": "trade", "data": {}}
DELETE /api/notifications/webhooks/webhook-1 | settings:write
POST /api/notifications/notifications/subscribe | signed-in | {}
DELETE /api/notifications/notifications/unsubscribe | signed-in
GET /api/metrics | system:read
GET /api/metrics.json | system:read
DELETE /api/bots/{spare_bot} | bots:delete
DELETE /api/ml/models/{spare_model} | models:delete
POST /socket.io/ | denied
"""

# The guide's roles; admin holds every permission.
TRADER = {"models:read", "models:write", "bots:read", "bots:write", "predictions:read", "backtests:read", "backtests:write"}
VIEWER = {"models:read", "bots:read", "predictions:read", "backtests:read"}
HELD = {"trader": TRADER, "viewer": VIEWER}


def rows():
    for line in TABLE.strip().splitlines():
        request, asks, *body = (part.strip() for part in line.split("|"))
        method, path = request.split()
        yield pytest.param(method, path, asks, json.loads(body[0]) if body else None, id=f"{method} {path}")


def expected(who, asks):
    """2: any 2xx; else the status."""
    if asks == "public":
        return 2
    if asks == "denied":
        return 403
    if who == "anonymous":
        return 401
    if asks == "signed-in" or who == "admin":
        return 2
    return 2 if asks in HELD[who] else 403


@pytest.fixture(scope="module")
def names(gateway, tokens):
    """What {bot} and its kin stand for; the things to delete are made first."""
    admin = gateway.client(tokens["admin"])
    bot = admin.post("/api/bots", json={"name": "Spare", "strategy_type": "grid"}).json()["bot"]["id"]
    model = {"name": "Spare", "algorithmType": "svm", "targetTimeframe": "1h", "symbols": ["AAPL"]}
    return {"bot": "bot-1", "model": "model-1", "trade": "trade-1", "strategy": "strategy-1", "user": gateway.users["viewer"].upstream_id,
            "spare_bot": bot, "spare_model": admin.post("/api/ml/models", json=model).json()["model"]["id"]}


@pytest.fixture(scope="module")
def clients(gateway, tokens):
    return {"anonymous": gateway.client(), **{role: gateway.client(token) for role, token in tokens.items()}}


# Admin last: only admin's DELETE goes through.
@pytest.mark.parametrize("method, path, asks, body", rows())
def test_the_status_is_what_the_table_implies(method, path, asks, body, names, clients):
    path = path.format(**names)
    got, wanted = {}, {}
    for who in ("anonymous", "viewer", "trader", "admin"):
        answer = clients[who].request(method, path, json=body)
        wanted[who] = expected(who, asks)
        got[who] = 2 if wanted[who] == 2 and answer.status_code // 100 == 2 else answer.status_code
    assert got == wanted


@pytest.mark.parametrize("who", ["anonymous", "viewer", "trader", "admin"])
@pytest.mark.parametrize("method, path", [
    ("GET", "/api/unknown"), ("GET", "/apis/bots"), ("PATCH", "/api/bots/bot-1"), ("DELETE", "/api/bots"),
    ("OPTIONS", "/api/bots"), ("TRACE", "/api/bots"), ("POST", "/api/health"), ("GET", "/__ledger"), ("GET", "/API/bots"),
])
def test_what_no_route_names_is_403_for_everybody(who, method, path, clients, gateway):
    gateway.backend.forget()
    answer = clients[who].request(method, path)
    # nginx itself turns TRACE away.
    assert answer.status_code == 403 or (method, answer.status_code) == ("TRACE", 405)
    assert gateway.backend.received() == []


def test_head_follows_get(clients):
    assert clients["viewer"].head("/api/bots").status_code == 200
    assert clients["anonymous"].head("/api/bots").status_code == 401
    assert clients["admin"].head("/api/users/settings").status_code == 403


def test_a_refusal_is_problem_json_that_names_no_right(clients):
    answer = clients["viewer"].post("/api/bots/bot-1/start")
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert {"type", "title", "status", "error"} <= problem.keys()
    assert "bots:write" not in answer.text and "viewer" not in answer.text and "trader" not in answer.text


def test_the_landing_page_and_health_are_the_gateways_own(clients, gateway):
    gateway.backend.forget()
    landing = clients["anonymous"].get("/")
    assert landing.status_code == 200 and landing.headers["content-type"].startswith("text/html")
    for path in ("/aaiti/health", "/api/health"):
        answer = clients["anonymous"].get(path)
        assert answer.status_code == 200 and answer.json()["status"] == "ok", answer.text
    assert gateway.backend.received() == []


SECURITY_HEADERS = ("strict-transport-security", "x-content-type-options", "content-security-policy", "referrer-policy")


@pytest.mark.parametrize("path, status", [("/api/bots", 200), ("/api/unknown", 403), ("/api/%", 400), ("/", 200), ("/aaiti/health", 200)])
def test_every_answer_carries_the_security_headers_and_none_of_the_backends(path, status, clients):
    answer = clients["viewer"].get(path)
    assert answer.status_code == status
    assert [h for h in SECURITY_HEADERS if h not in answer.headers] == []
    dropped = ("x-powered-by", "access-control-allow-origin", "ratelimit-limit")
    assert [h for h in dropped if h in answer.headers] == []
    assert answer.headers.get("server", "") not in ("demo",)
