# SPDX-License-Identifier: GPL-2.0
#
# A C file as statements, one a line, each with its indentation and without
# blanks: what is left to compare with clang-format's opinion when line breaks,
# alignment, macros' bodies and tables of initialisers are a person's choice.

function end_statement() {
	if (statement != "")
		print statement
	statement = ""
}

{
	match($0, /^[ \t]*/)
	indent = substr($0, 1, RLENGTH)
	text = substr($0, RLENGTH + 1)
}

# preprocessor lines, with the bodies of macros
macro || text ~ /^#/ { macro = text ~ /\\$/; next }

comment || text ~ /^\/\*/ { comment = text !~ /\*\/[ \t]*$/; next }
{
	sub(/\/\*.*\*\/[ \t]*$/, "", text)
	sub(/[ \t]\/\/.*$/, "", text)
	sub(/^\/\/.*$/, "", text)
	gsub(/[ \t]/, "", text)
}

# a macro's invocation outside of functions, up to its closing parenthesis
!depth && statement == "" && indent == "" && text ~ /^[A-Z_0-9]+\(/ { call = 1; parens = 0 }
call {
	for (i = 1; i <= length(text) && call; i++) {
		parens += (substr(text, i, 1) == "(") - (substr(text, i, 1) == ")")
		call = parens > 0 || i == 1 || substr(text, 1, i) !~ /\(/
	}
	text = call ? "" : substr(text, i)
}

# a table or a compound literal, up to the line that closes it
!table && match(text, /[=)]\{/) &&
text !~ /^(}?else)?(if|for|while|switch|do|[a-z_]*for_each[a-z_]*)\(/ {
	table = 1
	depth = 0
	statement = ""
	text = substr(text, RSTART)
}
table {
	depth += gsub(/\{/, "{", text) - gsub(/\}/, "}", text)
	table = depth > 0
	depth = table ? depth : 0
	next
}

text == "" { next }
statement == "" { statement = indent }
{ statement = statement text }
text ~ /[;{}]$/ || text ~ /^(case.*|default|[a-z_]+):$/ { end_statement() }
END { end_statement() }
