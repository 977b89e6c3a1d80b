"""Recorded traffic: requests with their answers, written in bounds and read by periods."""
