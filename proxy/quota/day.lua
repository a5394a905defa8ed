-- Stands in front of the other scripts: the day that it is now by Redis's clock.
--
-- `first`  index in ARGV of four beginnings of days (seconds): yesterday, today, tomorrow and the day after
--
-- Returns when the day began and when it ends, or nil when this node and Redis are more than a day apart.
local function find_day(now, first)
	for i = first, first + 2 do
		if now >= tonumber(ARGV[i]) and now < tonumber(ARGV[i + 1]) then
			return tonumber(ARGV[i]), tonumber(ARGV[i + 1])
		end
	end
end
local CLOCK_ERROR = redis.error_reply('CLOCK this node and Redis are more than a day apart')

