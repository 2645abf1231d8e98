-- SPDX-License-Identifier: Apache-2.0
-- wrk's script: load.lua MODE FILE. One prepared request a line of the file (a token, an API key and one that signs, of the same user); prints one JSON line at the end.
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

local ffi = require("ffi")
ffi.cdef [[
  const void *EVP_sha256(void);
  unsigned char *SHA256(const char *text, size_t len, unsigned char *out);
  unsigned char *HMAC(const void *algorithm, const void *key, int key_len, const char *text, size_t len, unsigned char *out, unsigned *out_len);
]]
local EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
local bytes, run, count = ffi.new("unsigned char[32]"), os.time(), 0

local function hex()
  return (ffi.string(bytes, 32):gsub(".", function(c) return string.format("%02x", c:byte()) end))
end

-- Each request is another, so it is made when it is sent; wrk's core is not the one that is measured.
make["get-signed"] = function(headers, _, _, signer)
  ffi.C.SHA256(signer, #signer, bytes)
  local mac_key = ffi.string(bytes, 32)
  headers["X-API-Key"] = signer:sub(1, 12)
  headers["X-API-Content-SHA256"] = EMPTY
  headers["X-API-Timestamp"], headers["X-API-Nonce"], headers["X-API-Signature"] = "STAMP", "NONCE", "TAG"
  local template = wrk.format("GET", "/api/bots", headers)
  return function()
    count = count + 1
    local said = {STAMP = tostring(os.time()), NONCE = string.format("%d-%012d", run, count)}
    local text = table.concat({"GET", "/api/bots", said.STAMP, said.NONCE, EMPTY}, "\n")
    ffi.C.HMAC(ffi.C.EVP_sha256(), mac_key, #mac_key, text, #text, bytes, nil)
    said.TAG = hex()
    return (template:gsub("%u+", said))
  end
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
    local token, key, signer = line:match("^(%S+) (aak_%S+) (aak_%S+)$")
    requests[#requests + 1] = make[args[1]](headers_of(#requests), token or line, key, signer)
  end
end

function request()
  next_request = next_request % #requests + 1
  local one = requests[next_request]
  return type(one) == "function" and one() or one
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"seconds":%.3f,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), e.status,
    e.connect + e.read + e.write + e.timeout))
end
