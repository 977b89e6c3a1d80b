"""Candidate and champion on the same titles: overall, by level, by group, by form of a title, and what that decides."""
