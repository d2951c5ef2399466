"""Whole disks and sticks as image files, checked as a laptop's firmware reads them: it starts from one partition."""
