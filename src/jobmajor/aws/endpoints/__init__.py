"""Deploy a model to an endpoint, roll it out, scale it, ask it, remove it."""
