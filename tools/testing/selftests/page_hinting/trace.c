// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each block that is pulled is submitted, and acknowledged or
 * returned; sizes and counters agree; switched off, there are no events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define TRACING		"/sys/kernel/tracing"
#define EVENTS		TRACING "/events/page_hinting/enable"
#define BUFFER_KB	16384
#define USED_BYTES	(64 * MIB)
#define WAIT_MS		20000
#define NR_TESTS	6

enum event {
	WAKE, DECIDE, REFAULT, FLUSH, PULL, SUBMIT, ACKNOWLEDGE, RETURN, NR_EVENTS
};

static const char *const names[NR_EVENTS] = {
	"wake", "decide", "refault", "flush", "pull", "submit", "acknowledge", "return",
};

struct seen {
	unsigned long nr[NR_EVENTS];
	unsigned long long bytes[NR_EVENTS];
	unsigned long lost;
};

static enum event event_of(const char *line)
{
	char text[64];
	int i;

	for (i = 0; i < NR_EVENTS; i++) {
		snprintf(text, sizeof(text), ": page_hinting_%s: ", names[i]);
		if (strstr(line, text))
			break;
	}
	return i;
}

/* Returns false if there is nothing to read. */
static bool read_trace(struct seen *seen)
{
	FILE *file = fopen(TRACING "/trace", "r");
	char line[1024];

	memset(seen, 0, sizeof(*seen));
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		enum event event = event_of(line);
		const char *order = strstr(line, " order=");

		if (strstr(line, "LOST"))
			seen->lost++;
		if (event == NR_EVENTS)
			continue;
		seen->nr[event]++;
		if (event >= PULL && order)
			seen->bytes[event] += (unsigned long long)getpagesize()
					      << atoi(order + strlen(" order="));
	}
	fclose(file);
	return true;
}

static bool find_tracing(void)
{
	if (access(EVENTS, W_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return !access(EVENTS, W_OK);
}

static bool clear_trace(void)
{
	FILE *file = fopen(TRACING "/trace", "w");

	return file && !fclose(file);
}

static unsigned long long acknowledged_bytes(void)
{
	struct sums sums;

	return read_sums(&sums) ? sums.acknowledged : 0;
}

/*
 * Hint all that is free, from the beginning to the end of hinting: nothing is
 * in flight at either. Sets what the counters say was acknowledged.
 */
static bool trace_use(struct seen *seen, bool on, unsigned long long *bytes)
{
	bool ok = !write_knob("enabled", 0) && clear_trace();

	*bytes = acknowledged_bytes();
	ok &= !write_number(EVENTS, on) && !write_knob("enabled", 1) &&
	      use_memory(USED_BYTES) && wait_hinted(WAIT_MS) &&
	      !write_text(PH_DIR "/flush", "1") &&
	      !write_knob("enabled", 0) && !write_number(EVENTS, 0) &&
	      read_trace(seen);
	*bytes = acknowledged_bytes() - *bytes;
	return ok;
}

static void test_events(void)
{
	unsigned long long acknowledged;
	struct seen seen;
	bool ok;

	write_number(TRACING "/buffer_size_kb", BUFFER_KB);
	ok = trace_use(&seen, true, &acknowledged);
	ksft_print_msg("%lu pulled, %lu submitted, %lu acknowledged, %lu returned\n",
		       seen.nr[PULL], seen.nr[SUBMIT], seen.nr[ACKNOWLEDGE],
		       seen.nr[RETURN]);
	ksft_print_msg("%llu of %llu bytes\n", seen.bytes[ACKNOWLEDGE],
		       acknowledged);
	ksft_test_result(ok && !seen.lost, "events can be read, none is lost\n");
	ksft_test_result(seen.nr[WAKE] && seen.nr[DECIDE] && seen.nr[FLUSH] == 1,
			 "threads wake, and decide, and there was one flush\n");
	ksft_test_result(seen.nr[PULL] &&
			 seen.bytes[PULL] == seen.bytes[ACKNOWLEDGE] +
					     seen.bytes[RETURN],
			 "what is pulled is acknowledged or returned\n");
	ksft_test_result(seen.nr[SUBMIT] == seen.nr[PULL] &&
			 seen.bytes[SUBMIT] == seen.bytes[PULL],
			 "what is pulled is submitted\n");
	ksft_test_result(acknowledged &&
			 seen.bytes[ACKNOWLEDGE] == acknowledged,
			 "acknowledged_bytes is the sum of the events\n");
}

static void test_off(void)
{
	struct seen seen;
	unsigned long nr = 0;
	unsigned long long acknowledged;
	bool ok = trace_use(&seen, false, &acknowledged);
	int i;

	for (i = 0; i < NR_EVENTS; i++)
		nr += seen.nr[i];
	ksft_test_result(ok && acknowledged && !nr, "switched off, there are none\n");
}

int main(void)
{
	const char *why = why_skip();

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (!find_tracing())
		ksft_exit_skip("no " EVENTS "; this needs CONFIG_FTRACE\n");
	save_knobs();
	ksft_set_plan(NR_TESTS);
	test_events();
	test_off();
	ksft_finished();
}
