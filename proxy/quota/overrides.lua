-- What an administrator has set for one user (`quota set`): fields "limit OPTION" of the user's hash of locks, each
-- "1 N UNTIL" (UNTIL in seconds, 0: for ever). `pairs_held` is what HGETALL said; `limit` is changed.
local function apply_overrides(pairs_held, limit, now)
	local OPTIONS = {
		['limit messages_per_day'] = 'm', ['limit recipients_per_day'] = 'r', ['limit bytes_per_day'] = 'b',
		['limit new_recipients_per_day'] = 'w', ['limit messages_per_hour'] = 'hour',
		['limit messages_per_minute'] = 'minute',
	}
	for i = 1, #pairs_held, 2 do
		local unit = OPTIONS[pairs_held[i]]
		local n, stop = string.match(pairs_held[i + 1], '^1 (%d+) (%d+)$')
		if unit and n and (stop == '0' or now < tonumber(stop)) then
			limit[unit] = tonumber(n)
		end
	end
end

