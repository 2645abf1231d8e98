-- SPDX-License-Identifier: Apache-2.0
-- wrk's script: load.lua MODE FILE. One prepared request a line of the file (a token and an API key of the same user); prints one JSON line at the end.
local requests, next_request = {}, 0

local body = '{"botId":"b-1","symbol":"BTCUSDT","side":"buy","quantity":1.25,"price":60000.5,"tags":['
while #body < 1010 do body = body .. '"abcdef",' end
body = body .. '"x"]}'

-- A thousand and more clients behind the one trusted proxy that wrk is.
local function headers_of(n)
  return {
    ["Host"] = "127.0.0.1",
    ["Accept"] = "application/json",
    ["User-Agent"] = "bench",
    ["X-Forwarded-For"] = string.format("10.1.%d.%d", math.floor(n / 250) % 250 + 1, n % 250 + 1),
  }
end

local make = {}

function make.get(headers, token)
  headers["Authorization"] = "Bearer " .. token
  return wrk.format("GET", "/api/bots", headers)
end

make["get-audited"] = function(headers, token)
  headers["Authorization"] = "Bearer " .. token
  return wrk.format("GET", "/api/users/audit-trail", headers)
end

function make.refused(headers, token)
  return make.get(headers, token:sub(1, -11) .. "AAAAAAAAAA")
end

make["get-key"] = function(headers, _, key)
  headers["X-API-Key"] = key
  return wrk.format("GET", "/api/bots", headers)
end

-- From the network that bench/seed.c blocks.
function make.blocked(headers, token)
  headers["X-Forwarded-For"] = headers["X-Forwarded-For"]:gsub("^10%.1%.", "10.2.")
  return make.get(headers, token)
end

function make.post(headers, token)
  headers["Authorization"] = "Bearer " .. token
  headers["Content-Type"] = "application/json"
  return wrk.format("POST", "/api/trading/execute", headers, body)
end

-- The lines are the bodies of sign-ins.
function make.login(headers, line)
  headers["Content-Type"] = "application/json"
  return wrk.format("POST", "/api/auth/login", headers, line)
end

function init(args)
  for line in io.lines(args[2]) do
    local token, key = line:match("^(%S+) (aak_%S+)$")
    requests[#requests + 1] = make[args[1]](headers_of(#requests), token or line, key)
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.3f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
