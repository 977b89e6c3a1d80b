"""The linear recipe: features, spelling, arrays, scoring, a small network, training and calibration."""
