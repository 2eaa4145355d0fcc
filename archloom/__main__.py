"""`python -m archloom` is the same as `archloom`."""

from archloom.cli.main import main

if __name__ == "__main__":
    main()
