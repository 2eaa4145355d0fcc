"""Speed, memory and quality, measured: run by hand, and with --smoke as part of the tests."""
