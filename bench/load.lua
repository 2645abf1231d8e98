-- SPDX-License-Identifier: Apache-2.0
-- wrk's script: load.lua MODE TOKENS. One prepared request a token; prints one JSON line at the end.
local requests, next_request = {}, 0

local body = '{"botId":"b-1","symbol":"BTCUSDT","side":"buy","quantity":1.25,"price":60000.5,"tags":['
while #body < 1010 do body = body .. '"abcdef",' end
body = body .. '"x"]}'

function init(args)
  local mode, tokens = args[1], args[2]
  local n = 0
  for token in io.lines(tokens) do
    n = n + 1
    local headers = {
      ["Host"] = "127.0.0.1",
      ["Accept"] = "application/json",
      ["User-Agent"] = "bench",
      -- a thousand and more clients behind the one trusted proxy that wrk is
      ["X-Forwarded-For"] = string.format("10.1.%d.%d", math.floor(n / 250) % 250 + 1, n % 250 + 1),
    }
    if mode == "refused" then token = token:sub(1, -11) .. "AAAAAAAAAA" end
    headers["Authorization"] = "Bearer " .. token
    if mode == "post" then
      headers["Content-Type"] = "application/json"
      requests[n] = wrk.format("POST", "/api/trading/execute", headers, body)
    else
      requests[n] = wrk.format("GET", "/api/bots", headers)
    end
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
