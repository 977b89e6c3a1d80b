"""The pipeline definition, its requests and inputs, a run, a search for settings; a model judged by outside titles."""
