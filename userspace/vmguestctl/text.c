// SPDX-License-Identifier: GPL-2.0-only
/*
 * What somebody else wrote: made safe to look at, or valid to parse.
 */
#include <string.h>

#include "vmguestctl.h"

/* The length of the UTF-8 character at @text, 0 when it is not one. */
static int decode(const unsigned char *text, uint32_t *character)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int i, length;

	if (text[0] < 0x80)
		length = 1;
	else if (text[0] >= 0xc2 && text[0] <= 0xf4)
		length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	else
		return 0;
	*character = length == 1 ? text[0] : text[0] & (0x7f >> length);
	for (i = 1; i < length; i++) {
		/* The NUL at the end of the text ends this, too. */
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (text[i] & 0x3f);
	}
	if (*character < smallest[length] || *character > 0x10ffff ||
	    (*character >= 0xd800 && *character < 0xe000))
		return 0;
	return length;
}

/* Controls, and what reorders, hides or breaks the text around it. */
static bool is_printable(uint32_t c)
{
	return !(c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad ||
		 c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
		 (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
		 c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) ||
		 (c >= 0xe0000 && c <= 0xe0fff));
}

/* Append @length bytes if they fit; each character is whole or not there. */
static bool append(char **to, size_t *size, const char *bytes, size_t length)
{
	if (length >= *size)
		return false;
	memcpy(*to, bytes, length);
	*to += length;
	**to = '\0';
	*size -= length;
	return true;
}

static bool append_escaped(char **to, size_t *size, const unsigned char *from,
			   int length)
{
	char escaped[5];
	int i;

	for (i = 0; i < length; i++) {
		snprintf(escaped, sizeof(escaped), "\\x%02x", from[i]);
		if (!append(to, size, escaped, 4))
			return false;
	}
	return true;
}

static void escape(char *to, size_t size, const char *from, const char *also)
{
	const unsigned char *text = (const unsigned char *)from;
	uint32_t character;
	bool fits = true;
	int length;

	*to = '\0';
	for (; *text && fits; text += length) {
		length = decode(text, &character);
		if (length && is_printable(character) &&
		    !strchr(also, *text)) {
			fits = append(&to, &size, (const char *)text, length);
			continue;
		}
		length = length ? length : 1;
		fits = append_escaped(&to, &size, text, length);
	}
}

void safe_text(char *to, size_t size, const char *from)
{
	escape(to, size, from, "");
}

void quote_text(char *to, size_t size, const char *from)
{
	escape(to, size, from, "\"\\");
}

void valid_text(char *to, size_t size, const char *from)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *text = (const unsigned char *)from;
	uint32_t character;
	bool fits = true;
	int length;

	*to = '\0';
	for (; *text && fits; text += length ? length : 1) {
		length = decode(text, &character);
		fits = length ?
			append(&to, &size, (const char *)text, length) :
			append(&to, &size, replacement, 3);
	}
}
