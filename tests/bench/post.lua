-- Posts a distinct event per request, and prints the figures as one line of JSON.
-- Arguments: the bearer token, the path, the file of event 0, its external id without the number, its phone number
-- Arguments: the bearer token, the path, the file of event 0, its phone number, the number to begin after, the contacts.
local headers, path, parts, number, contacts

local function split(text, words)
  local parts, at = {}, 1
  for _, word in ipairs(words) do
    local from, to = text:find(word, at, true)
    parts[#parts + 1] = text:sub(at, from - 1)
    at = to + 1
  end
  parts[#parts + 1] = text:sub(at)
  return parts
end

function init(arguments)
  headers = { ["Authorization"] = "Bearer " .. arguments[1], ["Content-Type"] = "application/json" }
  path, number, contacts = arguments[2], tonumber(arguments[5]), tonumber(arguments[6])
  local file = io.open(arguments[3], "rb")
  parts = split(file:read("*a"), { "00000000", arguments[4] })
  file:close()
end

function request()
  number = number + 1
  local phone = string.format("+1415%d", 2000000 + number % contacts)
  return wrk.format("POST", path, headers, parts[1] .. string.format("%08d", number) .. parts[2] .. phone .. parts[3])
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
