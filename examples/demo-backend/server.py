#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small trading backend of the A.A.I.T.I shape, to stand behind the gateway in demos and tests.

It trusts nobody: like the original it wants an HS256 token signed with its secret whose userId is an active user of its own
table, and checks each body. Everything lives in memory. With --ledger it keeps all that it received, readable at
GET /__ledger, so that a test can assert what never arrived. Standard library only.
"""
import argparse
import base64
import binascii
import hashlib
import hmac
import json
import re
import signal
import sqlite3
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from socket_io import SocketIo

MAX_BODY = 10 * 1024 * 1024
ALGORITHMS = {
    "linear_regression", "polynomial_regression", "random_forest", "svm", "naive_bayes", "lstm", "moving_average",
    "technical_indicators", "arima", "sarima", "sarimax", "prophet",
}


class Refusal(Exception):
    def __init__(self, status, error):
        super().__init__(error)
        self.status, self.error = status, error


# ---- tokens ------------------------------------------------------------------------------------------------------------


def b64url(text):
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b64url_text(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign_token(secret, claims):
    parts = [b64url_text(json.dumps(part, separators=(",", ":")).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    tag = hmac.new(secret, ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join(parts + [b64url_text(tag)])


def verify_token(secret, token, now):
    """The claims, or ValueError."""
    head, claims, tag = token.split(".")
    wanted = hmac.new(secret, f"{head}.{claims}".encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(wanted, b64url(tag)):
        raise ValueError("signature")
    if json.loads(b64url(head)).get("alg") != "HS256":
        raise ValueError("algorithm")
    claims = json.loads(b64url(claims))
    if not isinstance(claims, dict) or now >= claims.get("exp", float("inf")) or now < claims.get("nbf", 0):
        raise ValueError("claims")
    return claims


# ---- users -------------------------------------------------------------------------------------------------------------


class JsonUsers:
    """{"admin": {"username":…, "upstream_id":…, "password":…}, …}, as `aaiti init --demo` writes it; the key is the role."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            entries = json.load(f)
        self.by_id = {}
        for key, e in entries.items():
            user = {
                "id": e["upstream_id"], "username": e["username"], "email": e.get("email", e["username"] + "@example.com"),
                "role": e.get("role", key), "is_active": int(e.get("is_active", 1)),
            }
            self.by_id[user["id"]] = (user, e.get("password", ""))

    def get(self, user_id):
        found = self.by_id.get(user_id)
        return found[0] if found else None

    def all(self):
        return [user for user, _ in self.by_id.values()]

    def sign_in(self, name, password):
        for user, known in self.by_id.values():
            if name in (user["username"], user["email"]) and known and hmac.compare_digest(known.encode(), password.encode()):
                return user
        return None


class SqliteUsers:
    """The table `users` of an A.A.I.T.I database, read only. Its bcrypt hashes are not checked here, so nobody signs in."""

    COLUMNS = ("id", "username", "email", "role", "is_active")

    def __init__(self, path):
        self.uri = f"file:{path}?mode=ro"

    def rows(self, where="", args=()):
        db = sqlite3.connect(self.uri, uri=True)
        try:
            rows = db.execute(f"SELECT {', '.join(self.COLUMNS)} FROM users {where}", args).fetchall()
        finally:
            db.close()
        return [dict(zip(self.COLUMNS, row)) for row in rows]

    def get(self, user_id):
        found = self.rows("WHERE id = ?", (user_id,))
        return found[0] if found else None

    def all(self):
        return self.rows()

    def sign_in(self, name, password):
        return None


# ---- bodies ------------------------------------------------------------------------------------------------------------


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


KINDS = {
    "text": lambda v: isinstance(v, str) and v != "",
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "numbers": lambda v: isinstance(v, list) and all(is_number(n) for n in v),
    "bool": lambda v: isinstance(v, bool) or v in (0, 1),
    "number": is_number,
    "positive": lambda v: is_number(v) and v > 0,
    "any": lambda v: True,
}


def check_body(spec, body):
    """spec: "name:kind name2:kind ; optional:kind", kind one of KINDS or "a|b|c"."""
    required, _, optional = spec.partition(";")
    if not isinstance(body, dict):
        raise Refusal(400, "Request body must be a JSON object")
    for must, part in ((True, required), (False, optional)):
        for item in part.split():
            name, _, kind = item.partition(":")
            if name not in body:
                if must:
                    raise Refusal(400, f"{name} is required")
                continue
            ok = body[name] in kind.split("|") if "|" in kind and isinstance(body[name], str) else KINDS.get(kind, lambda v: False)(body[name])
            if not ok:
                raise Refusal(400, f"{name} is invalid")


# ---- what there is -----------------------------------------------------------------------------------------------------


def now_text():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


class Desk:
    """Bots, models, trades and the rest, in memory."""

    def __init__(self):
        self.lock = threading.Lock()
        self.bots, self.models, self.strategies, self.webhooks, self.trades = {}, {}, {}, {}, {}
        self.add_bot({"name": "Momentum", "strategy_type": "momentum"}, "bot-1")
        self.add_bot({"name": "Grid BTC/USDT", "strategy_type": "grid"}, "bot-2")
        self.add_model({"name": "Trend", "algorithmType": "lstm", "targetTimeframe": "1h", "symbols": ["BTC/USDT"]}, "model-1")
        self.strategies["strategy-1"] = {"id": "strategy-1", "name": "Mean reversion", "type": "mean_reversion", "parameters": {}, "active": False}
        self.webhooks["webhook-1"] = {"id": "webhook-1", "url": "https://hooks.example.com/aaiti", "events": ["trade"], "enabled": True}
        self.add_trade({"botId": "bot-1", "symbol": "BTC/USDT", "side": "buy", "quantity": 0.1, "price": 64000.0}, "trade-1")

    def add_bot(self, body, bot_id=None):
        bot = {
            "id": bot_id or str(uuid.uuid4()), "name": body["name"], "description": body.get("description", ""),
            "strategy_type": body["strategy_type"], "trading_mode": body.get("trading_mode", "paper"), "status": "stopped",
            "health_score": 100, "config": body.get("config", {}), "created_at": now_text(),
        }
        self.bots[bot["id"]] = bot
        return bot

    def add_model(self, body, model_id=None):
        model = {
            "id": model_id or str(uuid.uuid4()), "name": body["name"], "algorithm_type": body["algorithmType"],
            "target_timeframe": body["targetTimeframe"], "symbols": body["symbols"], "parameters": body.get("parameters", {}),
            "training_period_days": body.get("trainingPeriodDays", 365), "training_status": "completed", "accuracy": 0.61,
        }
        self.models[model["id"]] = model
        return model

    def add_trade(self, body, trade_id=None):
        trade = {
            "id": trade_id or str(uuid.uuid4()), "botId": body["botId"], "symbol": body["symbol"], "side": body["side"],
            "quantity": body["quantity"], "entry_price": body.get("price", 64000.0), "status": "open", "opened_at": now_text(),
        }
        self.trades[trade["id"]] = trade
        return trade


def find(table, key, what):
    if key not in table:
        raise Refusal(404, f"{what} not found")
    return table[key]


# ---- calls: each takes the request and gives (status, body) or a body ---------------------------------------------------


def login(q):
    user = q.server.users.sign_in(q.body["username"], q.body["password"])
    if user is None or not user["is_active"]:
        raise Refusal(401, "Invalid credentials")
    return {"message": "Login successful", "token": token_for(q, user), "user": public(user)}


def token_for(q, user):
    return sign_token(q.server.secret, {"userId": user["id"], "username": user["username"], "role": user["role"], "exp": int(time.time()) + 86400})


def public(user):
    return {k: user[k] for k in ("id", "username", "email", "role")}


def register(q):
    return 201, {"message": "User created successfully",
                 "user": {"id": str(uuid.uuid4()), "username": q.body["username"], "email": q.body["email"], "role": "trader"}}


def refresh(q):
    return {"message": "Token refreshed successfully", "token": token_for(q, q.authenticate())}


def bots(q):
    return {"bots": list(q.desk.bots.values())}


def bot(q):
    return {"bot": find(q.desk.bots, q.id, "Bot")}


def bot_metrics(q):
    find(q.desk.bots, q.id, "Bot")
    return {"metrics": {"total_trades": 12, "win_rate": 0.58, "total_pnl": 143.2, "max_drawdown": 0.07}}


def bot_create(q):
    return 201, {"message": "Bot created successfully", "bot": q.desk.add_bot(q.body)}


def bot_update(q):
    found = find(q.desk.bots, q.id, "Bot")
    found.update({k: v for k, v in q.body.items() if k in ("name", "strategy_type", "description", "trading_mode", "config")})
    return {"message": "Bot updated successfully", "bot": found}


def bot_status(status, said):
    def call(q):
        found = find(q.desk.bots, q.id, "Bot")
        found["status"] = status
        return {"message": said, "bot": found}

    return call


def bot_delete(q):
    find(q.desk.bots, q.id, "Bot")
    del q.desk.bots[q.id]
    return {"message": "Bot deleted successfully"}


def execute(q):
    find(q.desk.bots, q.body["botId"], "Bot")
    return 201, {"message": "Trade executed successfully", "trade": q.desk.add_trade(q.body)}


def trade_close(q):
    trade = find(q.desk.trades, q.id, "Trade")
    trade.update(status="closed", exit_price=(q.body or {}).get("price", trade["entry_price"]), closed_at=now_text())
    return {"message": "Trade closed successfully", "trade": trade}


def trades(q):
    return {"trades": [t for t in q.desk.trades.values() if t["botId"] == q.id]}


def price(symbol):
    # The same symbol has the same price in every run.
    return round(10 + binascii.crc32(symbol.encode()) % 6_000_000 / 100, 2)


def candles(symbol, count=3):
    p, start = price(symbol), int(time.time()) // 3600 * 3600
    return [{"timestamp": (start - 3600 * i) * 1000, "open": p, "high": p * 1.01, "low": p * 0.99, "close": p, "volume": 1000 + i} for i in range(count)]


def models(q):
    return {"models": list(q.desk.models.values())}


def model(q):
    return {"model": find(q.desk.models, q.id, "Model")}


def model_create(q):
    if q.body["algorithmType"] not in ALGORITHMS:
        raise Refusal(400, "algorithmType is invalid")
    return 201, {"message": "Model created successfully", "model": q.desk.add_model(q.body)}


def model_update(q):
    found = find(q.desk.models, q.id, "Model")
    found.update({k: v for k, v in q.body.items() if k in ("name", "parameters")})
    return {"message": "Model updated successfully", "model": found}


def model_delete(q):
    find(q.desk.models, q.id, "Model")
    del q.desk.models[q.id]
    return {"message": "Model deleted successfully"}


def of_model(answer):
    """A call about one model: 404 when there is none, else answer(request)."""

    def call(q):
        find(q.desk.models, q.id, "Model")
        return answer(q)

    return call


def predict(q):
    return {"predictions": [{"symbol": s, "signal": "hold", "confidence": 0.55, "predictedPrice": price(str(s))} for s in q.body["symbols"]]}


def backtest_result(q):
    return {"id": "backtest-1", "modelId": "model-1", "totalReturn": 0.12, "sharpeRatio": 1.3, "maxDrawdown": 0.08, "trades": 41}


def strategy_create(q):
    strategy = {"id": str(uuid.uuid4()), "name": q.body["name"], "type": q.body["type"], "parameters": q.body["parameters"], "active": False}
    q.desk.strategies[strategy["id"]] = strategy
    return 201, {"message": "Strategy created successfully", "strategy": strategy}


def strategy_active(active):
    def call(q):
        strategy = find(q.desk.strategies, q.id, "Strategy")
        strategy["active"] = active
        return {"message": "Strategy activated" if active else "Strategy deactivated", "strategy": strategy}

    return call


def user_update(q):
    user = q.server.users.get(q.id)
    if user is None:
        raise Refusal(404, "User not found")
    return {"message": "User updated successfully", "user": {**public(user), **{k: v for k, v in q.body.items() if k in ("role", "is_active")}}}


def webhook_create(q):
    hook = {"id": str(uuid.uuid4()), "url": q.body["url"], "events": q.body.get("events", []), "enabled": q.body.get("enabled", True)}
    q.desk.webhooks[hook["id"]] = hook
    return 201, {"message": "Webhook created successfully", "webhook": hook}


def webhook_delete(q):
    q.desk.webhooks.pop(q.id, None)
    return {"message": "Webhook deleted successfully"}


def webhooks_clear(q):
    q.desk.webhooks.clear()
    return {"message": "Webhooks deleted successfully"}


def says(message, **more):
    return lambda q: {"message": message, **more}


def gives(**body):
    return lambda q: body


ANYBODY = "anybody"
BOT = "name:text strategy_type:text ; description:text trading_mode:live|paper|shadow config:object"
BOT_CHANGE = "; name:text strategy_type:text description:text trading_mode:live|paper|shadow config:object"

# (method, path, what answers, body, who): path below /api. body None: none is read as JSON, "" an optional object.
CALLS = [
    ("POST", "/auth/register", register, "username:text email:text password:text ; role:text", ANYBODY),
    ("POST", "/auth/login", login, "username:text password:text", ANYBODY),
    ("POST", "/auth/refresh", refresh, None, ANYBODY),
    ("GET", "/health", gives(status="OK", timestamp="2026-01-01T00:00:00.000Z", service="AAITI Backend"), None, ANYBODY),
    ("GET", "/auth/profile", lambda q: {"user": public(q.user)}, None),
    ("POST", "/auth/logout", says("Logout successful"), None),
    ("GET", "/users/profile", lambda q: {"user": public(q.user)}, None),
    ("GET", "/users/audit-trail", gives(logs=[], pagination={"limit": 50, "offset": 0, "total": 0}), None),
    ("GET", "/bots", bots, None),
    ("GET", "/bots/{id}", bot, None),
    ("GET", "/bots/{id}/metrics", bot_metrics, None),
    ("POST", "/bots", bot_create, BOT),
    ("PUT", "/bots/{id}", bot_update, BOT_CHANGE),
    ("POST", "/bots/{id}/start", bot_status("running", "Bot started successfully"), ""),
    ("POST", "/bots/{id}/stop", bot_status("stopped", "Bot stopped successfully"), ""),
    ("DELETE", "/bots/{id}", bot_delete, None),
    ("GET", "/trading/signals/{id}", gives(signals=[{"symbol": "BTC/USDT", "signal": "buy", "confidence": 0.7}]), None),
    ("GET", "/trading/trades/{id}", trades, None),
    ("GET", "/trading/market-data/{id}", lambda q: {"symbol": q.id, "data": candles(q.id)}, None),
    ("GET", "/trading/price/{id}", lambda q: {"symbol": q.id, "price": price(q.id)}, None),
    ("GET", "/trading/search/{id}", lambda q: {"results": [{"symbol": q.id.upper(), "name": q.id}]}, None),
    ("GET", "/trading/symbols/popular", gives(symbols=["BTC/USDT", "ETH/USDT", "AAPL", "MSFT"]), None),
    ("POST", "/trading/quotes", lambda q: {"quotes": [{"symbol": str(s), "price": price(str(s))} for s in q.body["symbols"]]}, "symbols:array"),
    ("POST", "/trading/execute", execute, "botId:text symbol:text side:buy|sell quantity:positive ; price:positive"),
    ("POST", "/trading/trades/{id}/close", trade_close, "; price:positive"),
    ("POST", "/trading/test-connection/{id}", lambda q: {"success": True, "provider": q.id}, None),
    ("GET", "/ml/models", models, None),
    ("GET", "/ml/models/{id}", model, None),
    ("GET", "/ml/models/{id}/performance/history", of_model(gives(history=[{"accuracy": 0.61, "recorded_at": "2026-01-01T00:00:00.000Z"}])), None),
    ("GET", "/ml/strategies", lambda q: {"strategies": list(q.desk.strategies.values())}, None),
    ("POST", "/ml/compare", lambda q: {"comparison": [{"modelId": m, "accuracy": 0.61} for m in q.body["modelIds"]]}, "modelIds:array ; metric:text"),
    ("POST", "/ml/indicators/calculate", lambda q: {"indicators": {"sma": len(q.body["ohlcv"]), "rsi": 48.2}}, "ohlcv:array ; indicators:any"),
    ("POST", "/ml/models", model_create,
     "name:text algorithmType:text targetTimeframe:text symbols:array ; parameters:object trainingPeriodDays:positive"),
    ("PUT", "/ml/models/{id}", model_update, "; name:text parameters:object retrain:bool"),
    ("POST", "/ml/models/{id}/realtime/start", of_model(says("Real-time prediction started", intervalId="interval-1")), "; symbols:array intervalSeconds:positive"),
    ("POST", "/ml/models/{id}/realtime/stop", of_model(says("Real-time prediction stopped")), "; intervalId:text"),
    ("POST", "/ml/models/{id}/performance/track", of_model(says("Performance tracked", accuracy=0.6)), "actualValues:numbers predictedValues:numbers"),
    ("POST", "/ml/strategies", strategy_create, "name:text type:text parameters:object"),
    ("POST", "/ml/strategies/{id}/execute", lambda q: {"signal": "hold", "strategy": find(q.desk.strategies, q.id, "Strategy")}, "marketData:any"),
    ("POST", "/ml/strategies/{id}/activate", strategy_active(True), ""),
    ("POST", "/ml/strategies/{id}/deactivate", strategy_active(False), ""),
    ("DELETE", "/ml/models/{id}", model_delete, None),
    ("POST", "/ml/models/{id}/predict", of_model(predict), "symbols:array ; features:any"),
    ("GET", "/ml/models/{id}/predictions", of_model(gives(predictions=[{"symbol": "BTC/USDT", "signal": "hold", "confidence": 0.55}])), None),
    ("POST", "/ml/models/{id}/backtest", of_model(lambda q: {"message": "Backtest completed", "backtest": backtest_result(q)}),
     "symbols:array startDate:text endDate:text ; initialCapital:positive commission:number slippage:number positionSizing:any"
     " riskPerTrade:number stopLoss:number takeProfit:number maxPositions:positive"),
    ("GET", "/ml/models/{id}/backtests", of_model(lambda q: {"backtests": [backtest_result(q)]}), None),
    ("GET", "/ml/backtests/{id}", lambda q: {"backtest": {**backtest_result(q), "id": q.id}}, None),
    ("GET", "/analytics/portfolio", gives(totalValue=10432.5, cash=2200.0, positions=[{"symbol": "BTC/USDT", "quantity": 0.1, "value": 6400.0}]), None),
    ("GET", "/analytics/performance/{id}", lambda q: {"botId": q.id, "totalReturn": 0.043, "sharpeRatio": 1.1}, None),
    ("GET", "/analytics/risk", gives(valueAtRisk=310.0, exposure=0.62), None),
    ("GET", "/analytics/correlation", gives(matrix={"BTC/USDT": {"ETH/USDT": 0.82}}), None),
    ("GET", "/analytics/market-regime", gives(regime="ranging", confidence=0.66), None),
    ("GET", "/analytics/portfolio/optimization/methods", gives(methods=["mean_variance", "risk_parity"]), None),
    ("GET", "/analytics/portfolio/optimizations", gives(optimizations=[]), None),
    ("GET", "/analytics/portfolio/optimizations/{id}", lambda q: {"optimization": {"id": q.id, "method": "risk_parity", "weights": {}}}, None),
    ("POST", "/analytics/portfolio/optimize",
     lambda q: {"optimization": {"weights": {str(a): round(1 / len(q.body["assets"]), 4) for a in q.body["assets"]}}},
     "assets:array ; method:text constraints:object historicalPeriod:any"),
    ("GET", "/analytics/system-info", gives(version="1.2.1", uptime=3600), None),
    ("GET", "/users/system/stats", gives(users=3, bots=2), None),
    ("GET", "/users/system/audit", gives(logs=[]), None),
    ("GET", "/users", lambda q: {"users": [{**public(u), "is_active": u["is_active"]} for u in q.server.users.all()]}, None),
    ("PUT", "/users/{id}", user_update, "; role:text is_active:bool"),
    ("GET", "/users/settings", gives(settings={"risk": {"max_drawdown": 0.2}, "security": {"jwt_secret": "as the original leaks it"}}), None),
    ("GET", "/users/export-data", gives(users=[], bots=[], settings={}), None),
    ("PUT", "/users/settings/{id}", lambda q: {"message": "Settings updated successfully", "category": q.id}, ""),
    ("POST", "/users/system/backup", says("Backup created", file="backup-1.db"), None),
    ("GET", "/notifications/webhooks", lambda q: {"webhooks": list(q.desk.webhooks.values())}, None),
    ("GET", "/notifications/webhooks/stats", gives(total=1, delivered=0, failed=0), None),
    ("GET", "/notifications/notifications/stats", gives(sent=0, failed=0), None),
    ("POST", "/notifications/webhooks", webhook_create, "url:text ; secret:text events:array headers:object enabled:bool"),
    ("POST", "/notifications/webhooks/{id}", says("Webhook updated successfully"), ""),
    ("DELETE", "/notifications/webhooks", webhooks_clear, None),
    ("DELETE", "/notifications/webhooks/{id}", webhook_delete, None),
    ("POST", "/notifications/webhooks/{id}/test", says("Test webhook sent"), ""),
    ("POST", "/notifications/notifications/test", says("Test notification sent"), "type:text data:any"),
    ("POST", "/notifications/notifications/subscribe", says("Subscribed"), ""),
    ("DELETE", "/notifications/notifications/unsubscribe", says("Unsubscribed"), None),
    ("GET", "/metrics", gives(aaiti_bots_total=2), None),
    ("GET", "/metrics.json", gives(bots=2, trades=1), None),
]


# The frontend beside it, for a policy that has routes of it.
DEMO_PAGE = Path(__file__).resolve().parents[1] / "demo-page"
PAGE = {"/demo/": ("index.html", "text/html"), "/demo/page.js": ("page.js", "text/javascript")}


def compile_calls():
    """{method: [(literal segments first, regex, row)]}: a literal path wins over one with a parameter."""
    table = {}
    for row in CALLS:
        regex = re.compile("/api" + re.escape(row[1]).replace(r"\{id\}", "([^/]+)") + "$")
        table.setdefault(row[0], []).append((row[1].count("{"), regex, row))
    for rows in table.values():
        rows.sort(key=lambda r: r[0])
    return table


CALL_TABLE = compile_calls()


class Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def handle_any(self):
        try:
            self.raw = self.read_body()
            self.take_down()
            if self.command == "GET" and self.path.startswith("/socket.io/") and self.headers.get("Upgrade") == "websocket":
                self.become_socket()
                return
            status, body = self.answer()
        except Refusal as refused:
            status, body = refused.status, {"error": refused.error}
        self.reply(status, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = handle_any

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            raise Refusal(413, "Payload too large")
        return self.rfile.read(length)

    def take_down(self):
        if self.server.ledger is None or self.path.startswith("/__ledger"):
            return
        path, _, query = self.path.partition("?")
        with self.server.ledger_lock:
            self.server.ledger.append({
                "method": self.command, "path": path, "query": query, "headers": [[k, v] for k, v in self.headers.items()],
                "body": self.raw.decode("latin-1"),
            })

    def answer(self):
        self.desk = self.server.desk
        path, _, _ = self.path.partition("?")
        if self.server.ledger is not None and path == "/__ledger":
            return self.ledger()
        if self.command in ("GET", "HEAD") and path in PAGE:
            name, kind = PAGE[path]
            return 200, (kind, (DEMO_PAGE / name).read_bytes())
        method = "GET" if self.command == "HEAD" else self.command
        for _, regex, (_, _, call, spec, *who) in CALL_TABLE.get(method, []):
            if match := regex.match(path):
                return self.run(match, call, spec, who)
        raise Refusal(404, "Route not found")

    def run(self, match, call, spec, who):
        self.id = unquote(match.group(1)) if match.groups() else ""
        if ANYBODY not in who:
            self.user = self.authenticate()
        self.body = self.json_body(spec) if spec is not None else None
        with self.desk.lock:
            answer = call(self)
        return answer if isinstance(answer, tuple) else (200, answer)

    def authenticate(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return self.user_of(token)

    def user_of(self, token):
        if not token:
            raise Refusal(401, "Access token required")
        try:
            claims = verify_token(self.server.secret, token.strip(), time.time())
        except (ValueError, TypeError, AttributeError):
            raise Refusal(403, "Invalid or expired token") from None
        user = self.server.users.get(claims.get("userId"))
        if user is None or not user["is_active"]:
            raise Refusal(401, "User not found or inactive")
        return user

    def become_socket(self):
        self.close_connection = True
        SocketIo(self.connection, self.rfile, self.user_of, self.hear).serve(self.headers["Sec-WebSocket-Key"])

    def hear(self, event, data):
        if self.server.ledger is not None:
            with self.server.ledger_lock:
                self.server.ledger.append({"method": "EVENT", "path": event, "query": "", "headers": [], "body": json.dumps(data)})

    def json_body(self, spec):
        required = spec.partition(";")[0].strip()
        if not self.raw and not required:
            return {}
        try:
            body = json.loads(self.raw)
        except (ValueError, RecursionError):
            raise Refusal(400, "Invalid JSON") from None
        check_body(spec, body)
        return body

    def ledger(self):
        with self.server.ledger_lock:
            if self.command == "DELETE":
                self.server.ledger.clear()
            return 200, {"received": list(self.server.ledger)}

    def reply(self, status, body):
        """One write: with Nagle off, two would be two packets."""
        kind, text = body if isinstance(body, tuple) else ("application/json", json.dumps(body, separators=(",", ":")).encode())
        head = (
            f"HTTP/1.1 {status} {self.responses.get(status, ('',))[0]}\r\nContent-Type: {kind}; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\nX-Powered-By: Express\r\nServer: demo\r\nAccess-Control-Allow-Origin: *\r\n"
            f"RateLimit-Limit: 100\r\n{'Connection: close' if self.close_connection else 'Connection: keep-alive'}\r\n\r\n"
        )
        self.wfile.write(head.encode() + (b"" if self.command == "HEAD" else text))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port, secret, users, ledger):
        super().__init__(("127.0.0.1", port), Request)
        self.secret, self.users, self.desk = secret, users, Desk()
        self.ledger, self.ledger_lock = ([] if ledger else None), threading.Lock()

    def handle_error(self, request, client_address):
        """A client that goes away is no news."""


def read_secret(path):
    with open(path, "rb") as f:
        return f.read().removesuffix(b"\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=5000, help="0: a free one; the first line of output is the port")
    parser.add_argument("--secret-file", required=True, help="the HS256 secret as text; a final newline is not part of it; SIGHUP reads it again")
    users = parser.add_mutually_exclusive_group(required=True)
    users.add_argument("--users", metavar="FILE", help="users as JSON, as `aaiti init --demo` writes them")
    users.add_argument("--db", metavar="FILE.db", help="an SQLite database with the users table of A.A.I.T.I")
    parser.add_argument("--ledger", action="store_true", help="keep what is received, readable at GET /__ledger")
    options = parser.parse_args()

    server = Server(options.port, read_secret(options.secret_file), JsonUsers(options.users) if options.users else SqliteUsers(options.db), options.ledger)
    signal.signal(signal.SIGHUP, lambda *_: setattr(server, "secret", read_secret(options.secret_file)))
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
