-- Charges one message to a user, once for each token, or says why not.
--
-- KEYS[1]  the user's hash: day, end (when their day began, when it ends), m, r, b, w (messages, recipients, bytes,
--          recipients never written to before, of that day), last_minute, last_hour, last_day (windows.lua; the last of
--          them only where days roll), p:ID (messages of that day by an app password that has a limit), limits (those
--          of the last charge, overrides left out: "m r b w hour minute SECTION"), t:TOKEN ("2 DAY RECIPIENTS BYTES
--          TIME ID HASH…" of a charge; where days roll, TIME/LATER, by the later of two clocks; ID is that app
--          password's or "-", the hashes are those of strangers; "DAY RECIPIENTS BYTES MINUTE ID" by an older program;
--          "refunded" for a tombstone), w:HASH (how many charges that may be given back wrote to this stranger),
--          past (what was sent on former days: past.lua)
-- KEYS[2]  what is set by hand: locks on this name, by user id (auth/locks.h), and limits (overrides.lua)
-- KEYS[3]  whom the user has written to (known.lua); only where that is asked
-- ARGV     1 token, 2 recipients, 3 bytes, 4 the limits as `limits` has them (0: none), 5 the node's clock and 6 when
--          its days begin (day.lua), 7 "day" or "rolling", 8 the user's id, 9 the app password's id and its limit of
--          messages a day ("ID N"; "": none), 10 the recipients' hashes, one after the other, 11… tokens that need no
--          refund any more; empty ones at the end may be left out
--
-- Returns {verdict, unit, used, limit, m, r, b, resets_at, w, strangers, the limits in force of m, r, b, w, and where
-- days roll, when the first of the messages that count no longer does (else 0)}: verdict
-- "granted", "day", "burst", "late", "locked", or "strangers": KEYS[3] is wanted, as a limit of them was set by hand;
-- unit "m", "r", "b", "w", "p" for the app password's messages, or "hour" or "minute". resets_at: when the day ends, or
-- when there is room again for what was refused.
--
-- A grant by the limits in 4, where strangers are not looked at, is {"granted", m, r, b, resets_at}: most are, and each
-- value costs something at both ends.
local key, token, is_rolling = KEYS[1], ARGV[1], ARGV[7] == 'rolling'
local time = redis.call('TIME')[1]
local now, clock = tonumber(time), tonumber(ARGV[5])

local m, r, b, w, hour, minute = string.match(ARGV[4], '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) ')
local limit = { m = tonumber(m), r = tonumber(r), b = tonumber(b), w = tonumber(w), hour = tonumber(hour),
	minute = tonumber(minute) }
local by_hand = redis.call('HGETALL', KEYS[2])
if by_hand[1] then
	apply_overrides(by_hand, limit, now)
end
local looks_at_strangers = KEYS[3] or is_rolling or limit.w > 0

-- In a small hash a field that isn't there is looked for among all of them: of the last ones, whatever is not wanted is
-- asked for as the first one, and passed over.
local has_windows = is_rolling or limit.minute > 0 or limit.hour > 0
local wanted = { 'day', 'end', 'm', 'r', 'b', 'limits', 't:' .. token }
if looks_at_strangers or has_windows then
	wanted[8], wanted[9] = looks_at_strangers and 'w' or 'day', limit.minute > 0 and 'last_minute' or 'day'
	wanted[10], wanted[11] = limit.hour > 0 and 'last_hour' or 'day', is_rolling and 'last_day' or 'day'
end
local held = redis.call('HMGET', key, unpack(wanted))
local held_day, held_end, charge = tonumber(held[1] or nil), tonumber(held[2] or nil), held[7]
local day, resets_at, is_same = find_day(now, clock, ARGV[6], held_day, held_end)
if not day then
	return CLOCK_ERROR
end
local windows = has_windows and load_windows()
local held_used = { m = tonumber(held[3] or 0), r = tonumber(held[4] or 0), b = tonumber(held[5] or 0),
	w = looks_at_strangers and tonumber(held[8] or 0) or 0 }
local used = is_same and held_used or { m = 0, r = 0, b = 0, w = 0 }
-- Of the last 24 hours, or of the day.
local last_day = is_rolling and windows.read_last_day(held[11], now, clock, held_day, held_used)
local counted = last_day and last_day.sum or used

local function answer(verdict, unit, count, most, at, strangers)
	return { verdict, unit, count, most, counted.m, counted.r, counted.b, at or resets_at, counted.w,
		strangers or 0, limit.m, limit.r, limit.b, limit.w,
		last_day and windows.free_at(last_day, 'm', 1) or 0 }
end

if charge then
	return answer(charge == 'refunded' and 'late' or 'granted', 'm', counted.m, limit.m)
end
for i = 1, #by_hand, 2 do
	if by_hand[i] == ARGV[8] or string.find(by_hand[i], '^name[:#]') then -- the latter: whoever has this name
		return answer('locked', 'm', counted.m, limit.m)
	end
end
if limit.w > 0 and not KEYS[3] then
	return answer('strangers', 'w', counted.w, limit.w)
end

-- ---- what it would add

local fresh = 0 -- strangers that they have not written to today
local known, generation, strangers
if KEYS[3] then
	local hashes, seen = {}, {}
	for hash in string.gmatch(ARGV[10] or '', string.rep('%x', 16)) do
		if not seen[hash] then
			hashes[#hashes + 1] = hash
		end
		seen[hash] = true
	end
	known = load_known()
	generation = known.open_known(KEYS[3], now)
	strangers = known.find_strangers(KEYS[3], generation, hashes)
	for _, hash in ipairs(strangers) do
		if redis.call('HEXISTS', key, 'w:' .. hash) == 0 or not is_same then
			fresh = fresh + 1
		end
	end
end
local in_minute, more_in_minute, minute_back, in_hour, more_in_hour, hour_back
if limit.minute > 0 then
	in_minute, more_in_minute, minute_back = windows.count_step(windows.MINUTE, held[9], now)
end
if limit.hour > 0 then
	in_hour, more_in_hour, hour_back = windows.count_step(windows.HOUR, held[10], now)
end
local password, password_limit, by_password = nil, 0, 0
if (ARGV[9] or '') ~= '' then
	password, password_limit = string.match(ARGV[9], '^(%S+) (%d+)$')
	password_limit = tonumber(password_limit)
	by_password = is_same and tonumber(redis.call('HGET', key, 'p:' .. password) or 0) or 0
end

-- ---- is there room?

local more = { m = 1, r = tonumber(ARGV[2]), b = tonumber(ARGV[3]), w = fresh }
local function has_room(unit)
	return limit[unit] == 0 or more[unit] == 0 or counted[unit] + more[unit] <= limit[unit]
end
local full = not has_room('m') and 'm' or not has_room('r') and 'r' or not has_room('b') and 'b'
	or not has_room('w') and 'w' or password and by_password >= password_limit and 'p'
local burst = not full and (in_minute and in_minute >= limit.minute and 'minute'
	or in_hour and in_hour >= limit.hour and 'hour')
if full or burst then
	-- A window that was ahead comes back to this clock even if nothing is charged: else it would never end.
	local back = { last_minute = minute_back, last_hour = hour_back }
	if last_day and last_day.was_ahead and held_day then
		back.last_day = windows.write_last_day(last_day, held_day, held_used)
	end
	for field, text in pairs(back) do
		redis.call('HSET', key, field, text)
	end
	if full == 'p' then
		return answer('day', 'p', by_password, password_limit, resets_at, fresh)
	elseif full then
		local at = last_day and windows.free_at(last_day, full, counted[full] + more[full] - limit[full])
		return answer('day', full, counted[full], limit[full], at ~= 0 and at or resets_at, fresh)
	end
	local kind, text, count = windows.HOUR, held[10], in_hour
	if burst == 'minute' then
		kind, text, count = windows.MINUTE, held[9], in_minute
	end
	local at = windows.free_at(windows.read_window(kind, text, now, now), 'm', count + 1 - limit[burst])
	return answer('burst', burst, count, limit[burst], at, fresh)
end

-- ---- granted

local past -- if it changes
if not is_same and held_day then
	-- A new day: what belongs to the old one goes, but for what was sent on it. Its charges may yet be given back.
	local fields, pending, before = {}, {}, nil
	local all = redis.call('HGETALL', key)
	for i = 1, #all, 2 do
		local kind, value = string.sub(all[i], 1, 2), all[i + 1]
		local is_kept = tonumber(string.match(value, '^2 (%d+) ')) == held_day
		local is_other = kind == 'l:' or kind == 'x:' or all[i] == 'rebuild' -- of leases, and of a rebuild
		if kind == 'p:' or kind == 'w:' or all[i] == 'w' or is_other or (kind == 't:' and not is_kept) then
			fields[#fields + 1] = all[i]
		end
		if kind == 'w:' then
			pending[#pending + 1] = string.sub(all[i], 3)
		end
		before = all[i] == 'past' and value or before
	end
	local count_sent, add_past = load_past()
	past = add_past(before, held_day, day, count_sent(all, held_day, held_used.m, held_used.r, held_used.b))
	for i = 1, #fields, 1000 do
		redis.call('HDEL', key, unpack(fields, i, math.min(i + 999, #fields)))
	end
	if generation then
		known.make_known(KEYS[3], generation, pending)
	end
end
used.m, used.r, used.b, used.w = used.m + 1, used.r + more.r, used.b + more.b, used.w + fresh

-- Texts are passed through as they came, and small numbers made texts by the cheapest format there is; "%d" would wrap
-- others where an integer has 32 bits.
local latest = last_day and string.format('/%.0f', math.max(now, clock)) or ''
local value = '2 ' .. (is_same and held[1] or string.format('%.0f', day)) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' '
	.. time .. latest .. ' ' .. (password or '-')
if strangers and strangers[1] then
	value = value .. ' ' .. table.concat(strangers, ' ')
end
local fields = { 'm', string.format('%d', used.m), 'r', string.format('%d', used.r), 'b', string.format('%.0f', used.b),
	't:' .. token, value }
local last = 8
local function set(field, text)
	fields[last + 1], fields[last + 2] = field, text
	last = last + 2
end
local is_new_end = not is_same or held_end ~= resets_at
if is_new_end then
	set('day', string.format('%.0f', day))
	set('end', string.format('%.0f', resets_at))
end
if past then
	set('past', past)
end
if held[6] ~= ARGV[4] then
	set('limits', ARGV[4])
end
if looks_at_strangers and (used.w > 0 or held[8]) then
	set('w', used.w)
end
if more_in_minute then
	set('last_minute', more_in_minute)
end
if more_in_hour then
	set('last_hour', more_in_hour)
end
if last_day then
	windows.add_step(last_day, math.floor(math.max(now, clock) / windows.DAY.width), more)
	set('last_day', windows.write_last_day(last_day, day, used))
end
if password then
	set('p:' .. password, by_password + 1)
end
redis.call('HSET', key, unpack(fields, 1, last))
for _, hash in ipairs(strangers or {}) do
	redis.call('HINCRBY', key, 'w:' .. hash, 1)
end
if is_new_end then
	-- Long after anybody would miss it, lest a clock that is a year ahead for a moment makes Redis forget it.
	redis.call('EXPIREAT', key, resets_at + 400 * 86400)
end

local first = 11 -- what the settled tokens wrote to is known from now on
if ARGV[first] then
	local settled = {}
	for i = first, #ARGV do
		settled[#settled + 1] = 't:' .. ARGV[i]
	end
	for _, text in ipairs(generation and redis.call('HMGET', key, unpack(settled)) or {}) do
		local met = {}
		for hash in string.gmatch(string.match(text or '', '^2 %d+ %d+ %d+ %S+ %S+ (.*)$') or '', '%x+') do
			met[#met + 1] = hash
			redis.call('HDEL', key, 'w:' .. hash)
		end
		known.make_known(KEYS[3], generation, met)
	end
	redis.call('HDEL', key, unpack(settled))
end
if by_hand[1] or looks_at_strangers then
	return answer('granted', 'm', counted.m, limit.m, nil, fresh)
end
return { 'granted', used.m, used.r, used.b, resets_at }
