"""The worker process: listeners, rigs' sessions, jobs out and shares in."""
