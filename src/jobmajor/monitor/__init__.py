"""Titles and answers of a period, compared with a reference: quality, drift, and how sure that is."""
