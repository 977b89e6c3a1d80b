"""THE pipeline definition, its job requests, its inputs, a run of it, and a search for settings."""
