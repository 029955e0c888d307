// SPDX-License-Identifier: GPL-2.0
/*
 * The files in /sys/kernel/mm/page_hinting: good values are kept, bad ones
 * change nothing, 0 in "enabled" brings everything home, 1 resumes, and "state"
 * says what is so.
 *
 * With PAGE_HINTING_DEFAULTS in the environment, nobody is said to have
 * turned the knobs since boot, and the defaults are compared, too.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../kselftest.h"
#include "util.h"

#define WAIT_MS	20000

struct knob {
	const char *name;
	long long def;
	long long good[3];
	const char *bad;
};

/* "bad" stands beside the values that are bad for every knob. */
static const struct knob knobs[] = {
	{ "enabled", 1, { 0, 1, 1 }, "2" },
	{ "min_order", -1, { 10, 9, 10 }, "64" },
	{ "idle_min_order", -1, { 5, 9, 4 }, "64" },
	{ "refault_cost_ms", 6700, { 1, 86400000, 6700 }, "0" },
	{ "flush_for_host", 0, { 1, 0, 0 }, "2" },
};

static const char * const bad_values[] = {
	"\n", "abc", "-1", "9 9", "1x", "0x", "1.5",
	"18446744073709551616", "99999999999999999999999999",
};

static const char * const zone_files[] = {
	"hinted_bytes", "unhinted_bytes", "in_flight_bytes",
};

/* In this order, and no others. */
static const char * const stat_lines[] = {
	"acknowledged_bytes", "reused_bytes", "refaulted_bytes", "settle_ms",
	"not_hinted_kept", "not_hinted_watermark", "not_hinted_back_off",
	"not_hinted_isolated", "not_hinted_ring_full", "not_hinted_window_full",
	"not_hinted_disabled",
};

static void test_defaults(void)
{
	bool asked = getenv("PAGE_HINTING_DEFAULTS");
	long long value, want;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		value = read_knob(knobs[i].name);
		want = knobs[i].def;
#if defined(__x86_64__)
		if (want < 0)
			want = strcmp(knobs[i].name, "min_order") ? 0 : 9;
#endif
		if (!asked || want < 0)
			want = value < 0 ? 0 : value;
		ksft_test_result(value == want, "%s is %lld\n", knobs[i].name,
				 want);
		if (value != want)
			ksft_print_msg("it is %lld\n", value);
	}
}

static void test_good(const struct knob *knob)
{
	long long before = read_knob(knob->name), value;
	bool ok = true;
	size_t i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(knob->good); i++) {
		ret = write_knob(knob->name, knob->good[i]);
		value = read_knob(knob->name);
		if (!ret && value == knob->good[i])
			continue;
		ksft_print_msg("%s: wrote %lld (%d), read %lld\n", knob->name,
			       knob->good[i], ret, value);
		ok = false;
	}
	write_knob(knob->name, before);
	ksft_test_result(ok, "%s keeps good values\n", knob->name);
}

static bool refuses(const char *name, const char *bad)
{
	long long before = read_knob(name), after;
	char path[PATH_MAX];
	int ret;

	snprintf(path, sizeof(path), PH_DIR "/%s", name);
	ret = write_text(path, bad);
	after = read_knob(name);
	if ((ret == -EINVAL || ret == -ERANGE) && after == before)
		return true;
	ksft_print_msg("%s: \"%s\" gave %d, value %lld, then %lld\n", name,
		       *bad == '\n' ? "\\n" : bad, ret, before, after);
	write_knob(name, before);
	return false;
}

static void test_bad(const struct knob *knob)
{
	bool ok = refuses(knob->name, knob->bad);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_values); i++)
		ok &= refuses(knob->name, bad_values[i]);
	ksft_test_result(ok, "%s refuses bad values and does not change\n",
			 knob->name);
}

/* Skips a number and the end of its line; NULL if that is not what follows. */
static char *skip_number(char *p)
{
	if (!isdigit((unsigned char)*p))
		return NULL;
	while (isdigit((unsigned char)*p))
		p++;
	return *p == '\n' ? p + 1 : NULL;
}

static bool read_0444(const char *path, char *text, size_t size)
{
	struct stat st;

	return !read_text(path, text, size) && !stat(path, &st) &&
	       (st.st_mode & 0777) == 0444;
}

static bool is_number(const char *path)
{
	char text[64] = "", *p;

	if (!read_0444(path, text, sizeof(text)))
		return false;
	p = skip_number(text);
	return p && !*p;
}

static bool is_stat(const char *path)
{
	char text[4096] = "", *p = text;
	size_t i, len;

	if (!read_0444(path, text, sizeof(text)))
		return false;
	for (i = 0; p && i < ARRAY_SIZE(stat_lines); i++) {
		len = strlen(stat_lines[i]);
		if (strncmp(p, stat_lines[i], len) || p[len] != ' ')
			return false;
		p = skip_number(p + len + 1);
	}
	return p && !*p;
}

static void test_zone_files(void)
{
	DIR *dir = opendir(PH_DIR);
	struct dirent *de;
	char path[PATH_MAX];
	bool ok = true;
	int zones = 0;
	size_t i;

	while (dir && (de = readdir(dir))) {
		if (strncmp(de->d_name, "node", 4))
			continue;
		zones++;
		for (i = 0; i < ARRAY_SIZE(zone_files); i++) {
			snprintf(path, sizeof(path), PH_DIR "/%s/%s",
				 de->d_name, zone_files[i]);
			if (is_number(path))
				continue;
			ksft_print_msg("%s: no single number, or not 0444\n",
				       path);
			ok = false;
		}
		snprintf(path, sizeof(path), PH_DIR "/%s/stat", de->d_name);
		if (is_stat(path))
			continue;
		ksft_print_msg("%s: not the lines that it has, or not 0444\n",
			       path);
		ok = false;
	}
	if (dir)
		closedir(dir);
	ksft_test_result(zones && ok, "zones show their numbers\n");
}

static void test_disable(void)
{
	struct sums s;
	bool ok;

	write_knob("enabled", 1);
	use_memory(256 * MIB);
	ksft_test_result(wait_hinted(WAIT_MS), "free memory is hinted\n");

	ok = !write_knob("enabled", 0) && wait_drained(WAIT_MS);
	use_memory(64 * MIB);
	sleep_ms(2 * shortest_wait_ms());
	read_sums(&s);
	ksft_test_result(ok && !s.hinted && !s.in_flight,
			 "enabled=0 brings all home and stops\n");
	if (s.hinted || s.in_flight)
		ksft_print_msg("hinted %llu, in flight %llu\n", s.hinted,
			       s.in_flight);
}

static void test_enable(void)
{
	struct sums before, after;
	bool ok;

	read_sums(&before);
	ok = !write_knob("enabled", 1) && wait_hinted(WAIT_MS);
	read_sums(&after);
	ksft_test_result(ok && after.hinted > before.hinted &&
			 after.acknowledged > before.acknowledged,
			 "enabled=1 resumes\n");
}

static void test_state(const char *want)
{
	char text[256] = "";
	int ret = read_text(PH_DIR "/state", text, sizeof(text));
	size_t len = strlen(want);

	ksft_test_result(!ret && !strncmp(text, want, len) &&
			 !strcmp(text + len, "\n"), "state is \"%s\"\n", want);
	if (ret || strncmp(text, want, len))
		ksft_print_msg("it is \"%s\" (%d)\n", text, ret);
}

static void test_states(void)
{
	char balloon[64];

	test_state("running");
	write_knob("enabled", 0);
	test_state("disabled");
	write_knob("enabled", 1);
	if (!find_balloon(balloon, sizeof(balloon))) {
		ksft_test_result_skip("the device is no virtio balloon\n");
		ksft_test_result_skip("the device is no virtio balloon\n");
		return;
	}
	unbind_balloon(balloon);
	test_state("no device");
	bind_balloon(balloon);
	test_state("running");
}

int main(void)
{
	const char *why = why_skip();
	size_t i;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	save_knobs();
	ksft_set_plan(3 * ARRAY_SIZE(knobs) + 8);
	test_defaults();
	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		test_good(&knobs[i]);
		test_bad(&knobs[i]);
	}
	test_zone_files();
	test_disable();
	test_enable();
	test_states();
	ksft_finished();
}
