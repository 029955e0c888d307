# SPDX-License-Identifier: GPL-2.0
"""The benchmark: what scripts/bench puts together."""
