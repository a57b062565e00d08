/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Small things that every file of the agent needs.
 */
#ifndef _VMGUEST_AGENT_UTIL_H
#define _VMGUEST_AGENT_UTIL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#define ID_SIZE		16
#define ID_HEX_SIZE	(2 * ID_SIZE + 1)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

/**
 * log_open - Decide how lines look
 * @verbose: Show debug lines.
 * @to_syslog: They go to syslog(3).
 *
 * Else lines go to stderr, with the level in front as the journal reads it unless
 * stderr is a terminal or a console.
 */
void log_open(bool verbose, bool to_syslog);

/**
 * log_task - Write one line
 * @level: A level of syslog(3).
 * @task: The task that it is about, 0 for none.
 * @fmt: As printf().
 */
__attribute__((format(printf, 3, 4)))
void log_task(int level, __u64 task, const char *fmt, ...);

#define log_err(...)	log_task(LOG_ERR, 0, __VA_ARGS__)
#define log_warn(...)	log_task(LOG_WARNING, 0, __VA_ARGS__)
#define log_info(...)	log_task(LOG_INFO, 0, __VA_ARGS__)
#define log_debug(...)	log_task(LOG_DEBUG, 0, __VA_ARGS__)

/* The first line of a file, without its newline. 0 or a negative errno. */
int read_line(const char *path, char *buf, size_t size);

/* Replace a file as a whole. 0 or a negative errno. */
int write_file(const char *path, const char *text);

/* 32 hexadecimal digits, dashes between them ignored. */
bool id_parse(const char *text, __u8 *id);
void id_format(const __u8 *id, char *text);
bool id_is_zero(const __u8 *id);

/* A number from 0 to @below - 1, good enough to spread guests out. */
unsigned int random_below(unsigned int below);

/* CLOCK_BOOTTIME in milliseconds. */
__u64 now_ms(void);

#endif /* _VMGUEST_AGENT_UTIL_H */
