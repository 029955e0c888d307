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
#define LATENCIES	24
#define NR_TESTS	9

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

static void test_identities(const struct sums *before)
{
	unsigned long long hinted = 0, offline = 0;
	struct sums s;
	bool quiet;

	quiet = count_quietly(&hinted, &offline, &s);
	if (!quiet)
		ksft_print_msg("the guest was never quiet\n");
	ksft_print_msg("pulled %llu, submitted %llu, acknowledged %llu, returned %llu\n",
		       s.pulled, s.submitted, s.acknowledged, s.returned);
	ksft_print_msg("hinted %llu, reused %llu, split %llu, merged %llu, voided %llu\n",
		       s.hinted, s.reused, s.split, s.merged, s.voided);
	ksft_test_result(quiet && hinted * getpagesize() == s.hinted,
			 "hinted_bytes is what /proc/kpageflags shows\n");
	ksft_test_result(quiet && s.hinted == s.acknowledged - s.reused -
			 s.split - s.merged - s.voided,
			 "and what is left of acknowledged_bytes\n");
	ksft_test_result(quiet && s.pulled - before->pulled ==
			 s.submitted - before->submitted &&
			 s.pulled - before->pulled ==
			 s.acknowledged - before->acknowledged &&
			 s.returned == before->returned,
			 "what was pulled was submitted and acknowledged\n");
	ksft_test_result(s.split > before->split && s.merged > before->merged,
			 "blocks were split and merged\n");
}

/*
 * What is taken out of hinted memory is reused, and nothing else. The unhinted
 * memory that a watermark keeps may go first: so much less is reused.
 */
static void test_reused(void)
{
	unsigned long long grown, unhinted, free_bytes;
	struct sums before, after;
	char *p;

	wait_hinted(5000);
	free_bytes = mem_free();
	read_sums(&before);
	unhinted = free_bytes > before.hinted ?
		   free_bytes - before.hinted : 0;
	p = map_memory(USED_BYTES);
	if (!p)
		ksft_exit_fail_msg("no memory\n");
	touch_memory(p, USED_BYTES);
	read_sums(&after);
	grown = after.reused - before.reused;
	ksft_print_msg("%llu MiB reused for %lu MiB beside %llu MiB unhinted\n",
		       grown / MIB, USED_BYTES / MIB, unhinted / MIB);
	ksft_test_result(unhinted <= USED_BYTES / 2 &&
			 grown + unhinted >= USED_BYTES - SLACK_BYTES &&
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
	ksft_test_result(after.voided - before.voided >=
			 before.hinted - SLACK_BYTES && !after.hinted,
			 "enabled=0 voids what was hinted\n");
	write_knob("enabled", 1);
}

static unsigned long long read_event(const char *event)
{
	FILE *f = fopen("/proc/vmstat", "r");
	unsigned long long value = 0;
	char name[64];

	while (f && fscanf(f, "%63s %llu", name, &value) == 2)
		if (!strcmp(name, event))
			break;
	if (f)
		fclose(f);
	return value;
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

/* Of all zones; returns how many those are. */
static int read_blocks(unsigned long long *blocks)
{
	FILE *f = popen("cat " PH_DIR "/node*/acknowledged_blocks", "r");
	unsigned long long value;
	int zones = 0;

	*blocks = 0;
	while (f && fscanf(f, "%llu", &value) == 1) {
		*blocks += value;
		zones++;
	}
	if (f)
		pclose(f);
	return zones;
}

/* As many as there were acknowledgments. */
static void test_latencies(void)
{
	unsigned long long sum = 0, before, after;
	int zones, values = 0;
	char line[1024];
	FILE *f;

	zones = read_blocks(&before);
	f = popen("cat " PH_DIR "/node*/ack_latency_us", "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *p = strtok(line, "\n ");

		for (; p; p = strtok(NULL, "\n "), values++)
			sum += strtoull(p, NULL, 10);
	}
	if (f)
		pclose(f);
	read_blocks(&after);
	ksft_print_msg("%llu to %llu blocks, %llu in the histogram\n", before,
		       after, sum);
	ksft_test_result(values == LATENCIES * zones && before &&
			 sum >= before && sum <= after,
			 "each acknowledgment has its latency\n");
}

int main(void)
{
	unsigned long long hinted, offline;
	const char *why = why_skip();
	struct sums before;

	ksft_print_header();
	if (why)
		ksft_exit_skip("%s\n", why);
	if (access("/proc/kpageflags", R_OK))
		ksft_exit_skip("no /proc/kpageflags\n");
	save_knobs();
	ksft_set_plan(NR_TESTS);
	write_knob("enabled", 1);
	hint_all_the_time(SETTLE_MS);
	if (!count_quietly(&hinted, &offline, &before))
		ksft_exit_fail_msg("the guest was never quiet\n");
	test_churn();
	test_identities(&before);
	test_reused();
	test_latencies();
	test_vmstat();
	test_voided();
	ksft_finished();
}
