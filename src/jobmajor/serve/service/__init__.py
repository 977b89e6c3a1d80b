"""The state of a running service: model, batcher, admission, API keys, metrics and log."""
