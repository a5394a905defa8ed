-- What the scripts about guesses share. Time is Redis's, in milliseconds.
--
-- A record is JSON under a key of its own, and goes once nothing in it counts any more:
--   k, n, u  "user" or "address"; the name as it was typed last; the name it is counted under
--   l        the limit it was last held to
--   a        of a user, and of the narrowest network around an address: its tries, each {p = pair, g = gate, t = at,
--            s = state, i = token, e = end of its lease, b = lease, k = 1 in a place for tries from known places}
--            States: "p" being tried, "w" wrong, "u" tried, and nobody knows how it went.
--   g, t     of a wider network: how many from each gate, and since when
--
-- The index is a sorted set of all records' keys, by when they end.
local MAXIMUM = 131072 -- records: 60 MB; more than one gate makes in a window (ledger.c)
local AGAIN_MS = 60000 -- how often a wrong pair may be asked again

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

-- Also when the clock has stepped back since.
local function counts_still(at, window)
	return at + window > now and at < now + window
end

local function load_record(key, window)
	local text = redis.call('GET', key)
	local record = text and cjson.decode(text) or {}
	local tries = {}
	for _, try in ipairs(record.a or {}) do
		if counts_still(try.t, window) then
			tries[#tries + 1] = try
		end
	end
	record.a = tries
	if record.t and not counts_still(record.t, window) then
		record.t, record.g = nil, nil
	end
	return record
end

local function drop_record(index, key)
	redis.call('DEL', key)
	redis.call('ZREM', index, key)
end

local function save_record(index, key, record, window)
	if #record.a == 0 and not record.t then
		drop_record(index, key)
		return
	end
	redis.call('SET', key, cjson.encode(record), 'PX', window)
	redis.call('ZADD', index, now + window, key)
	for _, ended in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, 10)) do
		redis.call('ZREM', index, ended)
	end
	for _ = 1, math.min(redis.call('ZCARD', index) - MAXIMUM, 10) do
		redis.call('DEL', redis.call('ZPOPMIN', index)[1])
	end
end

local function count_by_gate(record)
	if record.t then
		return record.g
	end
	local counts = {}
	for _, try in ipairs(record.a) do
		counts[try.g] = (counts[try.g] or 0) + 1
	end
	return counts
end

-- Whether a network is refused to clients of this gate: what it reported itself weighs in full, what each other gate
-- did no more than half of the limit.
local function is_full_for(counts, limit, gate)
	local weight = 0
	for other, count in pairs(counts) do
		weight = weight + (other == gate and count or math.min(count, math.floor(limit / 2)))
	end
	return limit > 0 and weight >= limit
end

-- Whether one more try of this user may be made: never more than the limit, and one gate alone leaves half of it to the
-- others. Tries from known places (1) have places of their own.
local function has_room(record, limit, gate, known)
	local all, own = 0, 0
	for _, try in ipairs(record.a) do
		if try.k == known then
			all = all + 1
			own = own + (try.g == gate and 1 or 0)
		end
	end
	return all < limit and own < limit - math.floor(limit / 2), all
end

local function is_refused(record)
	local limit, counts = record.l, count_by_gate(record)
	for gate in pairs(counts) do
		if record.k == 'address' and is_full_for(counts, limit, gate) then
			return true
		elseif record.k == 'user' and not has_room(record, limit, gate, 0) then
			return true
		end
	end
	return false
end

local function count_failures(record)
	local all = #record.a
	for _, count in pairs(record.g or {}) do
		all = all + count
	end
	return all
end

local function left_ms(record, window)
	local last = record.t or 0
	for _, try in ipairs(record.a) do
		last = math.max(last, try.t)
	end
	return last + window - now
end
