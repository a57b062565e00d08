/* SPDX-License-Identifier: GPL-2.0-only */
/* KTAP for tests that are tables of rows, on the build machine. */
#ifndef SELFTESTS_KTAP_H
#define SELFTESTS_KTAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int ktap_count;
static int ktap_failures;

static inline void ktap_begin(void)
{
	printf("TAP version 13\n");
}

/* One result; the words name the row. */
__attribute__((format(printf, 2, 3)))
static inline void ktap_check(int good, const char *format, ...)
{
	va_list arguments;

	printf("%sok %d ", good ? "" : "not ", ++ktap_count);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	ktap_failures += !good;
}

static inline int ktap_end(void)
{
	printf("1..%d\n# Totals: pass:%d fail:%d\n", ktap_count,
	       ktap_count - ktap_failures, ktap_failures);
	return ktap_failures || !ktap_count ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* SELFTESTS_KTAP_H */
