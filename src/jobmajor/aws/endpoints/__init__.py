"""Endpoints: deployment, rollout, approval, scaling, invocation and removal."""
