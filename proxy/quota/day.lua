-- Stands in front of the other scripts: which day of a user's it is.
--
-- A day lasts until its end, which the user's hash holds, whatever node asks and whatever its time zone: counts start
-- anew only when the end has passed by Redis's clock (and by the node's, lest one clock that runs ahead is enough), and
-- the next end lies at least 22 hours later. So neither a clock that steps, nor summer time, nor a node in another zone
-- makes a second day.
local LEAST = 22 * 3600
local LONGEST = 72 * 3600 -- no day ends further off; one that does was begun by a clock set wrong: its end comes nearer
local CLOCK_ERROR = redis.error_reply('CLOCK this node and Redis are more than a day apart')

-- The first beginning of a calendar day at `from` or later; `first` as below.
local function beginning(first, from)
	for i = first + 1, first + 6 do
		if tonumber(ARGV[i]) >= from then
			return tonumber(ARGV[i])
		end
	end
end

-- `first`     index in ARGV of the node's clock; after it six beginnings of days in its zone, from yesterday's on
-- `day, stop` as the hash holds them: when the day began and when it ends
--
-- Returns when the user's day began, when it ends, and whether the counts held are of that day; nil: CLOCK_ERROR.
local function find_day(now, first, day, stop)
	local clock = tonumber(ARGV[first])
	day, stop = tonumber(day or nil), tonumber(stop or nil)
	if math.abs(now - clock) > 86400 then
		return nil
	end
	-- A program that knew no ends began this day.
	if day and (not stop or day >= stop) then
		stop = beginning(first, day + LEAST) or day + 86400
	end
	if day and math.min(now, clock) < stop then
		if stop - now > LONGEST then
			stop = beginning(first, now + LEAST)
			redis.call('HSET', KEYS[1], 'end', stop)
		end
		return day, stop, true
	end
	local today = tonumber(ARGV[first + 1])
	for i = first + 2, first + 6 do
		today = tonumber(ARGV[i]) <= now and tonumber(ARGV[i]) or today
	end
	return math.max(today, stop or 0), beginning(first, math.max(now + 1, (stop or 0) + LEAST)), false
end

