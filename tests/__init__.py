"""Tests, and what they share: `cases` and `reference`."""
