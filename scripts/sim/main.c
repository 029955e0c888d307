// SPDX-License-Identifier: GPL-2.0
/*
 * Replay a series of free memory through the policy. See scripts/simulate -h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../../mm/page_hinting/tests/policy_model.h"

struct point {
	u64 ms;
	unsigned long free_mib;
};

static void fail(const char *path, unsigned int line, const char *why)
{
	fprintf(stderr, "error: reading %s, line %u: %s; see scripts/simulate -h\n",
		path, line, why);
	exit(1);
}

static bool read_point(FILE *file, const char *path, unsigned int *line,
		       struct point *point)
{
	char text[256];

	while (fgets(text, sizeof(text), file)) {
		unsigned long long ms;
		u64 last_ms = point->ms;
		char more;

		++*line;
		if (*text == '#' || *text == '\n')
			continue;
		if (sscanf(text, "%llu %lu %c", &ms, &point->free_mib, &more) != 2)
			fail(path, *line, "not two numbers, milliseconds and MiB free");
		if (ms < last_ms)
			fail(path, *line, "the time goes back");
		point->ms = ms;
		return true;
	}
	return false;
}

static void change(struct model *model, unsigned long free_mib)
{
	unsigned long pages = free_mib * MODEL_MIB;

	if (pages < model->free_pages)
		model_alloc(model, model->free_pages - pages);
	else if (pages > model->free_pages)
		model_free(model, pages - model->free_pages);
}

/* Up to then, a line for each time that something was hinted. */
static u64 pass(struct model *model, u64 until_ms, bool verbose)
{
	u64 kept_mib_ms = 0;

	while (model->now_ms < until_ms) {
		u64 left_ms = until_ms - model->now_ms;
		unsigned long hinted_pages = model->hinted_pages;

		if (!model->asleep && model->look_in_ms < left_ms)
			left_ms = model->look_in_ms;
		kept_mib_ms += left_ms * (model->unhinted_pages / MODEL_MIB);
		model_pass(model, left_ms);
		if (verbose && hinted_pages != model->hinted_pages)
			printf("%8llu ms: hinted %lu MiB, unhinted %lu, settle time %u ms\n",
			       (unsigned long long)model->now_ms,
			       (model->hinted_pages - hinted_pages) / MODEL_MIB,
			       model->unhinted_pages / MODEL_MIB,
			       model->policy.settle_ms);
	}
	return kept_mib_ms;
}

static void replay(const char *path, bool verbose)
{
	struct point point = { };
	struct model model;
	unsigned int line = 0;
	u64 start_ms, kept_mib_ms = 0, asleep_ms;
	const char *name = strrchr(path, '/');
	FILE *file = fopen(path, "r");

	if (!file || !read_point(file, path, &line, &point))
		fail(path, line, "cannot be read, or is empty");
	start_ms = point.ms;
	model_start(&model, start_ms);
	change(&model, point.free_mib);
	while (read_point(file, path, &line, &point)) {
		kept_mib_ms += pass(&model, point.ms, verbose);
		change(&model, point.free_mib);
	}
	fclose(file);

	/* How long until nothing happens any more. */
	point.ms = model.now_ms;
	while (!model.asleep && model.now_ms - point.ms < 120000)
		pass(&model, model.now_ms + 1, verbose);
	asleep_ms = model.now_ms - point.ms;

	printf("%s: %.1f s, allocated %lu MiB, of which hinted %lu, too early %lu; hinted %lu MiB; kept unhinted %llu MiB on average; longest settle time %u ms; %lu looks; idle after %llu ms\n",
	       name ? name + 1 : path, (point.ms - start_ms) / 1000.0,
	       model.allocated_pages / MODEL_MIB, model.faulted_pages / MODEL_MIB,
	       model.refaulted_pages / MODEL_MIB, model.hinted_pages / MODEL_MIB,
	       (unsigned long long)(kept_mib_ms / (point.ms - start_ms ?: 1)),
	       model.peak_settle_ms, model.nr_looks, (unsigned long long)asleep_ms);
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	int i;

	for (i = 1 + verbose; i < argc; i++)
		replay(argv[i], verbose);
	return argc <= 1 + verbose;
}
