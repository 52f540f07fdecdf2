-- Applies what the authorizer decided: puts the resolved model into the body, byte for byte where it said, names the
-- model in the header, and gives the request its own path back.
--
-- Whatever goes wrong, the request is refused. An error that leaves envoy_on_request lets a request through unmodified
-- (Envoy logs it and goes on), so nothing may throw outside pcall; and should it ever, the path still says
-- /aliasguard-rewrite-pending, which no backend knows and the routes refuse.
-- There is no JSON parser here, and there must be none: the authorizer alone reads bodies.

-- The authorizer's setting modelHeaders; routes match on the first.
local MODEL_HEADERS = { "x-model" }

-- The namespace of ext_authz's dynamic metadata.
local NAMESPACE = "envoy.filters.http.ext_authz"

-- Which unchecked route it is, as the authorizer has set it: routes of such requests match on it.
local UNCHECKED = "x-aliasguard-unchecked"

-- The path of a request whose body waits for its edits begins with this.
local PENDING = "/aliasguard-rewrite-pending"

local MESSAGE = "The gateway could not put the authorized model into the request body."

-- What the caller reads, in the words of its API.
local REFUSALS = {
  openai = '{"error":{"message":"' .. MESSAGE .. '","type":"api_error","param":null,"code":"rewrite_failed"}}',
  anthropic = '{"type":"error","error":{"type":"api_error","message":"' .. MESSAGE .. '","code":"rewrite_failed"}}',
  gemini = '{"error":{"code":500,"message":"' .. MESSAGE .. '","status":"INTERNAL","details":[{"reason":"rewrite_failed"}]}}',
  ollama = '{"error":"' .. MESSAGE .. '","code":"rewrite_failed"}',
}

-- The body with all edits applied. Edits ascend and are apart: otherwise getBytes throws on a negative length.
local function edited(body, rewrite)
  local length, parts, at = body:length(), {}, 0
  assert(length == rewrite.length, "the body has another length")
  assert(type(rewrite.edits) == "table" and #rewrite.edits > 0, "no edits")
  for _, edit in ipairs(rewrite.edits) do
    assert(type(edit.old) == "string" and #edit.old > 0, "no old bytes")
    assert(type(edit.new) == "string" and #edit.new > 0, "no new bytes")
    assert(body:getBytes(edit.offset, #edit.old) == edit.old, "other bytes stand where the model was")
    parts[#parts + 1] = body:getBytes(at, edit.offset - at)
    parts[#parts + 1] = edit.new
    at = edit.offset + #edit.old
  end
  parts[#parts + 1] = body:getBytes(at, length - at)
  return table.concat(parts)
end

local function apply(handle, decision)
  local rewrite = decision.rewrite
  local path = handle:headers():get(":path")
  if rewrite ~= nil then
    assert(type(rewrite) == "table", "rewrite is no table")
    assert(type(decision.model) == "string", "no model")
    assert(type(rewrite.path) == "string", "no path")
    assert(path == PENDING .. rewrite.path, "the path is not the one that waits for this body")
    local body = handle:body()
    assert(body ~= nil, "no body")
    body:setBytes(edited(body, rewrite)) -- sets content-length too
    -- Copies of a large body would stay in this worker's Lua until its next collection.
    if rewrite.length > 1048576 then collectgarbage("collect") end
  else
    assert(type(path) ~= "string" or path:sub(1, #PENDING) ~= PENDING, "the edits are gone")
  end
  -- A header that Lua replaces makes Envoy choose the route again: Istio has no other way to route by it.
  if type(decision.model) == "string" then
    for _, name in ipairs(MODEL_HEADERS) do handle:headers():replace(name, decision.model) end
  elseif decision.decision == "pass" then
    local unchecked = handle:headers():get(UNCHECKED)
    if unchecked ~= nil then handle:headers():replace(UNCHECKED, unchecked) end
  end
  if rewrite ~= nil then handle:headers():replace(":path", rewrite.path) end -- the guard falls last
end

function envoy_on_request(handle)
  local decision = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  -- No table: this request was not decided on. Without the model header no route leads it to a backend.
  -- (Envoy Gateway tries scripts out on mocks, where this is a string.)
  if type(decision) ~= "table" then return end
  local done, why = pcall(apply, handle, decision)
  if done then return end
  handle:logErr("aliasguard: body rewrite refused: " .. tostring(why))
  handle:respond(
    { [":status"] = "500", ["content-type"] = "application/json" },
    REFUSALS[decision.dialect] or REFUSALS.openai
  )
end
