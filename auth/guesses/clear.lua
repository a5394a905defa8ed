-- Forgives one user, one address with the networks around it, or all.
--
-- KEYS[1]  the index
-- ARGV     1 window (milliseconds), 2 where to begin, 3 how many records are looked at; 4… names, in lower case: a
--          user's, as it is counted or as it was typed, or those of networks; without any, all are forgiven
--
-- Returns {next, cleared}: where to go on, -1: all were seen; how many refusals have ended.
local index, window, from, count = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local named = {}
for i = 4, #ARGV do
	named[ARGV[i]] = true
end

local keys = redis.call('ZRANGE', index, from, from + count - 1)
local cleared, dropped = 0, 0
for _, key in ipairs(keys) do
	local record = load_record(key, window)
	if #ARGV < 4 or named[string.lower(record.u or '')] or named[string.lower(record.n or '')] then
		cleared = cleared + (record.k and is_refused(record) and 1 or 0)
		dropped = dropped + 1
		drop_record(index, key)
	end
end
return { #keys == count and from + count - dropped or -1, cleared }
