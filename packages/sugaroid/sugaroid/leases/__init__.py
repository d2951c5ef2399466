# SPDX-License-Identifier: GPL-3.0-or-later
"""What a locked XO laptop asks of a school server: its lease at boot, and later a new one."""
