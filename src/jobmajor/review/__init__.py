"""Titles that a person should see, and what the person said."""
