// SPDX-License-Identifier: GPL-2.0-only
/* The parts of vmguestctl that are tables: times, texts, exit codes. */
#include <errno.h>
#include <string.h>

#include "ktap.h"
#include "vmguestctl.h"

static const struct {
	const char *text;
	int64_t ms;		/* -1: refused */
} durations[] = {
	{ "30", 30000 }, { "30s", 30000 }, { "2m", 120000 }, { "2min", 120000 },
	{ "500ms", 500 }, { "1h", 3600000 }, { "0", 0 }, { "0ms", 0 },
	{ "1.5", 1500 }, { "1.5s", 1500 }, { "0.25m", 15000 },
	{ "0.0001", 0 }, { "1.000001s", 1000 }, { "007", 7000 },
	{ "4294967295ms", 4294967295 }, { "4294967.295", 4294967295 },
	{ "4294967296ms", -1 }, { "4294967.296", -1 }, { "1194h", -1 },
	{ "4294968", -1 }, { "99999999999999999999", -1 },
	{ "18446744073709551617ms", -1 },
	{ "", -1 }, { "s", -1 }, { "-1", -1 }, { "+1", -1 }, { " 1", -1 },
	{ "1 s", -1 }, { "1.", -1 }, { ".5", -1 }, { "1.2.3", -1 },
	{ "1e3", -1 }, { "0x10", -1 }, { "1.0000001", -1 }, { "1d", -1 },
	{ "30S", -1 }, { "30ss", -1 }, { "none", -1 },
};

static const struct {
	const char *text;
	const char *safe;
	const char *valid;
} texts[] = {
	{ "Debian GNU/Linux", "Debian GNU/Linux", "Debian GNU/Linux" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	{ "\033[31mred", "\\x1b[31mred", "\033[31mred" },
	{ "a\r\nb\x7f", "a\\x0d\\x0ab\\x7f", "a\r\nb\x7f" },
	{ "\xc2\x9b" "31m", "\\xc2\\x9b31m", "\xc2\x9b" "31m" },
	{ "\xe2\x80\xae" "rtl", "\\xe2\\x80\\xaertl", "\xe2\x80\xae" "rtl" },
	{ "cut\xc3", "cut\\xc3", "cut\xef\xbf\xbd" },
	{ "\xff\xfe", "\\xff\\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xc0\xaf", "\\xc0\\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80",
	  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
	  "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "", "", "" },
};

static const struct {
	enum vmguest_verb verb;
	int error;
	int exit;
} calls[] = {
	{ VMGUEST_VERB_SHUTDOWN, EHOSTDOWN, 0 },
	{ VMGUEST_VERB_RESTART, EHOSTDOWN, 6 },
	{ VMGUEST_VERB_LOGOFF, EHOSTDOWN, 6 },
	{ VMGUEST_VERB_PING, EHOSTDOWN, 6 },
	{ VMGUEST_VERB_SHUTDOWN, EBUSY, 1 },
	{ VMGUEST_VERB_SHUTDOWN, EINPROGRESS, 1 },
	{ VMGUEST_VERB_SHUTDOWN, EAGAIN, 1 },
	{ VMGUEST_VERB_SHUTDOWN, ENOMEM, 1 },
	{ VMGUEST_VERB_SHUTDOWN, ENOENT, 4 },
	{ VMGUEST_VERB_SHUTDOWN, EACCES, 5 },
	{ 0, EPERM, 5 },
	{ VMGUEST_VERB_SHUTDOWN, ENOTCONN, 6 },
	{ VMGUEST_VERB_LOGOFF, EOPNOTSUPP, 6 },
	{ VMGUEST_VERB_SHUTDOWN, ESHUTDOWN, 9 },
};

static const struct {
	enum vmguest_result result;
	int error;
	int exit;
} outcomes[] = {
	{ VMGUEST_RESULT_SUCCESS, 0, 0 },
	{ VMGUEST_RESULT_CANCELLED, ECANCELED, 7 },
	{ VMGUEST_RESULT_UNEXPECTED_ERROR, ECONNABORTED, 8 },
	{ VMGUEST_RESULT_UNEXPECTED_ERROR, EOPNOTSUPP, 6 },
	{ VMGUEST_RESULT_UNEXPECTED_ERROR, ENOTCONN, 6 },
	{ VMGUEST_RESULT_UNEXPECTED_ERROR, ESRCH, 0 },
	{ VMGUEST_RESULT_UNEXPECTED_ERROR, EIO, 1 },
	{ VMGUEST_RESULT_OUT_OF_MEMORY, ENOMEM, 1 },
	{ VMGUEST_RESULT_TIMEOUT, ETIMEDOUT, 3 },
	{ VMGUEST_RESULT_ILLEGAL_VALUE, EINVAL, 1 },
	{ VMGUEST_RESULT_SHUTDOWN_ABORT, EACCES, 1 },
	{ VMGUEST_RESULT_SHUTDOWN_ABORT, EBUSY, 10 },
	{ VMGUEST_RESULT_SHUTDOWN_ABORT, EINPROGRESS, 1 },
	{ VMGUEST_RESULT_SHUTDOWN_ABORT, EAGAIN, 1 },
};

static void check_durations(void)
{
	uint32_t ms;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(durations); i++) {
		ret = parse_duration(durations[i].text, &ms);
		ktap_check(durations[i].ms < 0 ? ret == -EINVAL :
			   !ret && ms == durations[i].ms,
			   "the time '%s' is %lld ms", durations[i].text,
			   (long long)durations[i].ms);
	}
}

static void check_texts(void)
{
	char text[64], again[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		safe_text(text, sizeof(text), texts[i].text);
		ktap_check(!strcmp(text, texts[i].safe), "text %zu is safe: %s",
			   i, text);
		valid_text(text, sizeof(text), texts[i].text);
		valid_text(again, sizeof(again), text);
		ktap_check(!strcmp(text, texts[i].valid) &&
			   !strcmp(text, again), "text %zu is valid", i);
	}
}

/* Whole characters and escapes, and never a byte too many. */
static void check_cut(void)
{
	char text[32];
	size_t size;
	int good = 1;

	for (size = 1; size < 16; size++) {
		memset(text, '#', sizeof(text));
		safe_text(text, size, "\xc3\xbc\n\xc3\xbc\n");
		good &= strlen(text) < size && text[size] == '#';
		good &= !(strlen(text) % 2);
	}
	ktap_check(good, "a text that is cut stays whole and in its buffer");
}

static void check_exits(void)
{
	struct vmguest_task_get task = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		ktap_check(exit_of_call(calls[i].verb, -calls[i].error) ==
			   calls[i].exit, "%s with errno %d exits with %d",
			   vmguest_verb_name(calls[i].verb), calls[i].error,
			   calls[i].exit);
	for (i = 0; i < ARRAY_SIZE(outcomes); i++) {
		task.result = outcomes[i].result;
		task.error = -outcomes[i].error;
		ktap_check(exit_of_task(&task) == outcomes[i].exit,
			   "%s with errno %d exits with %d",
			   vmguest_result_name(task.result),
			   outcomes[i].error, outcomes[i].exit);
	}
}

int main(void)
{
	ktap_begin();
	check_durations();
	check_texts();
	check_cut();
	check_exits();
	return ktap_end();
}
