"""Execute a definition: steps in order and in parallel, with retries, a cache and records."""
