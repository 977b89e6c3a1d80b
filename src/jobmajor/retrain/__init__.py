"""When the pipeline runs again, and on which labels: triggers, and titles from traffic to the queue."""
