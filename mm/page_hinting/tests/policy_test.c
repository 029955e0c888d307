// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of free page hinting: what counts as idle.
 */
#include <kunit/test.h>

#include "../policy.h"

#define SETTLE_MS	1000U
#define MIB		256UL		/* in pages */
#define GIB		(1024 * MIB)

/**
 * struct replay - a zone under the policy, in simulated time
 * @policy: the policy
 * @now_ms: the time
 * @unhinted_pages: what the zone has
 * @low_pages: its least since the last look
 * @hinted_pages: what was hinted in all
 * @look_ms: when to look next
 */
struct replay {
	struct page_hinting_policy policy;
	u64 now_ms;
	unsigned long unhinted_pages;
	unsigned long low_pages;
	unsigned long hinted_pages;
	u64 look_ms;
};

static void replay_start(struct replay *replay, u64 now_ms)
{
	memset(replay, 0, sizeof(*replay));
	replay->now_ms = now_ms;
	replay->look_ms = now_ms;
	page_hinting_policy_init(&replay->policy, SETTLE_MS, now_ms);
}

/* Change what is unhinted, as frees and allocations do. */
static void replay_change(struct replay *replay, long pages)
{
	replay->unhinted_pages += pages;
	replay->low_pages = min(replay->low_pages, replay->unhinted_pages);
}

static void replay_look(struct replay *replay)
{
	struct page_hinting_sample sample = {
		.now_ms = replay->now_ms,
		.low_pages = replay->low_pages,
		.unhinted_pages = replay->unhinted_pages,
	};
	struct page_hinting_advice advice;

	advice = page_hinting_policy_step(&replay->policy, &sample);
	replay->unhinted_pages -= advice.hint_pages;
	replay->hinted_pages += advice.hint_pages;
	page_hinting_policy_pulled(&replay->policy, advice.hint_pages);
	replay->low_pages = replay->unhinted_pages;
	replay->look_ms = replay->now_ms + advice.look_in_ms;
}

/* Let time pass, and look whenever the policy has asked for it. */
static void replay_pass(struct replay *replay, unsigned int ms)
{
	u64 end_ms = replay->now_ms + ms;

	while (replay->look_ms <= end_ms) {
		replay->now_ms = replay->look_ms;
		replay_look(replay);
	}
	replay->now_ms = end_ms;
}

/* Memory freed once is idle a settle time later, and at most one bucket. */
static void one_off_free(struct kunit *test)
{
	struct replay replay;

	replay_start(&replay, 12345);
	replay_pass(&replay, 5 * SETTLE_MS);
	replay_change(&replay, 8 * GIB);

	replay_pass(&replay, SETTLE_MS - 1);
	KUNIT_EXPECT_EQ(test, replay.hinted_pages, 0UL);
	replay_pass(&replay, SETTLE_MS / PAGE_HINTING_BUCKETS + 1);
	KUNIT_EXPECT_EQ(test, replay.hinted_pages, 8 * GIB);
	KUNIT_EXPECT_EQ(test, replay.unhinted_pages, 0UL);
}

/* A free just before a look settles no sooner than one just after it. */
static void settle_is_never_short(struct kunit *test)
{
	unsigned int offset_ms;

	for (offset_ms = 0; offset_ms < 300; offset_ms += 7) {
		struct replay replay;

		replay_start(&replay, 0);
		replay_pass(&replay, 3 * SETTLE_MS + offset_ms);
		replay_change(&replay, GIB);
		replay_pass(&replay, SETTLE_MS - 1);
		KUNIT_EXPECT_EQ_MSG(test, replay.hinted_pages, 0UL,
				    "offset %u ms", offset_ms);
		replay_pass(&replay, SETTLE_MS / PAGE_HINTING_BUCKETS + 1);
		KUNIT_EXPECT_EQ_MSG(test, replay.hinted_pages, GIB,
				    "offset %u ms", offset_ms);
	}
}

struct loop_case {
	const char *name;
	unsigned int busy_ms;
	unsigned int pause_ms;
};

static const struct loop_case loop_cases[] = {
	{ "10 ms", 5, 5 },
	{ "100 ms", 50, 50 },
	{ "300 ms pauses", 200, 300 },
	{ "just below the settle time", 50, 940 },
};

KUNIT_ARRAY_PARAM_DESC(loop, loop_cases, name);

/* What a loop reuses within the settle time stays; the rest goes. */
static void loop_keeps_its_memory(struct kunit *test)
{
	const struct loop_case *param = test->param_value;
	struct replay replay;
	int i;

	replay_start(&replay, 0);
	replay_change(&replay, GIB + 512 * MIB);
	for (i = 0; i < 100; i++) {
		replay_change(&replay, -512L * MIB);
		replay_pass(&replay, param->busy_ms);
		replay_change(&replay, 512 * MIB);
		replay_pass(&replay, param->pause_ms);
	}
	KUNIT_EXPECT_LE(test, replay.hinted_pages, GIB);
	KUNIT_EXPECT_EQ(test, replay.unhinted_pages >= 512 * MIB, true);

	replay_pass(&replay, 2 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, replay.unhinted_pages, 0UL);
	KUNIT_EXPECT_EQ(test, replay.hinted_pages, GIB + 512 * MIB);
}

/* What hinting pulls must not look like demand: nothing is held back by it. */
static void pull_is_not_demand(struct kunit *test)
{
	struct page_hinting_sample sample = { .now_ms = 0 };
	struct page_hinting_policy policy;
	struct page_hinting_advice advice;
	int i;

	page_hinting_policy_init(&policy, SETTLE_MS, 0);
	sample.low_pages = GIB;
	sample.unhinted_pages = GIB;
	for (i = 0; i < 20; i++) {
		sample.now_ms += SETTLE_MS / PAGE_HINTING_BUCKETS;
		advice = page_hinting_policy_step(&policy, &sample);
	}
	KUNIT_EXPECT_EQ(test, advice.hint_pages, GIB);

	/* Only a part fits into the window; the rest is idle all the same. */
	page_hinting_policy_pulled(&policy, 64 * MIB);
	sample.low_pages = GIB - 64 * MIB;
	sample.unhinted_pages = sample.low_pages;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, GIB - 64 * MIB);
}

/* A long sleep without a look counts with the low of all of it. */
static void long_sleep(struct kunit *test)
{
	struct page_hinting_sample sample = {
		.now_ms = 3600 * 1000,
		.low_pages = 10 * MIB,
		.unhinted_pages = GIB,
	};
	struct page_hinting_policy policy;
	struct page_hinting_advice advice;

	page_hinting_policy_init(&policy, SETTLE_MS, 0);
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 10 * MIB);
	KUNIT_EXPECT_GT(test, advice.look_in_ms, 0U);
	KUNIT_EXPECT_LE(test, advice.look_in_ms,
			SETTLE_MS / PAGE_HINTING_BUCKETS);
}

static void zone_going_away(struct kunit *test)
{
	struct replay replay;

	replay_start(&replay, 0);
	replay_change(&replay, GIB);
	replay_pass(&replay, SETTLE_MS / 2);
	replay_change(&replay, -(long)GIB);
	replay_pass(&replay, 5 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, replay.hinted_pages, 0UL);
}

static void clock_at_its_wrap(struct kunit *test)
{
	struct replay replay;

	replay_start(&replay, 0ULL - 3 * SETTLE_MS);
	replay_change(&replay, GIB);
	/* The replay's own loop must not compare across the wrap. */
	replay.now_ms = 0ULL - 3 * SETTLE_MS;
	while (replay.now_ms != 3 * SETTLE_MS) {
		replay_look(&replay);
		replay.now_ms += SETTLE_MS / 10;
	}
	KUNIT_EXPECT_EQ(test, replay.hinted_pages, GIB);
}

static void shortest_settle_time(struct kunit *test)
{
	struct page_hinting_sample sample = { .now_ms = 1 };
	struct page_hinting_policy policy;

	page_hinting_policy_init(&policy, 1, 0);
	KUNIT_EXPECT_EQ(test,
			page_hinting_policy_step(&policy, &sample).look_in_ms,
			1U);
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(one_off_free),
	KUNIT_CASE(settle_is_never_short),
	KUNIT_CASE_PARAM(loop_keeps_its_memory, loop_gen_params),
	KUNIT_CASE(pull_is_not_demand),
	KUNIT_CASE(long_sleep),
	KUNIT_CASE(zone_going_away),
	KUNIT_CASE(clock_at_its_wrap),
	KUNIT_CASE(shortest_settle_time),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "page_hinting_policy",
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
