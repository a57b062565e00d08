// SPDX-License-Identifier: GPL-2.0-only
/* The live line of a terminal: rewritten in place, gone at the end. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmguestctl.h"

#define DEFAULT_COLUMNS	80

static bool live;
static bool shown;

void line_init(bool wanted)
{
	const char *term = getenv("TERM");

	live = wanted && isatty(STDOUT_FILENO) && term && *term &&
		strcmp(term, "dumb");
}

bool line_is_live(void)
{
	return live;
}

static int columns(void)
{
	struct winsize window;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) || !window.ws_col)
		return DEFAULT_COLUMNS;
	return window.ws_col;
}

/* ASCII only. The last column stays free, for terminals that wrap there. */
void line_show(const char *text)
{
	int room = columns() - 1, length = strlen(text);

	if (!live || room < 1)
		return;
	if (length <= room)
		printf("\r\033[K%s", text);
	else if (room > 3)
		printf("\r\033[K%.*s...", room - 3, text);
	else
		printf("\r\033[K%.*s", room, text);
	fflush(stdout);
	shown = true;
}

void line_clear(void)
{
	if (!shown)
		return;
	fputs("\r\033[K", stdout);
	fflush(stdout);
	shown = false;
}
