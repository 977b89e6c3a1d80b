"""The pipeline definition, its job requests and inputs, a run of it, and a search for settings."""
