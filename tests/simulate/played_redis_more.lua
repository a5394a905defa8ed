-- Goes on where played_redis_keys.lua ends: sets, sorted sets and streams.

-- ---- sets, sorted sets

function commands.SADD(name, ...)
	local set, count = make(name, 'set').value, 0
	for _, member in ipairs({ ... }) do
		count = count + (put(set, member, true) and 1 or 0)
	end
	return count
end
function commands.SREM(name, ...)
	local key, count = find(name, 'set'), 0
	for _, member in ipairs({ ... }) do
		count = count + (key and take(key.value, member) and 1 or 0)
	end
	drop_if_empty(name)
	return count
end
function commands.SISMEMBER(name, member)
	local key = find(name, 'set')
	return key and key.value.of[member] and 1 or 0
end
function commands.SCARD(name)
	local key = find(name, 'set')
	return key and #key.value.order or 0
end
function commands.SMEMBERS(name)
	local key, found = find(name, 'set'), {}
	for i, member in ipairs(key and key.value.order or {}) do
		found[i] = member
	end
	return found
end

local function sort_members(members)
	table.sort(members, function(a, b)
		return a.score < b.score or a.score == b.score and a.name < b.name
	end)
end

local function place_of(members, name)
	for i, member in ipairs(members) do
		if member.name == name then
			return i
		end
	end
end

function commands.ZADD(name, ...)
	local options, members, count = { ... }, make(name, 'zset').value, 0
	for i = 1, #options, 2 do
		local at = place_of(members, options[i + 1])
		if at then
			members[at].score = tonumber(options[i])
		else
			members[#members + 1] = { name = options[i + 1], score = tonumber(options[i]) }
			count = count + 1
		end
	end
	sort_members(members)
	return count
end
function commands.ZREM(name, ...)
	local key, count = find(name, 'zset'), 0
	for _, member in ipairs({ ... }) do
		local at = key and place_of(key.value, member)
		if at then
			table.remove(key.value, at)
			count = count + 1
		end
	end
	drop_if_empty(name)
	return count
end
function commands.ZSCORE(name, member)
	local key = find(name, 'zset')
	local at = key and place_of(key.value, member)
	return at and decimal(key.value[at].score) or false
end
function commands.ZCARD(name)
	local key = find(name, 'zset')
	return key and #key.value or 0
end

local function bound(text, is_least)
	if text == '-inf' then
		return -math.huge, false
	elseif text == '+inf' or text == 'inf' then
		return math.huge, false
	end
	local is_open = string.sub(text, 1, 1) == '('
	return tonumber(is_open and string.sub(text, 2) or text), is_open, is_least
end

local function between(name, least, most)
	local key, found = find(name, 'zset'), {}
	local low, low_open = bound(least)
	local high, high_open = bound(most)
	for _, member in ipairs(key and key.value or {}) do
		local score = member.score
		local is_over = score > low or score == low and not low_open
		local is_under = score < high or score == high and not high_open
		if is_over and is_under then
			found[#found + 1] = member.name
		end
	end
	return found
end

function commands.ZRANGEBYSCORE(name, least, most)
	return between(name, least, most)
end
function commands.ZCOUNT(name, least, most)
	return #between(name, least, most)
end
function commands.ZREMRANGEBYSCORE(name, least, most)
	local found = between(name, least, most)
	return #found > 0 and commands.ZREM(name, unpack(found)) or 0
end
function commands.ZRANGE(name, from, to, scores)
	local key, found = find(name, 'zset'), {}
	local members = key and key.value or {}
	from, to = integer(from), integer(to)
	from, to = from < 0 and math.max(0, #members + from) or from, to < 0 and #members + to or to
	for i = from + 1, math.min(to + 1, #members) do
		found[#found + 1] = members[i].name
		if scores then
			found[#found + 1] = decimal(members[i].score)
		end
	end
	return found
end

-- ---- streams

local function read_id(text, n)
	if text == '-' then
		return 0, 0
	elseif text == '+' then
		return math.huge, math.huge
	end
	local ms, rest = string.match(text, '^%(?(%d+)-?(%d*)$')
	return tonumber(ms), tonumber(rest) or n
end

local function is_before(ms, n, other_ms, other_n)
	return ms < other_ms or ms == other_ms and n < other_n
end

function commands.XADD(name, ...)
	local rest, i, most = { ... }, 1, nil
	while rest[i] ~= '*' do
		if not rest[i] then
			return fault('ERR syntax error')
		elseif string.upper(rest[i]) == 'MAXLEN' then
			i = i + ((rest[i + 1] == '~' or rest[i + 1] == '=') and 1 or 0)
			most = integer(rest[i + 1])
			i = i + 1
		end
		i = i + 1
	end
	local stream = make(name, 'stream').value
	local ms = math.max(math.floor(now_us / 1000), stream.last_ms)
	stream.last_n = ms == stream.last_ms and stream.last_n + 1 or 0
	stream.last_ms = ms
	local id = string.format('%.0f-%d', ms, stream.last_n)
	local fields = {}
	for at = i + 1, #rest do
		fields[#fields + 1] = rest[at]
	end
	stream.entries[#stream.entries + 1] = { ms = ms, n = stream.last_n, reply = { id, fields } }
	while most and #stream.entries > most do
		table.remove(stream.entries, 1)
	end
	return id
end

function commands.XLEN(name)
	local key = find(name, 'stream')
	return key and #key.value.entries or 0
end

local function range(name, from, to, count, is_reverse)
	local key, found = find(name, 'stream'), {}
	local entries = key and key.value.entries or {}
	local low_ms, low_n = read_id(from, 0)
	local high_ms, high_n = read_id(to, math.huge)
	local is_open = string.sub(from, 1, 1) == '('
	for at = is_reverse and #entries or 1, is_reverse and 1 or #entries, is_reverse and -1 or 1 do
		local entry = entries[at]
		local is_low = is_before(entry.ms, entry.n, low_ms, low_n) or
			is_open and entry.ms == low_ms and entry.n == low_n
		if not is_low and not is_before(high_ms, high_n, entry.ms, entry.n) and #found < count then
			found[#found + 1] = entry.reply
		end
	end
	return found
end

function commands.XRANGE(name, from, to, _, count)
	return range(name, from, to, tonumber(count) or math.huge, false)
end
function commands.XREVRANGE(name, to, from, _, count)
	return range(name, from, to, tonumber(count) or math.huge, true)
end
-- Of one stream, and never waiting.
function commands.XREAD(...)
	local options, count, i = { ... }, math.huge, 1
	while options[i] and string.upper(options[i]) ~= 'STREAMS' do
		count = string.upper(options[i]) == 'COUNT' and integer(options[i + 1]) or count
		i = i + 2
	end
	local name, id = options[i + 1], options[i + 2]
	local found = range(name, '(' .. id, '+', count, false)
	return #found > 0 and { { name, found } }
end
function commands.XTRIM(name, _, ...)
	local options = { ... }
	local key, most, count = find(name, 'stream'), integer(options[#options]), 0
	while key and #key.value.entries > most do
		table.remove(key.value.entries, 1)
		count = count + 1
	end
	return count
end
