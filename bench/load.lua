-- The load of one run for wrk. Arguments: operation, seconds, run, file of targets ("channel token" lines).
-- After the time no request is begun any more, so that all that were begun are answered and counted.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *time);
]]
local MONOTONIC = 1
local LONG_MS = 600000
local time = ffi.new("bench_time")
local threads = {}

local function now()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

function setup(thread)
  thread:set("worker", #threads)
  table.insert(threads, thread)
end

function init(args)
  operation, run = args[1], args[3]
  deadline = now() + tonumber(args[2])
  statuses, measured, number = {}, 0, worker
  targets = {}
  for line in io.lines(args[4]) do
    local channel, token = line:match("^(%S+) (%S+)$")
    table.insert(targets, { channel = channel, authorization = "Bearer " .. token })
  end
end

function delay()
  return now() < deadline and 0 or LONG_MS
end

function request()
  number = number + 1
  local target = targets[number % #targets + 1]
  local headers = { ["Authorization"] = target.authorization }
  if operation == "me" then
    return wrk.format("GET", "/api/auth/me", headers)
  end
  local path = "/api/channels/" .. target.channel .. "/messages"
  if operation == "history" then
    return wrk.format("GET", path .. "?limit=50", headers)
  end
  headers["Content-Type"] = "application/json"
  local nonce = run .. "-" .. worker .. "-" .. number
  local content = "The engine weaves algebraic patterns, " .. number .. "."
  return wrk.format("POST", path, headers, '{"content":"' .. content .. '","nonce":"' .. nonce .. '"}')
end

function response(status)
  local key = tostring(status)
  statuses[key] = (statuses[key] or 0) + 1
  if status >= 200 and status < 300 and now() < deadline then
    measured = measured + 1
  end
end

function done(summary, latency)
  local all, total = {}, 0
  for _, thread in ipairs(threads) do
    total = total + thread:get("measured")
    for status, count in pairs(thread:get("statuses")) do
      all[status] = (all[status] or 0) + count
    end
  end
  local counts = {}
  for status, count in pairs(all) do
    table.insert(counts, string.format('"%s":%d', status, count))
  end
  local errors = summary.errors
  io.write(string.format(
    'BENCH {"measured":%d,"statuses":{%s},"socket_errors":%d,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d}\n',
    total, table.concat(counts, ","), errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max
  ))
end
