# SPDX-License-Identifier: GPL-3.0-or-later
"""The school's pages: for everyone how to register, for the teacher who is registered, backed up and well."""
