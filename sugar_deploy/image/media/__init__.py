"""USB sticks and SD cards: what goes where on them for the firmware and the ramdisk to find it."""
