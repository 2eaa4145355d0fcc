"""After a search: final evaluation of the winner, and averaged weights."""
