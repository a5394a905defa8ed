# A reference of conf/ (Markdown, made from the program's own tables) as sections of a manual page (man(7)): headings,
# paragraphs, examples that are indented, and tables, each row of which becomes a paragraph with a tag. For any awk.

# What man(7) would take for something else. Within code a dash is one that can be copied.
function plain(text) {
	gsub(/\\/, "\\e", text)
	return text
}

function code(text) {
	text = plain(text)
	gsub(/-/, "\\-", text)
	return "\\fB" text "\\fR"
}

# `code` in bold.
function inline(text,    parts, count, i, out) {
	gsub(/\\\|/, "|", text)
	count = split(text, parts, "`")
	out = ""
	for (i = 1; i <= count; i++)
		out = out (i % 2 ? plain(parts[i]) : code(parts[i]))
	return out
}

# A line of text must not begin as a request does.
function say(text) {
	print (text ~ /^[.']/ ? "\\&" : "") text
}

function trim(text) {
	sub(/^ +/, "", text)
	sub(/ +$/, "", text)
	return text
}

function heading(text) {
	sub(/^#+ */, "", text)
	print ".SS \"" inline(text) "\""
	is_table = is_paragraph = 0
}

# "yes" and "no" mean what the table's heading says; a default that is empty says nothing.
function row(line,    cells, count, i, tag, more) {
	gsub(/\\\|/, "\001", line)
	count = split(line, cells, "|")
	for (i = 1; i <= count; i++) {
		cells[i] = trim(cells[i])
		gsub(/\001/, "|", cells[i])
	}
	print ".TP"
	tag = cells[2]
	if (is_options) {
		say(inline(tag))
		say(inline(cells[3]) "; default " inline(cells[4]) ".")
		print ".br"
		say(inline(cells[5]))
	} else {
		say(inline(tag))
		more = ""
		if (names[3] == "needed")
			more = cells[3] == "yes" ? "" : " (optional)"
		say(inline(names[3] == "needed" ? cells[4] : cells[3]) more)
	}
}

function names_of(line,    count, i) {
	count = split(line, names, "|")
	for (i = 1; i <= count; i++)
		names[i] = trim(names[i])
	is_options = names[2] == "option"
}

/^# /	{ next }
/^##/	{ heading($0); next }
/^\|[-|]*$/ { next }
/^\|/	{ if (!is_table) { names_of($0); is_table = 1 } else row($0); next }
/^    /	{ print ".PP"; print ".nf"; say("    " code(trim($0))); print ".fi"; next }
/^$/	{ is_paragraph = 0; is_table = 0; next }
	{
		sub(/ ?This page is made from `[^`]*`[.;]/, "")
		if (!is_paragraph)
			print ".PP"
		is_paragraph = 1
		say(inline($0))
	}
