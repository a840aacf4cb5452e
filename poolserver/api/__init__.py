"""HTTP for operators and for Prometheus."""
