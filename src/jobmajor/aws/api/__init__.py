"""One checked way to call AWS: requests, refusals, retries, sessions, waiting."""
