"""A definition executed: steps in order and side by side, retried, cached, recorded."""
