"""``python -m poolserver.metrics`` prints the reference of all metrics."""

from poolserver.metrics.reference import metrics_reference

if __name__ == "__main__":
    print(metrics_reference())
