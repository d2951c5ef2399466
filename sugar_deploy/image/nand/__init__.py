"""Images for XO-1, whose storage is raw NAND with erase blocks of 128 KiB."""
