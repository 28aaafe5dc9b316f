"""Kubernetes: an executor that runs every step as a Kubernetes job."""
