"""What the service holds while it runs: model, scorer, admission, keys, metrics, log."""
