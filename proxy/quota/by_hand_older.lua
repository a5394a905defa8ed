-- Notes in the rows of by_hand.h what an older program has set, which kept no rows: a page of it.
--
-- KEYS[1]  the rows
-- ARGV     1 a cursor, "0" at first; 2 the key of all locks, or "": limits are looked for; of these 3 the pattern of
--          the keys where they act, 4 how these begin, up to the name, 5 what stands before the name in a row
--
-- It has the oldest version there is, so that any row that a node has kept is newer, also one that takes it back.
--
-- Returns the cursor of the next page; "0": that was all.
local rows, cursor, locks, now = KEYS[1], ARGV[1], ARGV[2], tonumber(redis.call('TIME')[1])
local found = 0

local function note(row, payload)
	found = found + redis.call('HSETNX', rows, row, '1 + ' .. payload)
end

local function note_limits(key)
	local name, all = ARGV[5] .. string.sub(key, #ARGV[4] + 1, -2), redis.call('HGETALL', key)
	for i = 1, #all, 2 do
		local stop = string.match(all[i + 1], '^1 %d+ (%d+)$')
		if string.sub(all[i], 1, 6) == 'limit ' and stop and (stop == '0' or now < tonumber(stop)) then
			note(all[i] .. ' ' .. name, all[i + 1])
		end
	end
end

local page
if locks ~= '' then
	page = redis.call('HSCAN', locks, cursor, 'COUNT', 200)
	for i = 1, #page[2], 2 do
		note('lock ' .. page[2][i], page[2][i + 1])
	end
else
	page = redis.call('SCAN', cursor, 'MATCH', ARGV[3], 'COUNT', 500, 'TYPE', 'hash')
	for _, key in ipairs(page[2]) do
		note_limits(key)
	end
end
if found > 0 then -- so that all nodes take them into their copies
	redis.call('HINCRBY', rows, 'version', 1)
end
return page[1]
