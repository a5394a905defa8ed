-- Notes one message of a user, and says how their last hour compares with their last 28 days.
--
-- KEYS[1]  the user's hash, of lists "A:B:… A:B:…" in decimal:
--            since      when they were first seen (seconds, this clock)
--            day, today the present day, and its peaks (MESSAGES:STRANGERS:FAR_MESSAGES:FAR_STRANGERS, of an hour)
--            days       the same of former days: DAY:… of each with mail, 28 days at most
--            slots      of the last hour, in five minutes each: SLOT:MESSAGES:STRANGERS:FAR_MESSAGES:FAR_STRANGERS
--            networks   HASH:FIRST:LAST (seconds), the 16 used last;  clients: the same of kinds of client
--            generation of the two sets of recipients
--            locked     the id that was locked out by mark.lua;  until: when mail may go again (mark.lua)
-- KEYS[2], KEYS[3]  recipients that they wrote to: Bloom filters of 16384 bits, of this and of the former 28 days;
--          which is which changes with each generation
-- KEYS[4]  the locks on this name (auth/locks.h);  KEYS[5]  recipients refused within the hour (refused.lua)
-- ARGV     1 the network, 2 the kind of client, as hashes; 3 recipients outside the user's own domains, 16 hexadecimal
--          digits each: four places in the filters
--
-- Returns {verdict, messages, strangers, far messages, far strangers, their four peaks, days, network is new, client is
-- new, refused}: verdict "counted", or "wait" where nothing was counted. Several strangers of one message weigh less
-- than as many messages. Far is what comes from a network that is not known for a day yet.
local key, locks = KEYS[1], KEYS[4]
local now = tonumber(redis.call('TIME')[1])
local DAY, SLOT, KEPT, BITS, SEEN = 86400, 300, 28, 16384, 16

local held = redis.call('HMGET', key, 'since', 'day', 'today', 'days', 'slots', 'networks', 'clients', 'generation',
	'locked', 'until')
local since = tonumber(held[1] or now)
if tonumber(held[10] or 0) > now then
	return { 'wait', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
end

local function parse(text)
	local rows = {}
	for row in string.gmatch(text or '', '%S+') do
		local fields = {}
		for field in string.gmatch(row, '[^:]+') do
			fields[#fields + 1] = tonumber(field) or 0
		end
		rows[#rows + 1] = fields
	end
	return rows
end

local function write(rows)
	local texts = {}
	for i, fields in ipairs(rows) do
		local parts = {}
		for j, field in ipairs(fields) do
			parts[j] = string.format('%.0f', field)
		end
		texts[i] = table.concat(parts, ':')
	end
	return table.concat(texts, ' ')
end

-- Unlocked since: an administrator knows better, so what led to the lock counts no more. Its network and client do not
-- become known by it, either.
local forgiven = held[9] and redis.call('HEXISTS', locks, held[9]) == 0
if forgiven then
	redis.call('HDEL', key, 'locked')
	held[3], held[5] = false, false
end

local function see(text, hash)
	local rows, found = {}, nil
	for _, row in ipairs(parse(text)) do
		if not (forgiven and now - row[2] < DAY) and #row == 3 then
			rows[#rows + 1] = row
			found = row[1] == hash and row or found
		end
	end
	if not found then
		found = { hash, now, now }
		table.insert(rows, 1, found)
		table.sort(rows, function(a, b) return a[3] > b[3] end)
		rows[SEEN + 1] = nil
	end
	found[3] = now
	return write(rows), now - found[2] < DAY
end
local networks, network_is_new = see(held[6], tonumber(ARGV[1], 16))
local clients, client_is_new = see(held[7], tonumber(ARGV[2], 16))

-- Recipients
local day = math.floor(now / DAY)
local generation = math.floor(day / KEPT)
local filter, former = KEYS[2 + generation % 2], KEYS[3 - generation % 2]
local held_generation = tonumber(held[8] or generation)
if held_generation < generation then
	redis.call('DEL', filter)
	if held_generation < generation - 1 then
		redis.call('DEL', former)
	end
end
local function holds(set, places)
	for _, place in ipairs(places) do
		if redis.call('GETBIT', set, place) == 0 then
			return false
		end
	end
	return true
end
local strangers = 0
for digits in string.gmatch(ARGV[3], '%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x') do
	local places = {}
	for i = 1, 16, 4 do
		places[#places + 1] = tonumber(string.sub(digits, i, i + 3), 16) % BITS
	end
	if not holds(filter, places) then
		if not holds(former, places) then
			strangers = strangers + 1
		end
		for _, place in ipairs(places) do
			redis.call('SETBIT', filter, place, 1)
		end
	end
end
local weight = strangers > 0 and 1 + math.ceil(math.log(strangers) / math.log(2)) or 0

-- The hour
local slot = math.floor(now / SLOT)
local is_far = network_is_new and now - since >= DAY -- on the first day all of it is new
local more = { 1, weight, is_far and 1 or 0, is_far and weight or 0 }
local rows, last, sums = {}, nil, { 0, 0, 0, 0 }
for _, row in ipairs(parse(held[5])) do
	if row[1] > slot - 12 and row[1] <= slot and #row == 5 then
		rows[#rows + 1] = row
		last = row
	end
end
if not last or last[1] ~= slot then
	last = { slot, 0, 0, 0, 0 }
	rows[#rows + 1] = last
end
for i = 1, 4 do
	last[i + 1] = last[i + 1] + more[i]
	for _, row in ipairs(rows) do
		sums[i] = sums[i] + row[i + 1]
	end
end

-- The days
local today, held_day = parse(held[3])[1] or { 0, 0, 0, 0 }, tonumber(held[2] or day)
local days, peaks = {}, { 0, 0, 0, 0 }
local all = parse(held[4])
if held_day < day then
	if #today == 4 and today[1] > 0 then
		all[#all + 1] = { held_day, today[1], today[2], today[3], today[4] }
	end
	today = { 0, 0, 0, 0 }
end
for _, row in ipairs(all) do
	if row[1] > day - KEPT and #row == 5 then
		days[#days + 1] = row
		for i = 1, 4 do
			peaks[i] = math.max(peaks[i], row[i + 1])
		end
	end
end
for i = 1, 4 do
	today[i] = math.max(today[i] or 0, sums[i])
end

local refused = 0
local minutes = redis.call('HGETALL', KEYS[5])
for i = 1, #minutes, 2 do
	if tonumber(minutes[i]) > math.floor(now / 60) - 60 then
		refused = refused + tonumber(minutes[i + 1])
	end
end

redis.call('HSET', key, 'since', since, 'day', math.max(day, held_day), 'today', write({ today }), 'days', write(days),
	'slots', write(rows), 'networks', networks, 'clients', clients,
	'generation', math.max(generation, held_generation))
for i = 1, 3 do
	redis.call('EXPIRE', KEYS[i], 2 * KEPT * DAY)
end
return { 'counted', sums[1], sums[2], sums[3], sums[4], peaks[1], peaks[2], peaks[3], peaks[4], #days,
	network_is_new and 1 or 0, client_is_new and 1 or 0, refused }
