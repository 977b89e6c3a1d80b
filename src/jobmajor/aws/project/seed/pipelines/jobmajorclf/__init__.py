"""Job titles to SOC codes."""
