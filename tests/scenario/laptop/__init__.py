"""Programs that the tests run on a laptop with Sugar, in Debian's own Python and in the child's session."""
