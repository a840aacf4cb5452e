"""Grafana's dashboards of the pool, and the program that makes their JSON.

``python -m scripts.dashboards [--docs URL]`` writes configs/grafana/dashboards/*.json.
"""
