"""What a composed image becomes: files that a laptop's firmware flashes, or disks that machines start from.

Each is made from the composed folder alone, without root and without mounting anything; the same folder gives the
same bytes, and nothing stands under its final name before it is whole.
"""
