-- Sets by hand, or takes back, what must outlive a loss of Redis's (by_hand.h), and brings back what was lost.
--
-- KEYS[1]  what was set, a hash: version (the newest), and by row "VERSION + PAYLOAD" (set) or "VERSION - PAYLOAD"
-- KEYS[2]  the hash where it acts;  KEYS[3], if there is one, another: "1" stands there under the same field
-- ARGV     1 the version, "" for a new one; 2 "set", "add" (unless it is set), "unset", or "end" (forgotten, if its
--          time has passed); then in fours: row, payload, field and value where it acts
--
-- With a version only what is newer than what is known here is done. A new version is later than all others, whatever
-- the clock says.
--
-- Returns how much was changed.
local KEPT = 400 * 86400 -- seconds, for which it is known that something was taken back, or has passed
local registry, version, deed = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local now_s = tonumber(time[1])
local last = tonumber(redis.call('HGET', registry, 'version') or 0) or 0
local is_new = not version
version = version or math.max(now_s * 1000000 + tonumber(time[2]), last + 1)

local function read_row(row)
	local held, sign, payload = string.match(redis.call('HGET', registry, row) or '', '^(%d+) ([+-]) ?(.*)$')
	return tonumber(held or 0), sign, payload
end

local function has_ended(row)
	local held, sign, payload = read_row(row)
	local is_limit = string.sub(row, 1, 6) == 'limit '
	local stop = is_limit and tonumber(string.match(payload or '', '^1 %d+ (%d+)$') or 0) or 0
	local ends = math.max(held / 1000000, stop) + KEPT
	return sign and ends < now_s and (sign == '-' or stop > 0)
end

local function act(row, payload, field, value)
	local sign, done = deed == 'unset' and '-' or '+', 0
	for i = 2, #KEYS do
		if sign == '-' then
			done = done + redis.call('HDEL', KEYS[i], field)
		else
			redis.call('HSET', KEYS[i], field, i == 2 and value or '1')
			done = done + 1
		end
	end
	-- Last: an error on the way leaves it to be done again.
	redis.call('HSET', registry, row, string.format('%.0f %s %s', version, sign, payload))
	return done
end

local done = 0
for i = 3, #ARGV, 4 do
	local held, sign = read_row(ARGV[i])
	if deed == 'end' then
		done = done + (has_ended(ARGV[i]) and redis.call('HDEL', registry, ARGV[i]) or 0)
	elseif (deed == 'add' and sign ~= '+') or (deed ~= 'add' and (is_new or held < version)) then
		done = done + act(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
	end
end
if deed ~= 'end' then
	redis.call('HSET', registry, 'version', string.format('%.0f', math.max(last, version)))
end
return done
