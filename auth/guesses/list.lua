-- One page of those who are refused.
--
-- KEYS[1]  the index
-- ARGV     1 window (milliseconds), 2 where the page begins, 3 how many records are looked at
--
-- Returns {next, kind, typed, name, failures, left_ms, kind, …}: `next` is where the next page begins; -1: this is the
-- last.
local index, window, from, count = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local keys = redis.call('ZRANGE', index, from, from + count - 1)
local page = { #keys == count and from + count or -1 }
for _, key in ipairs(keys) do
	local record = load_record(key, window)
	if record.k and is_refused(record) then
		local row = { record.k, record.n, record.u, count_failures(record), left_ms(record, window) }
		for _, value in ipairs(row) do
			page[#page + 1] = value
		end
	end
end
return page
