"""What every room may use: files, options, seeds, machine code, threads, ranks, users' files."""
