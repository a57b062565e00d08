// SPDX-License-Identifier: GPL-2.0-only
/*
 * A live picture of VMs and tasks: looked at anew every now and then, because
 * heartbeats and counters have no events, and kept up to date by events between.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "top.h"

/* However much happens, nobody reads faster. */
#define DRAW_NS		(100 * NS_PER_MS)

enum prompt {
	PROMPT_NONE,
	PROMPT_DELAY,
	PROMPT_FILTER,
};

struct top {
	const struct options *options;
	struct vmguest_monitor *monitor;
	bool listens;
	struct top_model model;
	struct top_view view;
	uint64_t delay_ns;
	uint64_t next_look;
	uint64_t next_draw;
	uint32_t looks;
	bool dirty;
	bool helping;
	bool done;
	enum prompt prompt;
	char answer[VMGUEST_NAME_SIZE];
	const char *words;
	int signals;
};

static int learn(const struct vmguest_event *event, void *context)
{
	struct top *top = context;

	top->dirty = true;
	/* Nothing that is shown is right until the next look. */
	if (event->type == VMGUEST_EVENT_OVERRUN) {
		if (top->next_look > top->next_draw)
			top->next_look = top->next_draw;
		return 0;
	}
	return model_learn(&top->model, event);
}

static int look_at_all(struct top *top)
{
	struct top_model before = top->model;
	int error;

	if (top->listens)
		return vmguest_monitor_resync(top->monitor, learn, top);
	top->model = (struct top_model) { 0 };
	error = vmguest_monitor_dump(top->monitor, VMGUEST_MONITOR_ALL, learn,
				     top);
	model_free(error ? &top->model : &before);
	if (error)
		top->model = before;
	return error;
}

/* What comes and goes too fast for a dump is left as it is until the next. */
static int look_anew(struct top *top)
{
	struct top_model *model = &top->model;
	int error;

	error = look_at_all(top);
	if (error && error != -EAGAIN)
		return error;
	model->stats.size = sizeof(model->stats);
	error = vmguest_monitor_stats(top->monitor, &model->stats);
	if (error && error != -EPERM)
		return error;
	model->has_stats = !error;
	top->looks++;
	top->dirty = true;
	top->next_look = now_ns() + top->delay_ns;
	return 0;
}

static int print(struct top *top)
{
	char text[TOP_LINE_SIZE];
	unsigned int line;
	size_t i;

	if (view_update(&top->view, &top->model, now_ns()))
		return -ENOMEM;
	if (top->looks > 1)
		putchar('\n');
	for (line = 0; line < TOP_HEAD; line++) {
		view_head(&top->view, &top->model, line, text);
		puts(text);
	}
	for (i = 0; i < top->view.count; i++) {
		view_row(&top->view, i, text);
		puts(text);
	}
	fflush(stdout);
	return ferror(stdout) ? -EIO : 0;
}

static void scroll_to(struct top *top, int64_t first)
{
	int64_t last = (int64_t)top->view.count - (int64_t)screen_rows();

	if (first > last)
		first = last;
	top->view.first = first < 0 ? 0 : first;
	top->dirty = true;
}

static int draw(struct top *top)
{
	char words[TOP_LINE_SIZE];

	if (view_update(&top->view, &top->model, now_ns()))
		return -ENOMEM;
	scroll_to(top, top->view.first);
	snprintf(words, sizeof(words), "%s%s", top->prompt == PROMPT_DELAY ?
		 "Seconds: " : "Name: ", top->answer);
	if (top->helping)
		screen_help();
	else
		screen_draw(&top->view, &top->model, top->prompt ? words :
			    top->words);
	top->dirty = false;
	top->next_draw = now_ns() + DRAW_NS;
	return 0;
}

static void answer(struct top *top)
{
	uint32_t ms;

	if (top->prompt == PROMPT_FILTER) {
		snprintf(top->view.filter, sizeof(top->view.filter), "%s",
			 top->answer);
		scroll_to(top, 0);
		return;
	}
	if (!*top->answer)
		return;
	if (parse_duration(top->answer, &ms) || ms < MIN_DELAY_MS) {
		top->words = "That is not a time from 0.1 on.";
		return;
	}
	top->delay_ns = ms * NS_PER_MS;
	top->next_look = now_ns() + top->delay_ns;
}

static void edit(struct top *top, int key)
{
	size_t length = strlen(top->answer);

	if (key == TOP_KEY_ENTER)
		answer(top);
	if (key == TOP_KEY_ENTER || key == TOP_KEY_ESCAPE)
		top->prompt = PROMPT_NONE;
	else if (key == TOP_KEY_BACKSPACE && length)
		top->answer[length - 1] = '\0';
	else if (key > ' ' && key < 127 && length + 1 < sizeof(top->answer))
		top->answer[length] = key;
}

static void ask(struct top *top, enum prompt prompt)
{
	top->prompt = prompt;
	memset(top->answer, 0, sizeof(top->answer));
}

static void sort_by(struct top *top, const char *name)
{
	top->view.sort = column_of(name);
}

static void command(struct top *top, int key)
{
	const unsigned int columns = view_columns();

	switch (key) {
	case 'q':
	case 'Q':
		top->done = true;
		break;
	case 'h':
	case '?':
		top->helping = true;
		break;
	case ' ':
		top->next_look = 0;
		break;
	case 'd':
	case 's':
		ask(top, PROMPT_DELAY);
		break;
	case '/':
	case 'o':
		ask(top, PROMPT_FILTER);
		break;
	case '<':
		top->view.sort = (top->view.sort + columns - 1) % columns;
		break;
	case '>':
		top->view.sort = (top->view.sort + 1) % columns;
		break;
	case 'R':
		top->view.reverse = !top->view.reverse;
		break;
	case 'I':
		sort_by(top, "id");
		break;
	case 'N':
		sort_by(top, "name");
		break;
	case 'S':
		sort_by(top, "state");
		break;
	case 'T':
		sort_by(top, "left");
		break;
	case 'P':
		sort_by(top, "percent");
		break;
	}
}

static void move(struct top *top, int key)
{
	int64_t first = top->view.first, page = screen_rows();

	switch (key) {
	case TOP_KEY_UP:
		first--;
		break;
	case TOP_KEY_DOWN:
		first++;
		break;
	case TOP_KEY_PAGE_UP:
		first -= page;
		break;
	case TOP_KEY_PAGE_DOWN:
		first += page;
		break;
	case TOP_KEY_HOME:
		first = 0;
		break;
	case TOP_KEY_END:
		first = top->view.count;
		break;
	}
	scroll_to(top, first);
}

static void take_keys(struct top *top)
{
	int key;

	while (!top->done && (key = screen_key()) != TOP_KEY_NONE) {
		top->words = NULL;
		top->dirty = true;
		top->next_draw = 0;
		if (key == TOP_KEY_RESIZED)
			continue;
		if (top->helping)
			top->helping = false;
		else if (top->prompt)
			edit(top, key);
		else if (key >= TOP_KEY_UP)
			move(top, key);
		else
			command(top, key);
	}
}

static void take_signal(struct top *top)
{
	struct signalfd_siginfo info;

	if (read(top->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGWINCH) {
		top->done = true;
		return;
	}
	screen_resize();
	top->dirty = true;
	top->next_draw = 0;
}

static int sleep_ms(const struct top *top)
{
	uint64_t until = top->next_look, now = now_ns(), ms;

	if (top->dirty && !top->options->batch && top->next_draw < until)
		until = top->next_draw;
	if (until <= now)
		return 0;
	ms = (until - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int sleep_once(struct top *top)
{
	struct pollfd fds[] = {
		{ .fd = top->signals, .events = POLLIN },
		{ .fd = top->listens ? vmguest_monitor_fd(top->monitor) : -1,
		  .events = POLLIN },
		{ .fd = top->options->batch ? -1 : STDIN_FILENO,
		  .events = POLLIN },
	};
	int ret;

	if (poll(fds, ARRAY_SIZE(fds), sleep_ms(top)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		take_signal(top);
	/* Nobody is there any more. */
	if (fds[2].revents & (POLLHUP | POLLERR | POLLNVAL))
		top->done = true;
	else if (fds[2].revents)
		take_keys(top);
	if (!fds[1].revents || top->done)
		return 0;
	ret = vmguest_monitor_dispatch(top->monitor, learn, top);
	return ret < 0 ? ret : 0;
}

static bool is_last(const struct top *top)
{
	return top->options->iterations &&
	       top->looks >= top->options->iterations;
}

static int turn(struct top *top)
{
	const bool batch = top->options->batch;
	int ret = 0;

	if (now_ns() >= top->next_look) {
		ret = look_anew(top);
		if (!ret && batch)
			ret = print(top);
	}
	if (!ret && !batch && top->dirty && now_ns() >= top->next_draw)
		ret = draw(top);
	if (ret)
		return ret;
	if (is_last(top))
		top->done = true;
	return top->done ? 0 : sleep_once(top);
}

static int run(struct top *top)
{
	int ret = 0;

	top->signals = catch_signals_and(top->options->batch ? 0 : SIGWINCH);
	if (top->signals < 0) {
		complain("cannot catch signals: %s", strerror(-top->signals));
		return EXIT_REFUSED;
	}
	if (!top->options->batch)
		ret = screen_open();
	if (ret)
		goto out;
	while (!top->done && !ret)
		ret = turn(top);
	screen_close();
	/* finish() has the words for an output that fails. */
	if (ret && !ferror(stdout))
		ret = monitor_failed(top->options, "cannot look", ret);
	else
		ret = EXIT_DONE;
out:
	close(top->signals);
	return ret;
}

/* Who may not listen sees what a look from time to time shows. */
static int open_top(struct top *top)
{
	int error;

	top->listens = !top->options->batch;
	if (top->listens) {
		error = vmguest_monitor_open(VMGUEST_MONITOR_ALL,
					     &top->monitor);
		if (!error)
			return EXIT_DONE;
		top->listens = false;
		if (error != -EPERM)
			return monitor_failed(top->options, NULL, error);
	}
	return open_monitor(top->options, 0, &top->monitor);
}

int top_command(const struct options *options, char **words, int count)
{
	struct top top = {
		.options = options,
		.view.sort = options->sort,
		.delay_ns = options->delay_ms * NS_PER_MS,
	};
	int ret;

	ret = check_vms(words, count);
	if (!ret)
		ret = open_top(&top);
	if (ret)
		return ret;
	ret = filter_monitor(top.monitor, words, count);
	ret = ret ? monitor_failed(options, "cannot look", ret) : run(&top);
	vmguest_monitor_close(top.monitor);
	model_free(&top.model);
	view_free(&top.view);
	return ret;
}
