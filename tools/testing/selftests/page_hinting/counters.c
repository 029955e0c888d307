// SPDX-License-Identifier: GPL-2.0
/*
 * The counters of a zone: after a good deal of coming and going they add up,
 * and what they say is hinted is what /proc/kpageflags shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kselftest.h"
#include "util.h"

#define CYCLES		1000
#define BLOCK_BYTES	(2 * MIB)
#define MOST_BLOCKS	16
#define USED_BYTES	(256 * MIB)
#define SETTLE_MS	10
#define NR_TESTS	7

/*
 * Sizes and pauses on both sides of what is hinted at once. What is reused was
 * touched: by us, or by what else lives in the guest.
 */
static void test_churn(void)
{
	unsigned long long reused, touched = 0;
	struct sums before, s, last;
	bool fell = false;
	int i;

	srand(1);
	read_sums(&before);
	last = before;
	for (i = 0; i < CYCLES; i++) {
		size_t bytes = (rand() % MOST_BLOCKS + 1) * BLOCK_BYTES / 2;

		if (!use_memory(bytes))
			ksft_exit_fail_msg("no memory\n");
		touched += bytes;
		if (i % 4)
			continue;
		sleep_ms(rand() % (4 * SETTLE_MS));
		read_sums(&s);
		fell |= s.reused < last.reused;
		last = s;
	}
	reused = last.reused - before.reused;
	ksft_print_msg("%llu MiB touched, %llu MiB of it reused\n",
		       touched / MIB, reused / MIB);
	ksft_test_result(!fell && reused >= MOST_BLOCKS * BLOCK_BYTES &&
			 reused <= touched + SLACK_BYTES,
			 "reused_bytes grows, by no more than was touched\n");
}

/* In pages. */
struct events {
	unsigned long long pulled;
	unsigned long long submitted;
	unsigned long long acknowledged;
	unsigned long long returned;
};

static void read_events(struct events *e)
{
	e->pulled = read_event("page_hinting_pulled");
	e->submitted = read_event("page_hinting_submitted");
	e->acknowledged = read_event("page_hinting_acknowledged");
	e->returned = read_event("page_hinting_returned");
}

static void test_identities(const struct events *before)
{
	unsigned long long hinted = 0, offline = 0, pulled;
	struct events e;
	struct sums s;
	bool quiet;

	quiet = count_quietly(&hinted, &offline, &s);
	if (!quiet)
		ksft_print_msg("the guest was never quiet\n");
	read_events(&e);
	pulled = e.pulled - before->pulled;
	ksft_print_msg("pages pulled %llu, submitted %llu, acknowledged %llu, returned %llu\n",
		       pulled, e.submitted - before->submitted,
		       e.acknowledged - before->acknowledged,
		       e.returned - before->returned);
	ksft_print_msg("bytes hinted %llu, acknowledged %llu, reused %llu\n",
		       s.hinted, s.acknowledged, s.reused);
	ksft_test_result(quiet && hinted * getpagesize() == s.hinted,
			 "hinted_bytes is what /proc/kpageflags shows\n");
	ksft_test_result(quiet && s.hinted + s.reused <= s.acknowledged,
			 "what is hinted or was reused was acknowledged\n");
	ksft_test_result(quiet && pulled == e.submitted - before->submitted &&
			 pulled == e.acknowledged - before->acknowledged &&
			 e.returned == before->returned,
			 "what was pulled was submitted and acknowledged\n");
}

/*
 * What is taken out of hinted memory is reused, and nothing else. The unhinted
 * memory that a watermark keeps may go first, and so may what the per-CPU lists
 * hold: so much less is reused.
 */
static void test_reused(void)
{
	unsigned long long grown, unhinted, listed, free_bytes;
	struct sums before, after;
	char *p;

	wait_hinted(5000);
	free_bytes = mem_free();
	read_sums(&before);
	unhinted = free_bytes > before.hinted ?
		   free_bytes - before.hinted : 0;
	listed = mem_in_cpu_lists();
	p = map_memory(USED_BYTES);
	if (!p)
		ksft_exit_fail_msg("no memory\n");
	touch_memory(p, USED_BYTES);
	read_sums(&after);
	grown = after.reused - before.reused;
	ksft_print_msg("%llu MiB reused for %lu MiB beside %llu MiB unhinted, %llu MiB in lists\n",
		       grown / MIB, USED_BYTES / MIB, unhinted / MIB,
		       listed / MIB);
	ksft_test_result(unhinted + listed <= USED_BYTES / 2 &&
			 grown + unhinted + listed >= USED_BYTES - SLACK_BYTES &&
			 grown <= USED_BYTES + SLACK_BYTES,
			 "reused_bytes grows by what is used\n");
	munmap(p, USED_BYTES);
}

static void test_voided(void)
{
	struct sums before, after;

	wait_hinted(5000);
	read_sums(&before);
	write_knob("enabled", 0);
	read_sums(&after);
	ksft_test_result(before.hinted && !after.hinted &&
			 after.reused - before.reused <= SLACK_BYTES,
			 "enabled=0 voids what was hinted, which is no use\n");
	write_knob("enabled", 1);
}

/* Both of one moment, in pages; false if there was none. */
static bool read_acknowledged(unsigned long long *events,
			      unsigned long long *pages)
{
	struct sums s, after;
	int i;

	for (i = 0; i < 20; i++) {
		wait_hinted(5000);
		read_sums(&s);
		*events = read_event("page_hinting_acknowledged");
		read_sums(&after);
		*pages = s.acknowledged / getpagesize();
		if (after.acknowledged == s.acknowledged)
			return true;
	}
	return false;
}

/* Zones that are gone have left their events: what counts is the growth. */
static void test_vmstat(void)
{
	unsigned long long events, pages, events_before, pages_before;
	bool ok;

	ok = read_acknowledged(&events_before, &pages_before);
	if (!use_memory(USED_BYTES))
		ksft_exit_fail_msg("no memory\n");
	ok &= read_acknowledged(&events, &pages);
	events -= events_before;
	pages -= pages_before;
	ksft_print_msg("%llu pages more in /proc/vmstat, %llu in sysfs\n",
		       events, pages);
	ksft_test_result(ok && pages && events == pages,
			 "/proc/vmstat counts acknowledgments\n");
}

int main(void)
{
	unsigned long long hinted, offline;
	const char *why = why_skip();
	struct events before;
	struct sums s;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (access("/proc/kpageflags", R_OK))
		ksft_exit_skip("no /proc/kpageflags\n");
	save_knobs();
	ksft_set_plan(NR_TESTS);
	write_knob("enabled", 1);
	hint_all_the_time(SETTLE_MS);
	if (!count_quietly(&hinted, &offline, &s))
		ksft_exit_fail_msg("the guest was never quiet\n");
	read_events(&before);
	test_churn();
	test_identities(&before);
	test_reused();
	test_vmstat();
	test_voided();
	ksft_finished();
}
