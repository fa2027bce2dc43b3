-- For wrk: sends the requests of a file in turn, each a line of method, path and body with tabs between.
-- Arguments: the file, and the line to begin with. LOAD_TOKEN is who calls.

local lines, place = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local method, path, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    lines[#lines + 1] = { method, path, body }
  end
  place = tonumber(arguments[2]) % #lines
  wrk.headers["Authorization"] = "Bearer " .. os.getenv("LOAD_TOKEN")
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  local line = lines[place + 1]
  place = (place + 1) % #lines
  return wrk.format(line[1], line[2], nil, line[3] ~= "" and line[3] or nil)
end

-- Callers who think in between, each as long as chance has it: LOAD_PAUSE milliseconds on average.
local pause = tonumber(os.getenv("LOAD_PAUSE") or "")
if pause then
  function delay()
    return math.floor(-pause * math.log(1 - math.random()) + math.random())
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'result {"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"p50":%f,"p99":%f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
