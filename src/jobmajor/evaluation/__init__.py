"""Figures from answers and truth: metrics, the quality gate, the report. Knows no model."""
