"""Titles in, SOC codes with scores out: the classifier, its answers, and their explanations."""
