-- A Redis in one Lua state: the commands that Subgate uses, on data in memory, with a clock that its owner sets.
-- tests/unit/test_played_redis.c holds it against a real redis-server. Its owner (played_redis.h) calls command().
--
-- Values are Lua's own: strings, numbers for integers, false for nil, tables for arrays, {ok=} and {err=}.
local keys = {}     -- by name: { kind =, value =, expires = milliseconds or nil }
local scripts = {}  -- by SHA1: functions
local settings = { ['maxmemory-policy'] = 'noeviction', maxmemory = '0', role = 'master' }
local now_us = 0
local commands = {}
local wrote = false -- the script that runs has changed something

local function fault(text)
	return { err = text }
end
local WRONG_TYPE = fault('WRONGTYPE Operation against a key holding the wrong kind of value')
local NOT_INTEGER = fault('ERR value is not an integer or out of range')
local OK = { ok = 'OK' }

-- ---- keys

local function find(name, kind)
	local key = keys[name]
	if key and key.expires and key.expires <= now_us / 1000 then
		keys[name] = nil
		return nil
	end
	if key and kind and key.kind ~= kind then
		error(WRONG_TYPE, 0)
	end
	return key
end

local EMPTY = {
	hash = function() return { order = {}, of = {} } end,
	set = function() return { order = {}, of = {} } end,
	zset = function() return {} end,
	string = function() return '' end,
	stream = function() return { entries = {}, last_ms = 0, last_n = 0 } end,
}

local function make(name, kind)
	local key = find(name, kind)
	if not key then
		key = { kind = kind, value = EMPTY[kind]() }
		keys[name] = key
	end
	return key
end

local function integer(text)
	local number = tonumber(text)
	if not number or not string.match(text, '^-?%d+$') then
		error(NOT_INTEGER, 0)
	end
	return number
end

local function decimal(number)
	return string.format('%.17g', number)
end

-- ---- ordered maps, as hashes and sets of few members are in Redis

local function put(map, field, value)
	local is_new = map.of[field] == nil
	if is_new then
		map.order[#map.order + 1] = field
	end
	map.of[field] = value
	return is_new
end

local function take(map, field)
	if map.of[field] == nil then
		return false
	end
	map.of[field] = nil
	for i, held in ipairs(map.order) do
		if held == field then
			table.remove(map.order, i)
			break
		end
	end
	return true
end

local function drop_if_empty(name)
	local key = keys[name]
	if key and (key.kind == 'zset' and #key.value == 0 or key.value.order and #key.value.order == 0) then
		keys[name] = nil
	end
end

-- ---- any key

function commands.DEL(...)
	local count = 0
	for _, name in ipairs({ ... }) do
		count = count + (find(name) and 1 or 0)
		keys[name] = nil
	end
	return count
end
commands.UNLINK = commands.DEL

function commands.EXISTS(...)
	local count = 0
	for _, name in ipairs({ ... }) do
		count = count + (find(name) and 1 or 0)
	end
	return count
end

function commands.TYPE(name)
	local key = find(name)
	return { ok = key and key.kind or 'none' }
end

function commands.RENAME(from, to)
	if not find(from) then
		return fault('ERR no such key')
	end
	keys[to], keys[from] = keys[from], nil
	return OK
end

local function expire_at(name, ms)
	local key = find(name)
	if not key then
		return 0
	end
	key.expires = ms
	find(name)
	return 1
end

function commands.EXPIRE(name, s)
	return expire_at(name, math.floor(now_us / 1000) + integer(s) * 1000)
end
function commands.PEXPIRE(name, ms)
	return expire_at(name, math.floor(now_us / 1000) + integer(ms))
end
function commands.EXPIREAT(name, s)
	return expire_at(name, integer(s) * 1000)
end
function commands.PEXPIREAT(name, ms)
	return expire_at(name, integer(ms))
end
function commands.PTTL(name)
	local key = find(name)
	return key and (key.expires and key.expires - math.floor(now_us / 1000) or -1) or -2
end
function commands.TTL(name)
	local ms = commands.PTTL(name)
	return ms < 0 and ms or math.floor((ms + 500) / 1000)
end
function commands.EXPIRETIME(name)
	local key = find(name)
	return key and (key.expires and math.floor(key.expires / 1000) or -1) or -2
end
function commands.PERSIST(name)
	local key = find(name)
	if not key or not key.expires then
		return 0
	end
	key.expires = nil
	return 1
end

function commands.FLUSHALL()
	keys = {}
	return OK
end
commands.FLUSHDB = commands.FLUSHALL

local function sorted_names()
	local names = {}
	for name in pairs(keys) do
		if find(name) then
			names[#names + 1] = name
		end
	end
	table.sort(names)
	return names
end

function commands.DBSIZE()
	return #sorted_names()
end

local function glob(pattern)
	local quoted = string.gsub(pattern, '[%^%$%(%)%%%.%+%-]', '%%%0')
	return '^' .. string.gsub(quoted, '[*?]', { ['*'] = '.*', ['?'] = '.' }) .. '$'
end

function commands.KEYS(pattern)
	local found, form = {}, glob(pattern)
	for _, name in ipairs(sorted_names()) do
		if string.match(name, form) then
			found[#found + 1] = name
		end
	end
	return found
end

-- All in one page.
function commands.SCAN(_, ...)
	local options, pattern = { ... }, '*'
	for i = 1, #options, 2 do
		pattern = string.upper(options[i]) == 'MATCH' and options[i + 1] or pattern
	end
	return { '0', commands.KEYS(pattern) }
end

-- ---- strings

function commands.GET(name)
	local key = find(name, 'string')
	return key and key.value or false
end

function commands.SET(name, value, ...)
	local options, expires, held = { ... }, nil, find(name)
	local i = 1
	while options[i] do
		local option = string.upper(options[i])
		if option == 'NX' and held or option == 'XX' and not held then
			return false
		elseif option == 'EX' or option == 'PX' then
			i = i + 1
			expires = math.floor(now_us / 1000) + integer(options[i]) * (option == 'EX' and 1000 or 1)
		elseif option == 'KEEPTTL' then
			expires = held and held.expires
		elseif option ~= 'NX' and option ~= 'XX' then
			return fault('ERR syntax error')
		end
		i = i + 1
	end
	keys[name] = { kind = 'string', value = value, expires = expires }
	return OK
end

function commands.INCRBY(name, by)
	local key = make(name, 'string')
	key.value = decimal((key.value == '' and 0 or integer(key.value)) + integer(by))
	return tonumber(key.value)
end
function commands.INCR(name)
	return commands.INCRBY(name, '1')
end

function commands.STRLEN(name)
	local key = find(name, 'string')
	return key and #key.value or 0
end

function commands.APPEND(name, more)
	local key = make(name, 'string')
	key.value = key.value .. more
	return #key.value
end

function commands.GETRANGE(name, from, to)
	local key = find(name, 'string')
	from, to = integer(from), integer(to)
	local value = key and key.value or ''
	from = from < 0 and math.max(0, #value + from) or from
	to = to < 0 and #value + to or to
	return string.sub(value, from + 1, to + 1)
end

function commands.SETRANGE(name, at, bytes)
	at = integer(at)
	if bytes == '' then
		return commands.STRLEN(name)
	end
	local key = make(name, 'string')
	local value = key.value .. string.rep('\0', at - #key.value)
	key.value = string.sub(value, 1, at) .. bytes .. string.sub(value, at + #bytes + 1)
	return #key.value
end

local function bit_of(value, at)
	local byte = string.byte(value, math.floor(at / 8) + 1) or 0
	return math.floor(byte / 2 ^ (7 - at % 8)) % 2, byte
end

function commands.GETBIT(name, at)
	local key = find(name, 'string')
	return (bit_of(key and key.value or '', integer(at)))
end

function commands.SETBIT(name, at, bit)
	at, bit = integer(at), integer(bit)
	local value = make(name, 'string').value
	local before, byte = bit_of(value, at)
	commands.SETRANGE(name, decimal(math.floor(at / 8)), string.char(byte + (bit - before) * 2 ^ (7 - at % 8)))
	return before
end

function commands.BITCOUNT(name)
	local key, count = find(name, 'string'), 0
	for at = 0, key and #key.value * 8 - 1 or -1 do
		count = count + bit_of(key.value, at)
	end
	return count
end

-- Unsigned fields alone, within what a number holds exactly.
function commands.BITFIELD(name, ...)
	local arguments, answers, i = { ... }, {}, 1
	while arguments[i] do
		local is_set = string.upper(arguments[i]) == 'SET'
		local width, at = tonumber(string.match(arguments[i + 1], '^u(%d+)$')), integer(arguments[i + 2])
		local key, value = find(name, 'string'), 0
		for bit = at, at + width - 1 do
			value = value * 2 + bit_of(key and key.value or '', bit)
		end
		answers[#answers + 1] = value
		for bit = 1, is_set and width or 0 do
			commands.SETBIT(name, decimal(at + bit - 1),
				decimal(math.floor(integer(arguments[i + 3]) / 2 ^ (width - bit)) % 2))
		end
		i = i + (is_set and 4 or 3)
	end
	return answers
end

-- ---- hashes

function commands.HSET(name, ...)
	local pairs_of, added = { ... }, 0
	if #pairs_of == 0 or #pairs_of % 2 == 1 then
		return fault("ERR wrong number of arguments for 'hset' command")
	end
	local hash = make(name, 'hash').value
	for i = 1, #pairs_of, 2 do
		added = added + (put(hash, pairs_of[i], pairs_of[i + 1]) and 1 or 0)
	end
	return added
end
function commands.HMSET(name, ...)
	commands.HSET(name, ...)
	return OK
end
function commands.HSETNX(name, field, value)
	local hash = make(name, 'hash').value
	return hash.of[field] == nil and put(hash, field, value) and 1 or 0
end
function commands.HGET(name, field)
	local key = find(name, 'hash')
	return key and key.value.of[field] or false
end
function commands.HMGET(name, ...)
	local key, found = find(name, 'hash'), {}
	for i, field in ipairs({ ... }) do
		found[i] = key and key.value.of[field] or false
	end
	return found
end
function commands.HDEL(name, ...)
	local key, count = find(name, 'hash'), 0
	for _, field in ipairs({ ... }) do
		count = count + (key and take(key.value, field) and 1 or 0)
	end
	drop_if_empty(name)
	return count
end
function commands.HEXISTS(name, field)
	return commands.HGET(name, field) and 1 or 0
end
function commands.HLEN(name)
	local key = find(name, 'hash')
	return key and #key.value.order or 0
end
function commands.HKEYS(name)
	local key, found = find(name, 'hash'), {}
	for i, field in ipairs(key and key.value.order or {}) do
		found[i] = field
	end
	return found
end
function commands.HVALS(name)
	local key, found = find(name, 'hash'), {}
	for i, field in ipairs(key and key.value.order or {}) do
		found[i] = key.value.of[field]
	end
	return found
end
function commands.HGETALL(name)
	local key, found = find(name, 'hash'), {}
	for _, field in ipairs(key and key.value.order or {}) do
		found[#found + 1] = field
		found[#found + 1] = key.value.of[field]
	end
	return found
end
-- All in one page.
function commands.HSCAN(name, _, ...)
	local options, form, found = { ... }, '', {}
	for i = 1, #options, 2 do
		form = string.upper(options[i]) == 'MATCH' and glob(options[i + 1]) or form
	end
	local all = commands.HGETALL(name)
	for i = 1, #all, 2 do
		if string.match(all[i], form) then
			found[#found + 1] = all[i]
			found[#found + 1] = all[i + 1]
		end
	end
	return { '0', found }
end
function commands.HINCRBY(name, field, by)
	local hash = make(name, 'hash').value
	if hash.of[field] and not string.match(hash.of[field], '^-?%d+$') then
		return fault('ERR hash value is not an integer')
	end
	put(hash, field, decimal(tonumber(hash.of[field] or 0) + integer(by)))
	return tonumber(hash.of[field])
end
