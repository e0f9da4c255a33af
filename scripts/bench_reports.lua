-- For wrk: reports of the runs listed in LACKEY_BENCH_RUNS, one "id token" a line: starts of some, then their stops, each
-- with 1 kB of log, so that no run has two in flight. When all have ended it stops, so that nothing is reported twice.
-- With LACKEY_BENCH_CLOSE each connection is closed after an answer, as more clients than threads need.
local BLOCK = 64
local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init()
  headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  if os.getenv("LACKEY_BENCH_CLOSE") then headers["Connection"] = "close" end
  local log = string.rep("residual%3D0.012345%0A", 60)
  starts, stops, made, refused = {}, {}, 0, 0
  for line in io.lines(os.getenv("LACKEY_BENCH_RUNS")) do
    local id, token = string.match(line, "(%d+) (%S+)")
    starts[#starts + 1] = { "/api/run/start/" .. id, "token=" .. token .. "&ts=1369312595" }
    stops[#stops + 1] = { "/api/run/stop/" .. id, "token=" .. token .. "&ts=1369322595&exit=0&log=" .. log }
  end
end

function request()
  local block, place = math.floor(made / (2 * BLOCK)), made % (2 * BLOCK)
  local reports = place < BLOCK and starts or stops
  local report = reports[block * BLOCK + place % BLOCK + 1]
  if report then
    made = made + 1
  else
    wrk.thread:stop()
    report = stops[#stops]
  end
  return wrk.format("PUT", report[1], headers, report[2])
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("bench %d %f %f %f %d", summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, failed))
end
