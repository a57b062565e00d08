// SPDX-License-Identifier: GPL-2.0
/*
 * The configuration file: "setting = value", one a line.
 *
 * A file with a mistake must not leave the guest without its agent, nor allow
 * what its owner may have wanted to deny: each bad line costs its own setting.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include <linux/vmguest.h>
#include "config.h"
#include "protocol.h"

#define LINE_SIZE	512
#define DURATION_MAX_MS	3600000

#define EVERYTHING	(VMGUEST_CAP_SHUTDOWN | VMGUEST_CAP_RESTART | \
			 VMGUEST_CAP_LOGOFF | VMGUEST_CAP_FORCE)

/**
 * struct setting - One that can be made
 * @name: Before the equals sign.
 * @set: Take over the value. Return: NULL, or what is wrong with it.
 * @safe: Do as little as possible, and say what that is.
 * @capability: What a switch is about.
 * @offset: Where in struct options it goes.
 * @standard: The value of a duration where none is given.
 */
struct setting {
	const char *name;
	const char *(*set)(const struct setting *setting,
			   struct options *options, const char *value);
	void (*safe)(const struct setting *setting, struct options *options,
		     char *said, size_t size);
	__u64 capability;
	size_t offset;
	unsigned int standard;
};

static const char *set_switch(const struct setting *setting,
			      struct options *options, const char *value)
{
	if (!strcmp(value, "yes"))
		options->denied &= ~setting->capability;
	else if (!strcmp(value, "no"))
		options->denied |= setting->capability;
	else
		return "is neither yes nor no";
	return NULL;
}

static void safe_switch(const struct setting *setting, struct options *options,
			char *said, size_t size)
{
	options->denied |= setting->capability;
	snprintf(said, size, "no");
}

static unsigned int *duration_of(const struct setting *setting,
				 struct options *options)
{
	return (unsigned int *)((char *)options + setting->offset);
}

/* "500ms", "5s", "2m" */
static const char *set_duration(const struct setting *setting,
				struct options *options, const char *value)
{
	unsigned long long ms;
	char *unit;

	if (!isdigit((unsigned char)*value))
		return "is no duration, such as 500ms, 5s or 2m";
	errno = 0;
	ms = strtoull(value, &unit, 10);
	if (!strcmp(unit, "s"))
		ms = ms > DURATION_MAX_MS ? ms : ms * 1000;
	else if (!strcmp(unit, "m"))
		ms = ms > DURATION_MAX_MS ? ms : ms * 60000;
	else if (strcmp(unit, "ms"))
		return "is no duration, such as 500ms, 5s or 2m";
	if (errno || !ms || ms > DURATION_MAX_MS)
		return "is not between 1ms and 60m";
	*duration_of(setting, options) = ms;
	return NULL;
}

static void safe_duration(const struct setting *setting,
			  struct options *options, char *said, size_t size)
{
	*duration_of(setting, options) = setting->standard;
	snprintf(said, size, "%us", setting->standard / 1000);
}

static const char *set_message(const struct setting *setting,
			       struct options *options, const char *value)
{
	(void)setting;
	if (strlen(value) >= sizeof(options->message))
		return "is too long";
	if (!vmguest_text_is_clean(value, strlen(value)))
		return "is no clean UTF-8";
	strcpy(options->message, value);
	return NULL;
}

static void safe_message(const struct setting *setting,
			 struct options *options, char *said, size_t size)
{
	(void)setting;
	options->message[0] = '\0';
	snprintf(said, size, "none");
}

#define SETTING_SWITCH(word, bit)					\
	{ .name = word, .set = set_switch, .safe = safe_switch,		\
	  .capability = bit }

#define SETTING_DURATION(word, member, ms)				\
	{ .name = word, .set = set_duration, .safe = safe_duration,	\
	  .offset = offsetof(struct options, member), .standard = ms }

static const struct setting settings[] = {
	SETTING_SWITCH("shutdown", VMGUEST_CAP_SHUTDOWN),
	SETTING_SWITCH("restart", VMGUEST_CAP_RESTART),
	SETTING_SWITCH("logoff", VMGUEST_CAP_LOGOFF),
	SETTING_SWITCH("force", VMGUEST_CAP_FORCE),
	SETTING_DURATION("grace", grace_ms, OPTIONS_GRACE_MS),
	SETTING_DURATION("init-timeout", init_timeout_ms,
			 OPTIONS_INIT_TIMEOUT_MS),
	{ .name = "message", .set = set_message, .safe = safe_message },
};

/* Without blanks at both ends. */
static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

static const struct setting *setting_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	return NULL;
}

static void config_set(struct options *options, const char *path,
		       unsigned int number, const char *name,
		       const char *value)
{
	const struct setting *setting = setting_find(name);
	const char *wrong;
	char said[32];

	if (!setting) {
		log_warn("%s:%u: there is no setting \"%s\"", path, number,
			 name);
		return;
	}
	wrong = setting->set(setting, options, value);
	if (!wrong)
		return;
	setting->safe(setting, options, said, sizeof(said));
	log_warn("%s:%u: %s: \"%s\" %s; it is %s now", path, number, name,
		 value, wrong, said);
}

static void config_line(struct options *options, const char *path,
			unsigned int number, char *line)
{
	char *value;

	line = trim(line);
	if (!*line || *line == '#')
		return;
	/* It may be anything, and it goes to the log. */
	if (!vmguest_text_is_clean(line, strlen(line))) {
		log_warn("%s:%u: no clean text", path, number);
		value = strchr(line, '=');
		if (!value)
			return;
		*value = '\0';
		if (setting_find(trim(line)))
			config_set(options, path, number, trim(line), "?");
		return;
	}
	value = strchr(line, '=');
	if (!value) {
		log_warn("%s:%u: \"%s\" is no \"setting = value\"", path,
			 number, line);
		if (setting_find(line))
			config_set(options, path, number, line, "");
		return;
	}
	*value++ = '\0';
	config_set(options, path, number, trim(line), trim(value));
}

/* The rest of a line that is too long belongs to it. */
static void config_skip_line(FILE *file)
{
	int c;

	do {
		c = getc(file);
	} while (c != '\n' && c != EOF);
}

static void config_read(struct options *options, const char *path, FILE *file)
{
	unsigned int number = 0;
	char line[LINE_SIZE];

	while (fgets(line, sizeof(line), file)) {
		number++;
		if (strlen(line) == sizeof(line) - 1 &&
		    line[sizeof(line) - 2] != '\n') {
			log_warn("%s:%u: the line is too long", path, number);
			config_skip_line(file);
		}
		config_line(options, path, number, line);
	}
}

static int config_refused(struct options *options, const char *path, int err)
{
	log_warn("%s: %s; nothing is allowed", path, strerror(-err));
	options->denied |= EVERYTHING;
	return err;
}

int config_load(struct options *options, const char *path)
{
	FILE *file;
	int err = 0;

	file = fopen(path, "re");
	if (!file && errno == ENOENT)
		return -ENOENT;
	if (!file)
		return config_refused(options, path, -errno);
	config_read(options, path, file);
	if (ferror(file))
		err = config_refused(options, path, -EIO);
	fclose(file);
	return err;
}
