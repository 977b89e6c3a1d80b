"""Delimited text: encodings, separators, columns of titles, and rows that are found and copied unchanged."""
