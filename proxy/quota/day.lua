-- Stands in front of the other scripts: which day of a user's it is.
--
-- A day lasts until its end, which the user's hash holds, whatever node asks and whatever its time zone: counts start
-- anew only when the end has passed by Redis's clock (and by the node's, lest one clock that runs ahead is enough), and
-- the next end lies at least 22 hours later. So neither a clock that steps, nor summer time, nor a node in another zone
-- makes a second day.
local LEAST = 22 * 3600
local LONGEST = 72 * 3600 -- no day ends further off; one that does was begun by a clock set wrong: its end comes nearer
local CLOCK_ERROR = { err = 'CLOCK this node and Redis are more than a day apart' }

-- The last beginning of a calendar day that has passed; of them all the first, if none has. `days` as below.
local function latest_beginning(days, now)
	local latest
	for text in string.gmatch(days, '%d+') do
		latest = (not latest or tonumber(text) <= now) and tonumber(text) or latest
	end
	return latest
end

-- The first beginning of a calendar day at `from` or later.
local function beginning(days, from)
	for text in string.gmatch(days, '%d+') do
		if tonumber(text) >= from then
			return tonumber(text)
		end
	end
end

-- `clock`     the node's
-- `days`      six beginnings of days in its zone, from yesterday's on, as a text
-- `day, stop` as the hash holds them: when the day began and when it ends
-- `key`       the user's hash; nil: KEYS[1]
--
-- Returns when the user's day began, when it ends, and whether the counts held are of that day; nil: CLOCK_ERROR.
local function find_day(now, clock, days, day, stop, key)
	day, stop = tonumber(day or nil), tonumber(stop or nil)
	if math.abs(now - clock) > 86400 then
		return nil
	end
	-- A program that knew no ends began this day.
	if day and (not stop or day >= stop) then
		stop = beginning(days, day + LEAST) or day + 86400
	end
	if day and math.min(now, clock) < stop then
		if stop - now > LONGEST then
			-- For a day that begins after its end, another one would be sought each time.
			day = math.min(day, latest_beginning(days, now))
			stop = beginning(days, now + LEAST)
			redis.call('HSET', key or KEYS[1], 'day', string.format('%.0f', day), 'end', stop)
		end
		return day, stop, true
	end
	local today = math.max(latest_beginning(days, now), stop or 0)
	return today, beginning(days, math.max(now + 1, (stop or 0) + LEAST)), false
end

