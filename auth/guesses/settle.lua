-- Tells how a try went that a place was taken for. Told twice, it is as if it were told once.
--
-- KEYS     as for reserve.lua
-- ARGV     1 window, 2 for how long a place is known (milliseconds), 3 token, 4 pair, 5 the place, 6 the outcome:
--          "right", "wrong", "unknown", or "untried"; 7 and 8 for how long an unknown one is left alone at first, and
--          at most; 9 how many known places a user may have
--
-- Returns 1.
local index, window, token, pair, outcome = KEYS[1], tonumber(ARGV[1]), ARGV[3], ARGV[4], ARGV[6]

-- What is right is no guess, and whatever was thought of it before was too early.
local function is_given_back(try)
	if outcome == 'right' then
		return try.p == pair
	end
	return outcome == 'untried' and try.i == token
end

local function settle_try(try)
	if try.i ~= token or try.s ~= 'p' then
		return
	elseif outcome == 'wrong' then
		try.s, try.t = 'w', now
	elseif outcome == 'unknown' then
		try.b = math.min((try.b or tonumber(ARGV[7]) / 2) * 2, tonumber(ARGV[8]))
		try.s, try.e = 'u', now + try.b
	end
end

local function settle_record(record)
	local kept, given_back = {}, nil
	for _, try in ipairs(record.a) do
		if is_given_back(try) then
			given_back = try
		else
			settle_try(try)
			kept[#kept + 1] = try
		end
	end
	record.a = kept
	return given_back
end

local user = load_record(KEYS[2], window)
settle_record(user)
save_record(index, KEYS[2], user, window)

local narrowest = load_record(KEYS[4], window)
local given_back = settle_record(narrowest)
save_record(index, KEYS[4], narrowest, window)
for i = 5, given_back and #KEYS or 4 do
	local network = load_record(KEYS[i], window)
	if network.g and network.g[given_back.g] then
		network.g[given_back.g] = math.max(network.g[given_back.g] - 1, 0)
		save_record(index, KEYS[i], network, window)
	end
end

if outcome == 'right' then
	redis.call('ZADD', KEYS[3], now, ARGV[5])
	redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[9]))
	redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
return 1
