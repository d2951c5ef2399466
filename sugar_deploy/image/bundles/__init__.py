"""Bundles: the zips in which the firmware finds kernels, ramdisks, firmware and what to flash.

`runosN.zip`, `runrdN.zip`, `actosN.zip`, `actrdN.zip` and `bootfwN.zip` lie in `\\boot`, `fsN.zip` in the root; N is
the model's number. Format: openfirmware's cpu/x86/pc/olpc/security.fth and ofw/fs/zipfs.fth.
"""
