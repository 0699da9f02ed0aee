"""Properties that every piece has, swept over the table in `tests.cases`."""
