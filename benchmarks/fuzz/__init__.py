"""Fuzzing: cases of every kind of input that people, machines and accidents make, and what must be true of each.

`harness` draws cases, runs them in processes that are watched, and says what every command promises; the other modules
have one kind each: a generator of cases, and a check that knows the right answer.
"""
