/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of "vmguestctl top" share. */
#ifndef TOP_H
#define TOP_H

#include "vmguestctl.h"

#define TOP_LINE_SIZE	256
/* Above the rows: sums, a line for words, the names of the columns. */
#define TOP_HEAD	5
#define TOP_WORDS	3

/* top_model.c: what there is */
struct top_row {
	struct vmguest_vm_get vm;
	struct vmguest_task_get task;	/* of a running request, else zero */
};

struct top_model {
	struct top_row *rows;		/* by ascending id */
	size_t count;
	size_t room;
	struct vmguest_stats stats;
	bool has_stats;
};

/* 0 or -ENOMEM. */
int model_learn(struct top_model *model, const struct vmguest_event *event);
void model_clear(struct top_model *model);
void model_free(struct top_model *model);

/* top_view.c: what is shown of it */
struct top_view {
	unsigned int sort;
	bool reverse;
	char filter[VMGUEST_NAME_SIZE];
	size_t first;			/* the row that is shown on top */
	const struct top_row **rows;	/* those that pass the filter, sorted */
	size_t count;
	uint64_t now;
};

/* 0 or -ENOMEM. */
int view_update(struct top_view *view, const struct top_model *model,
		uint64_t now);
void view_free(struct top_view *view);
unsigned int view_columns(void);
/* Line @line of the head, or of the rows. */
void view_head(const struct top_view *view, const struct top_model *model,
	       unsigned int line, char *text);
void view_row(const struct top_view *view, size_t index, char *text);
const char *view_help(unsigned int line);

/* top_screen.c: the terminal */
/* 0, or an exit code after saying why. */
int screen_open(void);
void screen_close(void);
void screen_resize(void);
/* Rows that fit. */
size_t screen_rows(void);
void screen_draw(const struct top_view *view, const struct top_model *model,
		 const char *words);
void screen_help(void);

enum top_key {
	TOP_KEY_NONE = -1,
	TOP_KEY_UP = 256,
	TOP_KEY_DOWN,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_ENTER,
	TOP_KEY_ESCAPE,
	TOP_KEY_BACKSPACE,
	TOP_KEY_RESIZED,
	TOP_KEY_OTHER,
};

/* The next one that was pressed, a character or enum top_key; no waiting. */
int screen_key(void);

#endif /* TOP_H */
