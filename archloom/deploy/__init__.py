"""After a search: the winner measured, and averaged weights."""
