/* SPDX-License-Identifier: GPL-2.0 */
/* What the loads have in common: time, and memory that is touched. */
#ifndef LOAD_H
#define LOAD_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#define MIB		(1024UL * 1024)
#define PAGE_BYTES	4096UL

static inline long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
}

/*
 * A mark that tells the time, to be seen beside what the host did meanwhile.
 * The serial line is slow: it is silent again before time counts.
 */
static inline void print_clock(void)
{
	printf("### clock %ld\n", now_us() / 1000);
	fflush(stdout);
}

/* The processor's counter; under -icount, of instructions. */
#ifdef __x86_64__
static inline unsigned long long now_cycles(void)
{
	return __rdtsc();
}
#else
static inline unsigned long long now_cycles(void)
{
	unsigned long long cycles;

	asm volatile("mrs %0, cntvct_el0" : "=r"(cycles));
	return cycles;
}
#endif

static inline void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static inline char *map_bytes(size_t bytes, int fd)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "mapping %zu MiB: %s\n", bytes / MIB,
			strerror(errno));
		exit(1);
	}
	return p;
}

static inline void write_pages(char *p, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i += PAGE_BYTES)
		__atomic_store_n((size_t *)(p + i), i + 1, __ATOMIC_RELAXED);
}

#endif
