"""Model versions, the champion and promotion; kept by MLflow, and exported as an MLflow model."""
