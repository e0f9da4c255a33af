-- For wrk: each request starts or stops a run of the list in LACKEY_BENCH_RUNS, one "id token" a line.
local made = 0

function setup(thread)
  thread:set("number", made)
  made = made + 1
  thread:set("threads", tonumber(os.getenv("LACKEY_BENCH_THREADS")))
end

function init()
  runs, place = {}, 0
  local line_number = 0
  for line in io.lines(os.getenv("LACKEY_BENCH_RUNS")) do
    if line_number % threads == number then runs[#runs + 1] = line end
    line_number = line_number + 1
  end
  log = string.rep("residual%200.0123%0A", 60)
  headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
end

function request()
  local id, token = string.match(runs[math.floor(place / 2) % #runs + 1], "(%d+) (%S+)")
  place = place + 1
  if place % 2 == 1 then
    return wrk.format("PUT", "/api/run/start/" .. id, headers, "token=" .. token .. "&ts=1369312595")
  end
  return wrk.format("PUT", "/api/run/stop/" .. id, headers, "token=" .. token .. "&ts=1369322595&exit=0&log=" .. log)
end

function done(summary)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  print(string.format("bench %f %d", summary.requests / (summary.duration / 1e6), failed))
end
