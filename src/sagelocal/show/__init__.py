"""What a person sees: tables, errors and progress on a terminal, and a pipeline as a diagram."""
