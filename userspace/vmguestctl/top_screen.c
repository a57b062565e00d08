// SPDX-License-Identifier: GPL-2.0-only
/* The terminal of "vmguestctl top". All that is drawn is ASCII. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <curses.h>

#include "top.h"

/* Milliseconds for the rest of what a key sends behind an escape. */
#define ESCAPE_MS	25

static SCREEN *screen;

int screen_open(void)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return usage_error("top: not on a terminal; use --batch");
	screen = newterm(NULL, stdout, stdin);
	if (!screen) {
		complain("top: cannot use a terminal of type '%s'; use --batch",
			 term ?: "");
		return EXIT_REFUSED;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	return EXIT_DONE;
}

void screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

void screen_resize(void)
{
	struct winsize window;

	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) && window.ws_row &&
	    window.ws_col)
		resizeterm(window.ws_row, window.ws_col);
}

size_t screen_rows(void)
{
	int rows = LINES - TOP_HEAD;

	return rows > 0 ? rows : 0;
}

static void draw_line(int line, const char *text, int attributes)
{
	if (line >= LINES)
		return;
	attrset(attributes);
	mvaddnstr(line, 0, text, COLS);
	if (attributes & A_REVERSE)
		hline(' ', COLS);
	attrset(A_NORMAL);
}

void screen_draw(const struct top_view *view, const struct top_model *model,
		 const char *words)
{
	char text[TOP_LINE_SIZE];
	size_t i, rows = screen_rows();
	unsigned int line;

	erase();
	for (line = 0; line < TOP_HEAD; line++) {
		view_head(view, model, line, text);
		draw_line(line, line == TOP_WORDS && words ? words : text,
			  line == TOP_HEAD - 1 ? A_REVERSE : A_NORMAL);
	}
	for (i = 0; i < rows && view->first + i < view->count; i++) {
		view_row(view, view->first + i, text);
		draw_line(TOP_HEAD + i, text,
			  view->rows[view->first + i]->task.task_id ?
			  A_BOLD : A_NORMAL);
	}
	refresh();
}

void screen_help(void)
{
	unsigned int line;

	erase();
	for (line = 0; view_help(line); line++)
		draw_line(line, view_help(line), A_NORMAL);
	refresh();
}

int screen_key(void)
{
	static const struct {
		int code;
		enum top_key key;
	} table[] = {
		{ ERR, TOP_KEY_NONE }, { KEY_UP, TOP_KEY_UP },
		{ KEY_DOWN, TOP_KEY_DOWN }, { KEY_PPAGE, TOP_KEY_PAGE_UP },
		{ KEY_NPAGE, TOP_KEY_PAGE_DOWN }, { KEY_HOME, TOP_KEY_HOME },
		{ KEY_END, TOP_KEY_END }, { KEY_ENTER, TOP_KEY_ENTER },
		{ '\r', TOP_KEY_ENTER }, { '\n', TOP_KEY_ENTER },
		{ '\033', TOP_KEY_ESCAPE }, { '\b', TOP_KEY_BACKSPACE },
		{ 127, TOP_KEY_BACKSPACE },
		{ KEY_BACKSPACE, TOP_KEY_BACKSPACE },
		{ KEY_RESIZE, TOP_KEY_RESIZED },
	};
	int code = getch();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == code)
			return table[i].key;
	return code < 256 ? code : TOP_KEY_OTHER;
}
