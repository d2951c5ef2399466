"""Leases for laptops: from a list of them to files that their firmware and initramfs take."""
