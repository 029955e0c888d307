/* SPDX-License-Identifier: GPL-2.0 */
/* What mm/page_hinting/policy.c needs outside the kernel. */
#ifndef _SIM_TYPES_H
#define _SIM_TYPES_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define U64_MAX		UINT64_MAX
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define SZ_16K		(16U << 10)
#define SZ_128K		(128U << 10)
#define SZ_1M		(1U << 20)
#define SZ_4M		(4U << 20)
#define SZ_8M		(8U << 20)
#define SZ_16M		(16U << 20)
#define PAGE_SHIFT	12
#define MAX_PAGE_ORDER	10
#define MAX_ORDER_NR_PAGES	(1UL << MAX_PAGE_ORDER)

#define NR_PAGE_ORDERS		(MAX_PAGE_ORDER + 1)

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min3(a, b, c)		min(min(a, b), c)
#define max3(a, b, c)		max(max(a, b), c)
#define clamp(a, low, high)	min(max(a, low), high)
#define min_not_zero(a, b)	(!(a) ? (b) : !(b) ? (a) : min(a, b))
#define min_t(type, a, b)	min((type)(a), (type)(b))
#define max_t(type, a, b)	max((type)(a), (type)(b))
#define DIV_ROUND_UP(a, b)	(((a) + (b) - 1) / (b))
#define div_u64(a, b)		((a) / (b))
#define div64_u64(a, b)		((a) / (b))
#define ilog2(a)		(63 - __builtin_clzll(a))
#define unlikely(x)		(x)

#endif
