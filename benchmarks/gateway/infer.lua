-- wrk: one prediction per request, and one line of JSON at the end. Latencies are in microseconds.
wrk.method = "POST"
wrk.path = "/v2/models/triage/infer"
wrk.headers["Content-Type"] = "application/json"
local row = {}
for i = 1, 30 do row[i] = string.format("%.6f", i * 1.2345) end
wrk.body = '{"inputs":[{"name":"X","shape":[1,30],"datatype":"FP32","data":[' .. table.concat(row, ",") .. "]}]}"

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"failed":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
