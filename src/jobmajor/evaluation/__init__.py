"""Figures from answers and truth: metrics, the quality gate and the report, without a model."""
