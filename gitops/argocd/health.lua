-- How a PhoneSite or a SipPhone is, from the conditions that dialtone writes. The same for both kinds.
local health = {status = "Progressing", message = "dialtone has not seen this version yet"}
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "is being deleted"
  return health
end
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local function stands(kind)
  return found[kind] ~= nil and found[kind].status == "True"
end
if stands("Stalled") then
  health.status = "Degraded"
  health.message = found.Stalled.message
elseif stands("Reconciling") then
  health.message = found.Reconciling.message
elseif stands("Suspended") then
  health.status = "Suspended"
  health.message = found.Suspended.message
elseif found.Ready ~= nil then
  health.message = found.Ready.message
  if stands("Ready") then
    health.status = "Healthy"
  end
end
return health
