// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is hinted, or in flight, can be taken offline, and comes back.
 * While other processes allocate and free all the time, it works about as often
 * with hinting as without, and takes about as many attempts.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define MEMORY_DIR	"/sys/devices/system/memory"
#define MAX_BLOCKS	4
#define ROUNDS		2
#define TURNS		3
#define MAX_ATTEMPTS	10
#define WAIT_MS		60000

static int blocks[MAX_BLOCKS];
static int nr_blocks;
static unsigned long long block_bytes;

static int set_state(int block, const char *state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), MEMORY_DIR "/memory%d/state", block);
	return write_text(path, state);
}

static bool is_online(int block)
{
	char path[PATH_MAX], text[32] = "";

	snprintf(path, sizeof(path), MEMORY_DIR "/memory%d/state", block);
	return !read_text(path, text, sizeof(text)) &&
	       !strncmp(text, "online", 6);
}

static void online_all(void)
{
	int i;

	for (i = 0; i < nr_blocks; i++)
		if (!is_online(blocks[i]))
			set_state(blocks[i], "online");
}

/*
 * The share of a memory block's pages that is hinted, in per cent, and whether
 * the others are at least free, for those in use may not be movable.
 */
static int hinted_share(int block, bool *all_free)
{
	size_t pages = block_bytes / getpagesize(), n = 0, i;
	unsigned long long *flags = calloc(pages, sizeof(*flags));

	*all_free = false;
	if (!flags)
		return 0;
	pages = read_flags(block * pages, pages, flags);
	*all_free = pages;
	for (i = 0; i < pages; i++) {
		n += (flags[i] & PF_HINTED) == PF_HINTED;
		*all_free &= !!(flags[i] & PF_BUDDY);
	}
	free(flags);
	return pages ? n * 100 / pages : 0;
}

static void read_block_size(void)
{
	char text[32] = "";

	if (!read_text(MEMORY_DIR "/block_size_bytes", text, sizeof(text)))
		block_bytes = strtoull(text, NULL, 16);
}

/* Those that are free and hinted from one end to the other, or nearly. */
static void find_blocks(void)
{
	DIR *dir = opendir(MEMORY_DIR);
	struct dirent *de;
	bool all_free;
	int block;

	while (dir && nr_blocks < MAX_BLOCKS && (de = readdir(dir))) {
		if (sscanf(de->d_name, "memory%d", &block) == 1 &&
		    is_online(block) && hinted_share(block, &all_free) >= 90 &&
		    all_free)
			blocks[nr_blocks++] = block;
	}
	if (dir)
		closedir(dir);
}

static void test_hinted(void)
{
	unsigned long long known_before = mem_known();
	int off = 0, on = 0, i, ret, share = 0;
	bool all_free;

	for (i = 0; i < nr_blocks; i++) {
		ret = set_state(blocks[i], "offline");
		off += !ret;
		if (ret)
			ksft_print_msg("memory%d offline: %s\n", blocks[i],
				       strerror(-ret));
	}
	ksft_test_result(off == nr_blocks, "hinted memory goes offline\n");
	for (i = 0; i < nr_blocks; i++)
		on += is_online(blocks[i]) || !set_state(blocks[i], "online");
	ksft_test_result(on == nr_blocks, "and comes back\n");
	ksft_test_result(wait_known(known_before - LOSS_BYTES, WAIT_MS),
			 "no memory is lost\n");
	if (wait_hinted(WAIT_MS))
		share = hinted_share(blocks[0], &all_free);
	ksft_print_msg("%d %% of a block\n", share);
	/* Some of it may be in use by now. */
	ksft_test_result(share >= 80, "it is hinted again\n");
}

/* Try as those do who unplug memory: again, until what is in the way has moved. */
static int offline(int block, int *nr_offline)
{
	int attempts = 0, ret;

	do {
		ret = set_state(block, "offline");
		attempts++;
		if (ret)
			sleep_ms(20);
	} while (ret && attempts < MAX_ATTEMPTS);
	*nr_offline += !ret;
	return attempts;
}

/* How many attempts it takes while memory comes and goes beside it. */
static int count_attempts(int enabled, int *nr_offline)
{
	size_t churn = mem_free() / 4;
	int attempts = 0, round, i;
	pid_t child;

	write_knob("enabled", enabled);
	child = start_child(churn_child, &churn);
	sleep_ms(500);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < nr_blocks; i++)
			attempts += offline(blocks[i], nr_offline);
		online_all();
	}
	stop_child(child);
	return attempts;
}

/* Turn by turn, so that both meet the same guest. */
static void test_churn(void)
{
	int with = 0, without = 0, nr_with = 0, nr_without = 0, i;
	unsigned long long acknowledged = 0;
	struct sums before, after;

	hint_all_the_time(100);
	for (i = 0; i < TURNS; i++) {
		without += count_attempts(0, &nr_without);
		write_knob("enabled", 1);
		read_sums(&before);
		with += count_attempts(1, &nr_with);
		read_sums(&after);
		acknowledged += after.acknowledged - before.acknowledged;
	}
	restore_knobs();
	ksft_print_msg("%d blocks in %d attempts with hinting, %d in %d without\n",
		       nr_with, with, nr_without, without);
	/* What a block holds that cannot be moved is chance, for either. */
	ksft_test_result(nr_with && 2 * nr_with >= nr_without,
			 "blocks go offline beside a load\n");
	ksft_test_result(with <= 3 * without,
			 "with not much more attempts than without hinting\n");
	ksft_test_result(acknowledged, "there was hinting meanwhile\n");
}

int main(void)
{
	const char *why = why_skip();
	int i, online = 0;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	read_block_size();
	if (!block_bytes)
		ksft_exit_skip("no " MEMORY_DIR ": no CONFIG_MEMORY_HOTPLUG?\n");
	save_knobs();
	write_knob("enabled", 1);
	use_memory(mem_free() / 2);
	wait_hinted(WAIT_MS);
	find_blocks();
	if (!nr_blocks)
		ksft_exit_skip("no memory block is hinted as a whole\n");
	atexit(online_all);
	ksft_set_plan(8);
	test_hinted();
	test_churn();
	online_all();
	for (i = 0; i < nr_blocks; i++)
		online += is_online(blocks[i]);
	ksft_test_result(online == nr_blocks, "all memory is online again\n");
	ksft_finished();
}
