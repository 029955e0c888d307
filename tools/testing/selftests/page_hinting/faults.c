// SPDX-License-Identifier: GPL-2.0
/*
 * No memory where the kernel wants some: in each operation one allocation after
 * the other fails, until none is left that could. The operation may fail, too;
 * but then it works at the next try, all zones are hinted, and nothing is lost.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define MEMORY_DIR	"/sys/devices/system/memory"
#define DEBUG_DIR	"/sys/kernel/debug"
/* The next allocation but so many of this task fails; 0: none. */
#define FAIL_NTH	"/proc/thread-self/fail-nth"
/* More than any operation has. */
#define MOST_FAULTS	1000
#define WAIT_MS		60000

static char balloon[64];
static int memory_block = -1;

/* Allocations that may sleep fail as well, and of any size. */
static bool all_may_fail(void)
{
	return !write_text(DEBUG_DIR "/failslab/ignore-gfp-wait", "N") &&
	       !write_text(DEBUG_DIR "/failslab/verbose", "0") &&
	       !write_text(DEBUG_DIR "/fail_page_alloc/ignore-gfp-wait", "N") &&
	       !write_text(DEBUG_DIR "/fail_page_alloc/ignore-gfp-highmem", "N") &&
	       !write_text(DEBUG_DIR "/fail_page_alloc/min-order", "0") &&
	       !write_text(DEBUG_DIR "/fail_page_alloc/verbose", "0") &&
	       !write_number(FAIL_NTH, 0);
}

static int set_memory(const char *state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), MEMORY_DIR "/memory%d/state", memory_block);
	return write_text(path, state);
}

static bool is_online(void)
{
	char path[PATH_MAX], text[32] = "";

	snprintf(path, sizeof(path), MEMORY_DIR "/memory%d/state", memory_block);
	return !read_text(path, text, sizeof(text)) &&
	       !strncmp(text, "online", 6);
}

/* The first memory block from the top that goes offline and comes back. */
static bool find_memory(void)
{
	DIR *dir = opendir(MEMORY_DIR);
	int last = -1, block;
	struct dirent *de;

	while (dir && (de = readdir(dir)))
		if (sscanf(de->d_name, "memory%d", &block) == 1 && block > last)
			last = block;
	if (dir)
		closedir(dir);
	for (memory_block = last; memory_block > 0; memory_block--)
		if (is_online() && !set_memory("offline"))
			return !set_memory("online");
	return false;
}

static bool is_running(void)
{
	char state[32] = "";

	return !read_text(PH_DIR "/state", state, sizeof(state)) &&
	       !strcmp(state, "running\n");
}

static int enable(void)
{
	return write_knob("enabled", 1);
}

static void disable(void)
{
	write_knob("enabled", 0);
}

static int flush(void)
{
	return write_knob("flush", 1);
}

static void free_some(void)
{
	use_memory(8 * MIB);
}

static int bind(void)
{
	return bind_balloon(balloon);
}

static void unbind(void)
{
	unbind_balloon(balloon);
}

static int online(void)
{
	return set_memory("online");
}

static void offline(void)
{
	set_memory("offline");
}

static const struct operation {
	const char *name;
	void (*prepare)(void);
	int (*run)(void);
} operations[] = {
	{ "enable", disable, enable },
	{ "flush", free_some, flush },
	{ "bind", unbind, bind },
	{ "online", offline, online },
};

/* Whatever did not work is tried again: is all as it was? */
static bool recovers(int zones)
{
	char name[64];
	struct sums s;

	if (!find_balloon(name, sizeof(name)))
		bind();
	if (!is_online())
		online();
	return !enable() && is_running() && read_sums(&s) && s.zones == zones;
}

/*
 * Run it with its first allocation failing, then with the second, and so on. At
 * the last run none fails. Returns how many did, or -1 if something is broken.
 */
static int fail_each(const struct operation *op, int zones)
{
	int nth, failed = 0, ret;
	long long left;

	for (nth = 1; nth <= MOST_FAULTS; nth++) {
		op->prepare();
		write_number(FAIL_NTH, nth);
		ret = op->run();
		left = read_number(FAIL_NTH);
		write_number(FAIL_NTH, 0);
		failed += !!ret;
		if (left > 0 && ret) {
			ksft_print_msg("%s: error %d without a fault\n",
				       op->name, ret);
			return -1;
		}
		if (!recovers(zones)) {
			ksft_print_msg("%s: broken after fault %d, error %d\n",
				       op->name, nth, ret);
			return -1;
		}
		if (left > 0) {
			ksft_print_msg("%s: %d allocations, it failed %d times\n",
				       op->name, nth - 1, failed);
			return nth - 1;
		}
	}
	ksft_print_msg("%s: does not come to an end\n", op->name);
	return -1;
}

static void test_operation(const struct operation *op)
{
	unsigned long long known_before;
	struct sums before, after;
	bool home;

	wait_hinted(WAIT_MS);
	known_before = mem_known();
	read_sums(&before);
	ksft_test_result(fail_each(op, before.zones) > 0,
			 "%s: each allocation may fail\n", op->name);
	wait_hinted(WAIT_MS);
	home = wait_known(known_before - LOSS_BYTES, WAIT_MS);
	read_sums(&before);
	use_memory(128 * MIB);
	wait_hinted(WAIT_MS);
	read_sums(&after);
	ksft_print_msg("known memory: %llu MiB, then %llu MiB\n",
		       known_before / MIB, mem_known() / MIB);
	ksft_test_result(home && after.acknowledged > before.acknowledged,
			 "%s: nothing is lost, and hinting works\n", op->name);
}

int main(void)
{
	const char *why = why_skip();
	size_t i;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (!all_may_fail())
		ksft_exit_skip("no CONFIG_FAILSLAB, or no CONFIG_FAIL_PAGE_ALLOC?\n");
	if (!find_balloon(balloon, sizeof(balloon)))
		ksft_exit_skip("no balloon driver to unbind\n");
	if (!find_memory())
		ksft_exit_skip("no memory goes offline\n");
	save_knobs();
	ksft_set_plan(2 * ARRAY_SIZE(operations));
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		test_operation(&operations[i]);
	ksft_finished();
}
