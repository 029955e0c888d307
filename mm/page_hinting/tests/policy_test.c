// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of free page hinting: what counts as idle.
 */
#include <kunit/test.h>

#include "policy_model.h"

#define SETTLE_MS	MODEL_SETTLE_MS
#define LOOK_MS		(SETTLE_MS / PAGE_HINTING_LOOKS)
#define MIB		MODEL_MIB
#define GIB		(1024 * MIB)

/* Memory freed once is idle a settle time later, not a look later. */
static void one_off_free(struct kunit *test)
{
	struct model model;

	model_start(&model, 12345);
	model_pass(&model, 5 * SETTLE_MS);
	KUNIT_EXPECT_TRUE(test, model.asleep);
	model_free(&model, 8 * GIB);

	model_pass(&model, SETTLE_MS - 1);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 0UL);
	model_pass(&model, 3);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 8 * GIB);
	model_pass(&model, 2 * SETTLE_MS);
	KUNIT_EXPECT_TRUE(test, model.asleep);
}

/* A free just before a look settles no sooner than one just after it. */
static void settle_is_never_short(struct kunit *test)
{
	unsigned int offset_ms;

	for (offset_ms = 0; offset_ms < 3 * LOOK_MS; offset_ms++) {
		struct model model;

		model_start(&model, 0);
		model_pass(&model, offset_ms);
		model_free(&model, GIB);
		model_pass(&model, SETTLE_MS - 1);
		KUNIT_EXPECT_EQ_MSG(test, model.hinted_pages, 0UL,
				    "offset %u ms", offset_ms);
		model_pass(&model, 2 * LOOK_MS + 1);
		KUNIT_EXPECT_EQ_MSG(test, model.hinted_pages, GIB,
				    "offset %u ms", offset_ms);
	}
}

/**
 * struct loop_case - a program that uses the same memory again and again
 * @name: of the case
 * @busy_ms: how long it has the memory
 * @pause_ms: how long it has not
 * @nr_wrong: how often it may find its memory gone
 */
struct loop_case {
	const char *name;
	unsigned int busy_ms;
	unsigned int pause_ms;
	unsigned int nr_wrong;
};

static const struct loop_case loop_cases[] = {
	{ "10 ms", 5, 5, 0 },
	{ "50 ms", 20, 30, 0 },
	{ "100 ms pauses", 200, 100, 1 },
	{ "300 ms pauses", 200, 300, 1 },
	{ "700 ms pauses", 100, 700, 1 },
	{ "1500 ms pauses", 200, 1500, 1 },
	{ "5000 ms pauses", 200, 5000, 2 },
	{ "300 ms pauses, 1 s busy", 1000, 300, 1 },
	{ "6 s pauses, 20 s busy", 20000, 6000, 2 },
};

KUNIT_ARRAY_PARAM_DESC(loop, loop_cases, name);

static void run_loop(struct model *model, const struct loop_case *loop,
		     unsigned int cycles, unsigned long pages)
{
	while (cycles--) {
		model_alloc(model, pages);
		model_pass(model, loop->busy_ms);
		model_free(model, pages);
		model_pass(model, loop->pause_ms);
	}
}

/* What a loop reuses stays, after the first wrong guesses; the rest goes. */
static void loop_keeps_its_memory(struct kunit *test)
{
	const struct loop_case *loop = test->param_value;
	const unsigned int cycles = 60, learn = 2;
	struct model model;
	unsigned int settle_ms;

	model_start(&model, 0);
	model_free(&model, GIB + 512 * MIB);
	/* Long ago, so that the first use is not one of the loop's. */
	model_pass(&model, 2 * MODEL_MAX_SETTLE_MS);
	KUNIT_ASSERT_EQ(test, model.unhinted_pages, 0UL);

	run_loop(&model, loop, 1 + learn, 512 * MIB);
	KUNIT_EXPECT_LE(test, model.faulted_pages,
			(1 + loop->nr_wrong) * 512 * MIB);
	model.faulted_pages = 0;
	run_loop(&model, loop, cycles, 512 * MIB);
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
	KUNIT_EXPECT_GE(test, model.unhinted_pages, 512 * MIB);

	/* The end of the loop: all of it goes, and then it is forgotten. */
	settle_ms = model.policy.settle_ms;
	model_pass(&model, max(2 * settle_ms, 5000U) - loop->pause_ms);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	model_pass(&model, 2 * settle_ms);
	KUNIT_EXPECT_TRUE(test, model.asleep);
	model_pass(&model, 8 * settle_ms);
	model_free(&model, GIB);
	model_pass(&model, SETTLE_MS + 2 * LOOK_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/*
 * What a loop frees into the per-CPU lists stays there once its pause is learnt,
 * and is hinted as soon as the rest has to be when it ends.
 */
static void lists_are_emptied_at_the_end(struct kunit *test)
{
	static const unsigned int pauses_ms[] = { 300, 700, 1500, 5000 };
	unsigned int i, settle_ms;

	for (i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
		struct loop_case loop = { .busy_ms = 50,
					  .pause_ms = pauses_ms[i] };
		struct model model;

		model_start(&model, 0);
		model_free(&model, GIB);
		model_pass(&model, 2 * MODEL_MAX_SETTLE_MS);
		run_loop(&model, &loop, 8, 512 * MIB);
		model.nr_drains = 0;
		run_loop(&model, &loop, 20, 512 * MIB);
		KUNIT_EXPECT_LE_MSG(test, model.nr_drains, 2UL,
				    "pauses of %u ms", pauses_ms[i]);

		model_alloc(&model, 512 * MIB);
		model_pass(&model, loop.busy_ms);
		model.nr_drains = 0;
		model_free(&model, 400 * MIB);
		model.list_pages = 112 * MIB;
		settle_ms = model.policy.settle_ms;
		model_pass(&model, 2 * settle_ms);
		KUNIT_EXPECT_EQ_MSG(test, model.list_pages, 0UL,
				    "pauses of %u ms", pauses_ms[i]);
		KUNIT_EXPECT_EQ_MSG(test, model.unhinted_pages, 0UL,
				    "pauses of %u ms", pauses_ms[i]);
		model_pass(&model, 2 * settle_ms);
		KUNIT_EXPECT_TRUE(test, model.asleep);
		KUNIT_EXPECT_LE_MSG(test, model.nr_drains, 2UL,
				    "pauses of %u ms", pauses_ms[i]);
	}
}

/* The kernel empties them, too, bit by bit: that does not put it off. */
static void lists_are_emptied_by_others(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 50, .pause_ms = 1500 };
	unsigned int settle_ms, i;
	struct model model;

	model_start(&model, 0);
	model_free(&model, GIB);
	model_pass(&model, 2 * MODEL_MAX_SETTLE_MS);
	run_loop(&model, &loop, 8, 512 * MIB);

	model_alloc(&model, 512 * MIB);
	model_pass(&model, loop.busy_ms);
	model_free(&model, 400 * MIB);
	model.list_pages = 112 * MIB;
	settle_ms = model.policy.settle_ms;
	for (i = 0; i < 2; i++) {
		model_pass(&model, 1000);
		if (model.list_pages) {
			model.list_pages -= 40 * MIB;
			model_free(&model, 40 * MIB);
		}
	}
	model_pass(&model, 2 * settle_ms - 2 * 1000);
	KUNIT_EXPECT_EQ(test, model.list_pages, 0UL);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* Who takes memory slowly frees none, and may want what is in them. */
static void lists_are_left_to_who_takes(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 50, .pause_ms = 1500 };
	struct model model;
	unsigned int i;

	model_start(&model, 0);
	model_free(&model, GIB);
	model_pass(&model, 2 * MODEL_MAX_SETTLE_MS);
	run_loop(&model, &loop, 8, 512 * MIB);
	model_alloc(&model, 512 * MIB);
	model_pass(&model, loop.busy_ms);
	model_free(&model, 512 * MIB);
	model.nr_drains = 0;
	/* Less between two looks than would be seen as taking. */
	for (i = 0; i < 50; i++) {
		model_pass(&model, 100);
		model_alloc(&model, MIB);
	}
	KUNIT_EXPECT_EQ(test, model.nr_drains, 0UL);
	model_pass(&model, 60000);
	KUNIT_EXPECT_EQ(test, model.nr_drains, 1UL);
	KUNIT_EXPECT_TRUE(test, model.asleep);
}

/* A single free, too: they are emptied once, and then there is no timer. */
static void lists_are_emptied_once(struct kunit *test)
{
	struct model model;

	model_start(&model, 0);
	model_pass(&model, 60000);
	KUNIT_ASSERT_TRUE(test, model.asleep);
	model.nr_drains = 0;
	model_free(&model, 4 * MIB);
	model.list_pages = 10 * MIB;
	model_pass(&model, 4 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 14 * MIB);
	model_pass(&model, 60000);
	KUNIT_EXPECT_EQ(test, model.nr_drains, 1UL);
	KUNIT_EXPECT_TRUE(test, model.asleep);
}

/* Nobody waits for memory that is used again after 20 seconds or more. */
static void rare_use_is_not_waited_for(struct kunit *test)
{
	static const struct loop_case loops[] = {
		{ "20 s", 500, 20000 }, { "60 s", 1000, 59000 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loops); i++) {
		struct model model;

		model_start(&model, 0);
		model_free(&model, 512 * MIB);
		model_pass(&model, 60000);
		run_loop(&model, &loops[i], 10, 512 * MIB);
		KUNIT_EXPECT_EQ(test, model.hinted_pages, 11 * 512 * MIB);
		KUNIT_EXPECT_EQ(test, model.peak_settle_ms, SETTLE_MS);
	}
}

/* A second use long after the first one says nothing; a third one does. */
static void far_gap_is_believed_the_second_time(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 3000 };
	struct model model;

	model_start(&model, 0);
	model_free(&model, GIB);
	model_pass(&model, 60000);
	run_loop(&model, &loop, 2, GIB);
	KUNIT_EXPECT_EQ(test, model.policy.settle_ms, SETTLE_MS);
	run_loop(&model, &loop, 1, GIB);
	KUNIT_EXPECT_GE(test, model.policy.settle_ms, 3000U);
	KUNIT_EXPECT_LE(test, model.policy.settle_ms, 6000U);
}

/* Nor do two of them that have nothing to do with each other. */
static void far_gaps_far_apart(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 3000 };
	struct model model;
	int i;

	model_start(&model, 0);
	model_free(&model, GIB);
	for (i = 0; i < 4; i++) {
		model_pass(&model, 10 * MODEL_MAX_SETTLE_MS);
		run_loop(&model, &loop, 2, GIB);
	}
	KUNIT_EXPECT_EQ(test, model.peak_settle_ms, SETTLE_MS);
}

/* What is allocated bit by bit after a long time is one use of it. */
static void far_gap_ends_slowly(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, 0);
	model_pass(&model, SETTLE_MS);
	model_free(&model, GIB);
	model_pass(&model, 3000);
	for (i = 0; i < 40; i++) {
		model_alloc(&model, 25 * MIB);
		model_pass(&model, 100);
		/* So that each is noticed by itself. */
		model_free(&model, 2 * MIB);
	}
	KUNIT_EXPECT_EQ(test, model.peak_settle_ms, SETTLE_MS);
}

/* A little that is needed early, seldom, is no habit, however often it is. */
static void small_uses_do_not_add_up(struct kunit *test)
{
	static const unsigned int intervals_ms[] = { 1500, 5000, 60000 };
	unsigned int i, cycle;

	for (i = 0; i < ARRAY_SIZE(intervals_ms); i++) {
		struct model model;

		model_start(&model, 0);
		model_free(&model, 6 * MIB);
		model_pass(&model, 60000);
		model_free(&model, 6 * MIB);
		for (cycle = 0; cycle < 40; cycle++) {
			model_pass(&model, 400);
			model_alloc(&model, 6 * MIB);
			model_pass(&model, intervals_ms[i] - 400);
			model_free(&model, 6 * MIB);
		}
		KUNIT_EXPECT_GE_MSG(test, model.refaulted_pages, 20 * 6 * MIB,
				    "each %u ms", intervals_ms[i]);
		KUNIT_EXPECT_EQ_MSG(test, model.peak_settle_ms, SETTLE_MS,
				    "each %u ms", intervals_ms[i]);
	}
}

/* It adds up as long as more comes, also by clocks that are a tick apart. */
static void early_uses_at_once_add_up(struct kunit *test)
{
	struct page_hinting_sample sample = { .now_ms = 1000 };
	struct page_hinting_policy policy;

	page_hinting_policy_init(&policy, SETTLE_MS, MODEL_MAX_SETTLE_MS, 0);
	page_hinting_policy_step(&policy, &sample);
	page_hinting_policy_pulled(&policy, 64 * MIB);
	sample.now_ms = 1400;
	sample.taken_ms = 1400;
	sample.taken_pages = 7 * MIB;
	page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, policy.settle_ms, SETTLE_MS);
	sample.now_ms = 1403;
	sample.taken_ms = 1399;
	sample.taken_pages = MIB;
	page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_GE(test, policy.settle_ms, 500U);
}

/* Allocate @pages in small steps, within @ms. */
static void alloc_slowly(struct model *model, unsigned long pages,
			 unsigned int ms)
{
	const unsigned long step = 16 * MIB;
	unsigned long i, nr = pages / step;

	for (i = 0; i < nr; i++) {
		model_alloc(model, step);
		model_pass(model, ms / nr);
	}
}

/* A far pause before an allocation that takes longer still is learnt, too. */
static void slow_loop_is_learnt(struct kunit *test)
{
	static const unsigned int pauses_ms[] = { 1500, 2100, 2500, 3000 };
	unsigned int i, cycle;

	for (i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
		struct model model;

		model_start(&model, 0);
		model_free(&model, 2 * GIB);
		model_pass(&model, 60000);
		for (cycle = 0; cycle < 12; cycle++) {
			if (cycle == 5)
				model.faulted_pages = 0;
			alloc_slowly(&model, GIB, pauses_ms[i] + 300);
			model_free(&model, GIB);
			model_pass(&model, pauses_ms[i]);
		}
		KUNIT_EXPECT_EQ_MSG(test, model.faulted_pages, 0UL,
				    "pauses of %u ms", pauses_ms[i]);
	}
}

/* One use that goes on for long says little about the end of it. */
static void slow_use_is_one_use(struct kunit *test)
{
	struct model model;

	model_start(&model, 0);
	model_pass(&model, SETTLE_MS);
	model_free(&model, GIB);
	model_pass(&model, 1500);
	alloc_slowly(&model, GIB, 5000);
	KUNIT_EXPECT_GE(test, model.peak_settle_ms, 1500U);
	KUNIT_EXPECT_LE(test, model.peak_settle_ms, 3000U);
}

/* A program that is the first to use the guest's memory is no loop. */
static void first_use_is_no_reuse(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, 0);
	model_free(&model, 8 * GIB);
	model_pass(&model, 300);
	KUNIT_ASSERT_EQ(test, model.unhinted_pages, 0UL);
	for (i = 0; i < 80; i++) {
		model_alloc(&model, 100 * MIB);
		model_pass(&model, 100);
		model_free(&model, 10 * MIB);
	}
	model_free(&model, 7 * GIB);
	model_pass(&model, SETTLE_MS + 2 * LOOK_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* A loop keeps what it needs of much memory, and not more. */
static void loop_beside_idle_memory(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 300 };
	struct model model;

	model_start(&model, 0);
	model_free(&model, 512 * MIB);
	model_pass(&model, 60000);
	run_loop(&model, &loop, 10, 512 * MIB);
	model_free(&model, 4 * GIB);
	run_loop(&model, &loop, 3, 512 * MIB);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 512 * MIB);
}

/* Memory that was hinted long ago is used: no reason to be slower. */
static void ramp_up(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, 0);
	model_free(&model, 4 * GIB);
	model_pass(&model, 60000);
	for (i = 0; i < 400; i++) {
		model_alloc(&model, 10 * MIB);
		model_pass(&model, 10);
	}
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 4000 * MIB);
	KUNIT_EXPECT_EQ(test, model.refaulted_pages, 0UL);
	KUNIT_EXPECT_EQ(test, model.peak_settle_ms, SETTLE_MS);
}

/* What is freed bit by bit goes bit by bit, none of it later than a lump. */
static void ramp_down(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, 0);
	for (i = 0; i < 400; i++) {
		model_free(&model, 10 * MIB);
		model_pass(&model, 10);
		/* The lows of a rise are older than it by up to a quarter. */
		KUNIT_EXPECT_LE(test, model.unhinted_pages,
				2 * SETTLE_MS * MIB);
	}
	model_pass(&model, SETTLE_MS + 2 * LOOK_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
}

/* Freed bit by bit, allocated at once. */
static void saw_tooth(struct kunit *test)
{
	struct model model;
	int i, step;

	model_start(&model, 0);
	model_free(&model, 512 * MIB);
	model_pass(&model, 60000);
	for (i = 0; i < 40; i++) {
		model_alloc(&model, 512 * MIB);
		for (step = 0; step < 32; step++) {
			model_pass(&model, 15);
			model_free(&model, 16 * MIB);
		}
		if (i == 3)
			model.faulted_pages = 0;
	}
	KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
}

/* Small demand at random: little of it is for what was just hinted. */
static void noise(struct kunit *test)
{
	unsigned long seed = 1, used_pages = 256 * MIB;
	struct model model;
	int i;

	model_start(&model, 0);
	model_free(&model, 768 * MIB);
	model_pass(&model, 60000);
	model.faulted_pages = 0;
	for (i = 0; i < 6000; i++) {
		unsigned long pages;

		seed = (seed * 1103515245 + 12345) & 0x7fffffff;
		pages = (seed >> 16) % 16 * MIB;
		if (seed & 0x8000 && used_pages < 512 * MIB) {
			model_alloc(&model, pages);
			used_pages += pages;
		} else if (used_pages > pages) {
			model_free(&model, pages);
			used_pages -= pages;
		}
		model_pass(&model, 10);
	}
	KUNIT_EXPECT_GT(test, model.allocated_pages, 10 * GIB);
	KUNIT_EXPECT_LE(test, model.refaulted_pages,
			model.allocated_pages / 50);
}

/* What hinting pulls must not look like demand: nothing is held back by it. */
static void pull_is_not_demand(struct kunit *test)
{
	struct page_hinting_sample sample = {
		.low_pages = GIB,
		.unhinted_pages = GIB,
	};
	struct page_hinting_policy policy;
	struct page_hinting_advice advice = { };
	int i;

	page_hinting_policy_init(&policy, SETTLE_MS, MODEL_MAX_SETTLE_MS, 0);
	for (i = 0; i < 20; i++) {
		sample.now_ms += LOOK_MS;
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

/* What was pulled is not hinted a second time from what had been used. */
static void pull_takes_the_idle_part_once(struct kunit *test)
{
	struct page_hinting_sample sample = { };
	struct page_hinting_policy policy;
	struct page_hinting_advice advice = { };

	page_hinting_policy_init(&policy, SETTLE_MS, MODEL_MAX_SETTLE_MS, 0);
	for (; sample.now_ms <= 2 * SETTLE_MS; sample.now_ms += LOOK_MS) {
		/* 700 MiB are in use again and again. */
		sample.low_pages = 300 * MIB;
		sample.unhinted_pages = 1000 * MIB;
		advice = page_hinting_policy_step(&policy, &sample);
	}
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 300 * MIB);
	page_hinting_policy_pulled(&policy, 300 * MIB);

	sample.low_pages = 700 * MIB;
	sample.unhinted_pages = 700 * MIB;
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 0UL);
}

/* Never more than there is, whatever the caller says of the past. */
static void hint_is_bounded(struct kunit *test)
{
	struct page_hinting_sample sample = {
		.now_ms = 10 * SETTLE_MS,
		.low_pages = GIB,
		.unhinted_pages = MIB,
	};
	struct page_hinting_policy policy;
	struct page_hinting_advice advice;

	page_hinting_policy_init(&policy, SETTLE_MS, MODEL_MAX_SETTLE_MS, 0);
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, MIB);
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

	page_hinting_policy_init(&policy, SETTLE_MS, MODEL_MAX_SETTLE_MS, 0);
	advice = page_hinting_policy_step(&policy, &sample);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 10 * MIB);
	KUNIT_EXPECT_GT(test, advice.look_in_ms, 0U);
	KUNIT_EXPECT_LE(test, advice.look_in_ms, LOOK_MS);
}

static void zone_going_away(struct kunit *test)
{
	struct model model;

	model_start(&model, 0);
	model_free(&model, GIB);
	model_pass(&model, SETTLE_MS / 2);
	model_alloc(&model, GIB);
	model_pass(&model, 5 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model.asleep);
}

/* All the same where the clock wraps, in 32 and in 64 bits. */
static void clock_at_its_wrap(struct kunit *test)
{
	static const u64 wraps_ms[] = { 1ULL << 32, 0 };
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 300 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wraps_ms); i++) {
		struct model model;

		model_start(&model, wraps_ms[i] - 2000);
		model_free(&model, GIB);
		run_loop(&model, &loop, 3, 512 * MIB);
		model.faulted_pages = 0;
		run_loop(&model, &loop, 7, 512 * MIB);
		KUNIT_EXPECT_EQ(test, model.faulted_pages, 0UL);
		KUNIT_EXPECT_EQ(test, model.unhinted_pages, 512 * MIB);
		model_pass(&model, 5000);
		KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	}
}

static void shortest_settle_time(struct kunit *test)
{
	struct page_hinting_sample sample = { .now_ms = 1 };
	struct page_hinting_policy policy;

	page_hinting_policy_init(&policy, 1, 1, 0);
	KUNIT_EXPECT_EQ(test,
			page_hinting_policy_step(&policy, &sample).look_in_ms,
			1U);
}

/**
 * struct rung_case - small blocks that are freed and not used
 * @name: of the case
 * @order: of the blocks
 * @wait_settles: the settle times after which they are to be hinted
 */
struct rung_case {
	const char *name;
	unsigned int order;
	unsigned int wait_settles;
};

static const struct rung_case rung_cases[] = {
	{ "order 8", 8, 4 },
	{ "order 5", 5, 4 },
	{ "order 4", 4, 12 },
	{ "order 2", 2, 12 },
	{ "order 1", 1, 24 },
	{ "order 0", 0, 24 },
};

KUNIT_ARRAY_PARAM_DESC(rung, rung_cases, name);

/* The smaller the blocks, the longer the zone has to be idle; then no timer. */
static void smaller_blocks_later(struct kunit *test)
{
	const struct rung_case *rung = test->param_value;
	struct model model;

	model_start(&model, 0);
	model.small_order = rung->order;
	model_pass(&model, 60000);
	KUNIT_ASSERT_TRUE(test, model.asleep);
	model_free(&model, GIB);
	model_free_small(&model, 500 * MIB);
	model_pass(&model, 2 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.unhinted_pages, 0UL);
	model_pass(&model, (rung->wait_settles - 3) * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
	model_pass(&model, 2 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 500 * MIB);
	KUNIT_EXPECT_EQ(test, model.order, MODEL_ORDER);

	model_pass(&model, 4 * 24 * SETTLE_MS);
	KUNIT_EXPECT_TRUE(test, model.asleep);
	KUNIT_EXPECT_EQ(test, model.peak_settle_ms, SETTLE_MS);
}

/* What was learnt is forgotten while a sweep is waited for, which is sooner. */
static void learnt_wait_is_forgotten(struct kunit *test)
{
	struct model model;

	model_start(&model, 0);
	model_free(&model, GIB);
	model_pass(&model, 60000);
	model.small_order = 0;
	model_free_small(&model, 500 * MIB);
	model.policy.ladder.caution = 1;
	model.policy.settle_ms = 1024;
	model.policy.proved_ms = model.now_ms;
	/* Halved after 4096, 6144 and 7168 ms; then 48 of them are over. */
	model_pass(&model, 7100);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
	model_pass(&model, 600);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
}

/* A little free memory in small blocks is not worth a timer. */
static void crumbs_are_left(struct kunit *test)
{
	struct model model;
	unsigned long nr_looks;

	model_start(&model, 0);
	model.small_order = 3;
	model_free_small(&model, 7 * MIB);
	model_pass(&model, 60000);
	KUNIT_EXPECT_TRUE(test, model.asleep);
	nr_looks = model.nr_looks;
	model_alloc_small(&model, 5 * MIB);
	model_free_small(&model, 5 * MIB);
	model_pass(&model, 60000);
	KUNIT_EXPECT_EQ(test, model.nr_looks, nr_looks);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
}

/* Small blocks that come bit by bit wake nobody until they are worth it. */
static void small_blocks_add_up(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, 0);
	model.small_order = 3;
	model_pass(&model, 60000);
	KUNIT_ASSERT_TRUE(test, model.asleep);
	model.nr_looks = 0;
	for (i = 0; i < 200; i++) {
		model_free_small(&model, MIB / 2);
		model_pass(&model, 2000);
	}
	KUNIT_EXPECT_LE(test, model.small_unhinted_pages, 24 * MIB);
	KUNIT_EXPECT_LE(test, model.nr_looks, 200UL);
}

/* A program that uses small blocks now and then keeps them. */
static void small_loop_keeps_its_memory(struct kunit *test)
{
	static const unsigned int pauses_ms[] = { 300, 900, 2000, 3500 };
	unsigned int i, cycle;

	for (i = 0; i < ARRAY_SIZE(pauses_ms); i++) {
		struct model model;

		model_start(&model, 0);
		model.small_order = 6;
		model_free_small(&model, GIB);
		model_pass(&model, 60000);
		for (cycle = 0; cycle < 40; cycle++) {
			if (cycle == 8)
				model.faulted_pages = 0;
			model_alloc_small(&model, 512 * MIB);
			model_pass(&model, 100);
			model_free_small(&model, 512 * MIB);
			model_pass(&model, pauses_ms[i]);
		}
		KUNIT_EXPECT_EQ_MSG(test, model.faulted_pages, 0UL,
				    "pauses of %u ms", pauses_ms[i]);
	}
}

/* What comes during a sweep begins anew, and does not wait for later ones. */
static void free_between_sweeps(struct kunit *test)
{
	struct model model;

	model_start(&model, 0);
	model.small_order = 6;
	model_pass(&model, 60000);
	model.small_order = 3;
	model_free_small(&model, GIB);
	/* The first sweep is over, and the second one far away. */
	model_pass(&model, 6 * SETTLE_MS);
	KUNIT_ASSERT_EQ(test, model.small_hinted_pages, 0UL);
	KUNIT_ASSERT_EQ(test, model.policy.ladder.rung, 1U);
	model.small_order = 6;
	model_free_small(&model, GIB);
	model_pass(&model, 6 * SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.small_unhinted_pages, 0UL);
}

/* Whatever the orders are, the ladder ends, and reaches the lowest one. */
static void any_orders(struct kunit *test)
{
	unsigned int usual, lowest;

	for (usual = 0; usual <= MAX_PAGE_ORDER; usual++)
		for (lowest = 0; lowest <= usual; lowest++) {
			struct model model;

			model_start(&model, 0);
			page_hinting_policy_set_orders(&model.policy, usual,
						       lowest);
			model.small_order = lowest;
			model_free_small(&model, 128 * MIB);
			model_pass(&model, 60000);
			KUNIT_EXPECT_TRUE_MSG(test, model.asleep, "%u to %u",
					      usual, lowest);
			KUNIT_EXPECT_LT_MSG(test, model.nr_looks, 50UL,
					    "%u to %u", usual, lowest);
			KUNIT_EXPECT_EQ_MSG(test, model.small_hinted_pages,
					    lowest < usual ? 128 * MIB : 0UL,
					    "%u to %u", usual, lowest);
		}
}

/* A policy of its own, and what it is shown. */
struct watcher {
	struct page_hinting_policy policy;
	struct page_hinting_sample sample;
};

/* Look now: a sweep finds all that is small. */
static struct page_hinting_advice watcher_look(struct watcher *watcher)
{
	const struct page_hinting_ladder *ladder = &watcher->policy.ladder;
	struct page_hinting_sample *sample = &watcher->sample;

	sample->sweep_pages = ladder->order < ladder->usual_order ?
			      sample->small_pages : 0;
	return page_hinting_policy_step(&watcher->policy, sample);
}

/* A calm zone with a GiB that was hinted, and one in smaller blocks. */
static void watcher_start(struct watcher *watcher, unsigned int lowest_order)
{
	struct page_hinting_policy *policy = &watcher->policy;

	watcher->sample = (struct page_hinting_sample){
		.small_pages = GIB,
		.free_pages = 2 * GIB, .free_low_pages = 2 * GIB,
	};
	page_hinting_policy_init(policy, SETTLE_MS, MODEL_MAX_SETTLE_MS, 0);
	page_hinting_policy_set_orders(policy, MODEL_ORDER, lowest_order);
	watcher_look(watcher);
}

/* Look for @ms at what does not change. Return: the order of the last look. */
static unsigned int watcher_pass(struct watcher *watcher, unsigned int ms)
{
	u64 end_ms = watcher->sample.now_ms + ms;
	struct page_hinting_advice advice;

	do {
		watcher->sample.now_ms = min(watcher->sample.now_ms + LOOK_MS,
					     end_ms);
		advice = watcher_look(watcher);
	} while (watcher->sample.now_ms < end_ms);
	return advice.sweep_order;
}

/* Take @pages for good, of which sweeps had hinted @small_pages. */
static void watcher_take(struct watcher *watcher, unsigned long pages,
			 unsigned long small_pages)
{
	struct page_hinting_sample *sample = &watcher->sample;

	sample->now_ms++;
	sample->free_pages -= pages;
	sample->free_low_pages = sample->free_pages;
	sample->taken_small_pages = small_pages;
	watcher_look(watcher);
	sample->taken_small_pages = 0;
}

/* Let a sweep that has just begun hint all that there is. */
static void watcher_sweep(struct watcher *watcher)
{
	watcher->sample.now_ms++;
	watcher->sample.small_pages = 0;
	watcher_look(watcher);
	watcher->sample.small_pages = GIB;
}

/* A sweep goes on slice by slice; demand ends it at once. */
static void demand_ends_a_sweep(struct kunit *test)
{
	struct page_hinting_advice advice;
	struct watcher watcher;
	int i;

	watcher_start(&watcher, 2);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	for (i = 0; i < 10; i++) {
		watcher.sample.now_ms++;
		advice = watcher_look(&watcher);
		KUNIT_EXPECT_EQ(test, advice.sweep_pages, 16 * MIB);
		KUNIT_EXPECT_EQ(test, advice.sweep_order, 5U);
		KUNIT_EXPECT_EQ(test, advice.idle_look_in_ms, LOOK_MS);
		KUNIT_EXPECT_EQ(test, advice.hint_pages, 0UL);
		watcher.sample.small_pages -= advice.sweep_pages;
	}

	watcher.sample.now_ms++;
	watcher.sample.free_pages -= 20 * MIB;
	advice = watcher_look(&watcher);
	KUNIT_EXPECT_EQ(test, advice.sweep_pages, 0UL);
	KUNIT_EXPECT_EQ(test, advice.sweep_order, MODEL_ORDER);
}

/* Blocks of the usual order settle during a sweep as at any time. */
static void sweep_leaves_large_blocks(struct kunit *test)
{
	struct page_hinting_advice advice;
	struct watcher watcher;

	watcher_start(&watcher, 2);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	watcher.sample.now_ms++;
	watcher.sample.unhinted_pages = 12 * MIB;
	watcher.sample.free_pages += 12 * MIB;
	advice = watcher_look(&watcher);
	KUNIT_EXPECT_EQ(test, advice.sweep_order, 5U);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 0UL);
	watcher.sample.low_pages = 12 * MIB;
	watcher.sample.free_low_pages = watcher.sample.free_pages;
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, SETTLE_MS / 2), 5U);
	advice = watcher_look(&watcher);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 0UL);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, SETTLE_MS), 5U);
	advice = watcher_look(&watcher);
	KUNIT_EXPECT_EQ(test, advice.hint_pages, 12 * MIB);
}

/* What a sweep could not hint in all of the longest settle time is left. */
static void sweep_gives_up(struct kunit *test)
{
	struct watcher watcher;

	watcher_start(&watcher, 0);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, MODEL_MAX_SETTLE_MS / 2),
			5U);
	watcher_pass(&watcher, MODEL_MAX_SETTLE_MS);
	KUNIT_EXPECT_EQ(test, watcher.policy.ladder.rung, 1U);
}

/* A block that is split, and merged again, is no sign of demand. */
static void merging_is_no_demand(struct kunit *test)
{
	struct watcher watcher;

	watcher_start(&watcher, 0);
	watcher.sample.free_low_pages -= 4 * MIB;
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);

	watcher_start(&watcher, 0);
	watcher.sample.free_low_pages -= 12 * MIB;
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 40 * SETTLE_MS),
			MODEL_ORDER);
}

/* Demand begins the waiting anew, whether or not it was for hinted memory. */
static void demand_begins_anew(struct kunit *test)
{
	static const unsigned long hinted_pages[] = { 0, 20 * MIB };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hinted_pages); i++) {
		struct watcher watcher;

		watcher_start(&watcher, 0);
		watcher_pass(&watcher, 3 * SETTLE_MS);
		watcher_take(&watcher, 20 * MIB, hinted_pages[i]);
		KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS - 1),
				MODEL_ORDER);
		KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 1), 5U);
	}
}

/* A sweep whose memory is needed soon was too early: the next ones are later. */
static void caution_comes_and_goes(struct kunit *test)
{
	struct watcher watcher;
	int i;

	watcher_start(&watcher, 0);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	watcher_sweep(&watcher);
	watcher_pass(&watcher, 2 * SETTLE_MS);
	/* However long it is used for, that is one sweep. */
	for (i = 0; i < 8; i++)
		watcher_take(&watcher, 50 * MIB, 50 * MIB);
	KUNIT_EXPECT_EQ(test, watcher.policy.ladder.caution, 1U);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 8 * SETTLE_MS - 1),
			MODEL_ORDER);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 1), 5U);
	watcher_sweep(&watcher);

	/* So was that one, but what is needed late was not. */
	watcher_take(&watcher, 50 * MIB, 50 * MIB);
	KUNIT_EXPECT_EQ(test, watcher.policy.ladder.caution, 2U);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 16 * SETTLE_MS), 5U);
	watcher_sweep(&watcher);
	watcher.sample.small_pages = 0;
	watcher_pass(&watcher, MODEL_MAX_SETTLE_MS);
	watcher.sample.small_pages = GIB;
	watcher_take(&watcher, 50 * MIB, 50 * MIB);
	watcher_pass(&watcher, SETTLE_MS);
	KUNIT_EXPECT_EQ(test, watcher.policy.ladder.caution, 1U);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 7 * SETTLE_MS), 5U);
}

/* A little that comes and goes in each wait is not demand in any of them. */
static void sweeps_forget_activity(struct kunit *test)
{
	struct watcher watcher;

	watcher_start(&watcher, 0);
	watcher_take(&watcher, 10 * MIB, 0);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	watcher_sweep(&watcher);
	watcher_take(&watcher, 10 * MIB, 0);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 12 * SETTLE_MS), 2U);
}

/* Other memory that is needed says nothing of what a sweep took. */
static void other_demand_is_no_caution(struct kunit *test)
{
	struct watcher watcher;

	watcher_start(&watcher, 0);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	watcher_sweep(&watcher);
	watcher_take(&watcher, 400 * MIB, 4 * MIB);
	KUNIT_EXPECT_EQ(test, watcher.policy.ladder.caution, 0U);
	/* Yet it comes before what is needed of that. */
	watcher_take(&watcher, 20 * MIB, 20 * MIB);
	KUNIT_EXPECT_EQ(test, watcher.policy.ladder.caution, 1U);
}

/* The lowest order ends the ladder wherever it lies between the steps. */
static void lowest_order_is_lowest(struct kunit *test)
{
	struct watcher watcher;

	watcher_start(&watcher, 3);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 4 * SETTLE_MS), 5U);
	watcher_sweep(&watcher);
	KUNIT_ASSERT_EQ(test, watcher_pass(&watcher, 12 * SETTLE_MS - 1), 3U);
	watcher_sweep(&watcher);
	KUNIT_EXPECT_EQ(test, watcher_pass(&watcher, 100 * SETTLE_MS),
			MODEL_ORDER);
}

/* With a lowest order that is the usual one, there is no ladder. */
static void no_ladder(struct kunit *test)
{
	struct model model;

	model_start(&model, 0);
	page_hinting_policy_set_orders(&model.policy, MODEL_ORDER, MODEL_ORDER);
	model.small_order = 8;
	model_free_small(&model, GIB);
	model_pass(&model, 600000);
	KUNIT_EXPECT_EQ(test, model.small_hinted_pages, 0UL);
	KUNIT_EXPECT_TRUE(test, model.asleep);
	/* Nor does anybody care what comes and goes. */
	model.nr_looks = 0;
	model_free_small(&model, GIB);
	KUNIT_EXPECT_EQ(test, model.nr_looks, 0UL);
}

/* Where the settle time may not grow, nothing is learnt. */
static void fixed_settle_time(struct kunit *test)
{
	struct loop_case loop = { .busy_ms = 100, .pause_ms = 300 };
	struct model model;

	model_start(&model, 0);
	page_hinting_policy_init(&model.policy, SETTLE_MS, SETTLE_MS, 0);
	model_free(&model, GIB);
	run_loop(&model, &loop, 10, GIB);
	KUNIT_EXPECT_EQ(test, model.hinted_pages, 10 * GIB);
	KUNIT_EXPECT_EQ(test, model.peak_settle_ms, SETTLE_MS);
}

/* More pulls than the ledger has entries: the oldest are forgotten. */
static void ledger_is_bounded(struct kunit *test)
{
	struct model model;
	int i;

	model_start(&model, 0);
	for (i = 0; i < 3 * PAGE_HINTING_LEDGER_LEN; i++) {
		model_free(&model, 64 * MIB);
		model_pass(&model, 2 * SETTLE_MS);
	}
	KUNIT_EXPECT_EQ(test, model.policy.ledger_len,
			(unsigned int)PAGE_HINTING_LEDGER_LEN);
	model_alloc(&model, model.free_pages);
	model_free(&model, 64 * MIB);
	model_pass(&model, SETTLE_MS);
	KUNIT_EXPECT_EQ(test, model.refaulted_pages,
			PAGE_HINTING_LEDGER_LEN * 64 * MIB);
}

static struct kunit_case policy_cases[] = {
	KUNIT_CASE(one_off_free),
	KUNIT_CASE(settle_is_never_short),
	KUNIT_CASE_PARAM(loop_keeps_its_memory, loop_gen_params),
	KUNIT_CASE(lists_are_emptied_at_the_end),
	KUNIT_CASE(lists_are_emptied_by_others),
	KUNIT_CASE(lists_are_left_to_who_takes),
	KUNIT_CASE(lists_are_emptied_once),
	KUNIT_CASE(rare_use_is_not_waited_for),
	KUNIT_CASE(far_gap_is_believed_the_second_time),
	KUNIT_CASE(far_gaps_far_apart),
	KUNIT_CASE(far_gap_ends_slowly),
	KUNIT_CASE(small_uses_do_not_add_up),
	KUNIT_CASE(early_uses_at_once_add_up),
	KUNIT_CASE(slow_loop_is_learnt),
	KUNIT_CASE(slow_use_is_one_use),
	KUNIT_CASE(first_use_is_no_reuse),
	KUNIT_CASE(loop_beside_idle_memory),
	KUNIT_CASE(ramp_up),
	KUNIT_CASE(ramp_down),
	KUNIT_CASE(saw_tooth),
	KUNIT_CASE(noise),
	KUNIT_CASE(pull_is_not_demand),
	KUNIT_CASE(pull_takes_the_idle_part_once),
	KUNIT_CASE(hint_is_bounded),
	KUNIT_CASE(long_sleep),
	KUNIT_CASE(zone_going_away),
	KUNIT_CASE(clock_at_its_wrap),
	KUNIT_CASE(shortest_settle_time),
	KUNIT_CASE_PARAM(smaller_blocks_later, rung_gen_params),
	KUNIT_CASE(learnt_wait_is_forgotten),
	KUNIT_CASE(crumbs_are_left),
	KUNIT_CASE(small_blocks_add_up),
	KUNIT_CASE(small_loop_keeps_its_memory),
	KUNIT_CASE(free_between_sweeps),
	KUNIT_CASE(any_orders),
	KUNIT_CASE(demand_ends_a_sweep),
	KUNIT_CASE(sweep_leaves_large_blocks),
	KUNIT_CASE(sweep_gives_up),
	KUNIT_CASE(merging_is_no_demand),
	KUNIT_CASE(demand_begins_anew),
	KUNIT_CASE(caution_comes_and_goes),
	KUNIT_CASE(other_demand_is_no_caution),
	KUNIT_CASE(sweeps_forget_activity),
	KUNIT_CASE(lowest_order_is_lowest),
	KUNIT_CASE(no_ladder),
	KUNIT_CASE(fixed_settle_time),
	KUNIT_CASE(ledger_is_bounded),
	{}
};

static struct kunit_suite policy_suite = {
	.name = "page_hinting_policy",
	.test_cases = policy_cases,
};

kunit_test_suite(policy_suite);
