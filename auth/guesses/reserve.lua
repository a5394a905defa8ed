-- Takes a place for one try of a password, before it is made, or says why it may not be made.
--
-- KEYS     1 the index, 2 the user's record, 3 the user's known places (a sorted set, by when a login came from there),
--          4… the records of the networks around the address, the narrowest first
-- ARGV     1 window, 2 for how long a place is known, 3 lease: by then the try has ended (milliseconds); 4 gate,
--          5 token, 6 pair, 7 the place, 8 the name as typed, 9 the user's name, 10 and 11 limits of a user and of an
--          address (0: none, and nothing is counted), 12 the limit of tries from known places; 13… of each network,
--          its name and its shares
--
-- Returns {verdict, milliseconds}: "ask"; "wrong", as it was before; "pending", being tried, for so long at most;
-- "user" or "address": too many wrong ones.
local index, window, lease = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[3])
local gate, token, pair = ARGV[4], ARGV[5], ARGV[6]
local limits = { [0] = tonumber(ARGV[10]), [1] = tonumber(ARGV[12]) }
local address_limit = tonumber(ARGV[11])

local user = load_record(KEYS[2], window)
user.k, user.n, user.u, user.l = 'user', ARGV[8], ARGV[9], limits[0]

local seen = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[7]) or 0)
local known = seen + tonumber(ARGV[2]) > now and 1 or 0

local networks, address_full = {}, false
for i = 4, #KEYS do
	local network = load_record(KEYS[i], window)
	local at = 13 + 2 * (i - 4)
	network.k, network.n, network.u = 'address', ARGV[at], ARGV[at]
	network.l = address_limit * tonumber(ARGV[at + 1])
	networks[#networks + 1] = network
	address_full = address_full or is_full_for(count_by_gate(network), network.l, gate)
end

-- For each network once, whoever tried it; what is old to the narrowest one is old to those around it.
local function count_at_networks(state)
	if address_limit == 0 or address_full then
		return
	end
	for _, try in ipairs(networks[1].a) do
		if try.p == pair then
			return
		end
	end
	for i, network in ipairs(networks) do
		if i == 1 then
			network.a[#network.a + 1] = { p = pair, g = gate, t = now, s = state, i = token }
		else
			network.t, network.g = network.t or now, network.g or {}
			network.g[gate] = (network.g[gate] or 0) + 1
		end
		save_record(index, KEYS[3 + i], network, window)
	end
end

local last
for _, try in ipairs(limits[0] > 0 and user.a or {}) do
	if try.p == pair and (not last or try.t >= last.t) then
		last = try
	end
end
local is_again = last and last.s == 'w'
if last and not is_again then
	if now < last.e and last.e <= now + 3600000 then
		return { 'pending', last.e - now }
	end
	last.t, last.s, last.g, last.i, last.e = now, 'p', gate, token, now + lease
	save_record(index, KEYS[2], user, window)
	return { 'ask', 0 }
elseif is_again and now < last.t + AGAIN_MS then
	return { 'wrong', 0 }
end

-- A pair that was wrong leaves half of the places to others.
local function may_take(known_or_not)
	local room, all = has_room(user, limits[known_or_not], gate, known_or_not)
	return room and not (is_again and all * 2 >= limits[known_or_not])
end

if known == 1 and not may_take(1) then
	known = 0
end
if limits[0] > 0 and known == 0 then
	if is_again and not may_take(0) then
		return { 'wrong', 0 }
	elseif address_full then
		return { 'address', 0 }
	elseif not may_take(0) then
		count_at_networks('w')
		return { 'user', 0 }
	end
elseif address_full and known == 0 then
	return { 'address', 0 }
end
if limits[0] > 0 then
	user.a[#user.a + 1] = { p = pair, g = gate, t = now, s = 'p', i = token, e = now + lease, k = known }
	save_record(index, KEYS[2], user, window)
end
count_at_networks('p')
return { 'ask', 0 }
