"""A pipeline definition, read and checked before anything runs: steps, parameters, expressions, request shapes."""
