"""The pipeline and its executions: uploads, upserts, starts, states and logs."""
