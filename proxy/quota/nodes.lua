-- Notes by which rules a node counts, and tells those of the others.
--
-- KEYS[1]  the nodes, a hash by name: "1 TIME ZONE WINDOW FINGERPRINT"
-- ARGV     1 the node, 2 "ZONE WINDOW FINGERPRINT", 3 the age in seconds from which a node's word is old
--
-- Returns name and rules ("ZONE WINDOW FINGERPRINT") of each other node in turn, of those whose word is not old.
local key, now = KEYS[1], tonumber(redis.call('TIME')[1])
redis.call('HSET', key, ARGV[1], '1 ' .. now .. ' ' .. ARGV[2])
local all, others = redis.call('HGETALL', key), {}
for i = 1, #all, 2 do
	local time, rules = string.match(all[i + 1], '^1 (%d+) (.*)$')
	local age = math.abs(now - tonumber(time or 0))
	if age > 86400 then
		redis.call('HDEL', key, all[i])
	elseif all[i] ~= ARGV[1] and age < tonumber(ARGV[3]) then
		others[#others + 1] = all[i]
		others[#others + 1] = rules
	end
end
return others
