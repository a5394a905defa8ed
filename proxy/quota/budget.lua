-- Lends a node a part of what an upstream account may still send, after it took back what the node did not use.
--
-- KEYS[1]  the account's hash: m:SLOT and r:SLOT (messages and recipients lent in ten minutes), s:SLOT (messages in
--          ten seconds); a slot counts until all of it is a day, or a minute, old
-- ARGV     1-3 limits (messages, recipients a day, messages a minute; 0: none), 4 recipients needed,
--          5 messages wanted at most (0: none, only the rest), 6 the node's clock in seconds, 7… what comes back, in
--          fours: slot of the day, slot of the minute, messages, recipients
--
-- What is lent counts from the later of Redis's clock and the node's, and for a day by the earlier: so one of them that
-- steps takes nothing out of the day. The minute goes by Redis's clock alone.
--
-- Returns {messages, recipients, slot of the day, slot of the minute, used messages, used recipients, wait, size}:
-- what was lent, of which slots, and the account's counts with that; where nothing can be lent, the seconds until a
-- slot leaves the window that is full, and 1 when only the number of recipients is too much.
local key = KEYS[1]
local now = tonumber(redis.call('TIME')[1])
local clock = tonumber(ARGV[6])
if math.abs(now - clock) > 86400 then
	return redis.error_reply('CLOCK this node and Redis are more than a day apart')
end
local earlier, later = math.min(now, clock), math.max(now, clock)
local limit = { m = tonumber(ARGV[1]), r = tonumber(ARGV[2]), s = tonumber(ARGV[3]) }
local needed, wanted = tonumber(ARGV[4]), tonumber(ARGV[5])
local length = { m = 600, r = 600, s = 10 }
local window = { m = 86400, r = 86400, s = 60 }
local since = { m = earlier, r = earlier, s = now }
local day_slot, short_slot = math.floor(later / 600), math.floor(now / 10)

local count, sum, oldest = {}, { m = 0, r = 0, s = 0 }, {}
local held = redis.call('HGETALL', key)
for i = 1, #held, 2 do
	count[held[i]] = tonumber(held[i + 1])
end

local changed = {}
local function add(kind, slot, n)
	local field = kind .. ':' .. slot
	if n ~= 0 and (n > 0 or count[field]) then
		count[field] = math.max(0, (count[field] or 0) + n)
		changed[field] = true
	end
end
for i = 7, #ARGV, 4 do
	add('m', ARGV[i], -tonumber(ARGV[i + 2]))
	add('s', ARGV[i + 1], -tonumber(ARGV[i + 2]))
	add('r', ARGV[i], -tonumber(ARGV[i + 3]))
end

for field, n in pairs(count) do
	local kind, slot = string.sub(field, 1, 1), tonumber(string.sub(field, 3))
	local is_old = slot < math.floor((since[kind] - window[kind]) / length[kind])
	if n == 0 or is_old or (kind == 's' and slot > short_slot + 6) then
		redis.call('HDEL', key, field)
		changed[field] = nil
	else
		sum[kind] = sum[kind] + n
		oldest[kind] = math.min(oldest[kind] or slot, slot)
	end
end

-- How long until there may be room for n more; 0: there is.
local function wait_for(kind, n)
	if wanted == 0 or limit[kind] == 0 or sum[kind] + n <= limit[kind] then
		return 0
	end
	return oldest[kind] and (oldest[kind] + 1) * length[kind] + window[kind] - since[kind] or window[kind]
end
local wait = math.max(wait_for('m', 1), wait_for('s', 1), wait_for('r', 1))
local too_many = wait == 0 and wait_for('r', needed) or 0

-- A tenth of what is left: the closer to the limit, the smaller the parts that lie with nodes that may not need them.
local left, messages, recipients = math.huge, 0, 0
for _, kind in ipairs({ 'm', 's' }) do
	left = limit[kind] > 0 and math.min(left, limit[kind] - sum[kind]) or left
end
if wanted > 0 and wait + too_many == 0 then
	messages = math.max(1, math.min(wanted, math.floor(left / 10)))
	recipients = needed
	if limit.r > 0 then
		local spare = math.floor((limit.r - sum.r - needed) / 10)
		recipients = needed + math.max(0, math.min((messages - 1) * 4, spare))
	end
	add('m', day_slot, messages)
	add('s', short_slot, messages)
	add('r', day_slot, recipients)
	sum.m, sum.r = sum.m + messages, sum.r + recipients
end

for field in pairs(changed) do
	redis.call('HSET', key, field, count[field])
end
-- Long after its day, as in charge.lua.
redis.call('EXPIRE', key, 400 * 86400)
return { messages, recipients, day_slot, short_slot, sum.m, sum.r, wait + too_many, too_many > 0 and 1 or 0 }
